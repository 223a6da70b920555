"""Values -> what a person or a script sees: rich tables, and plain dictionaries for `--json`.

Pure: nothing is printed here. The keys of the dictionaries are documented in docs/json.md and stay as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table

from lab.model import MILLION, Host, Lab
from lab.observe import Event, EventKind, HostView, Socket, Translation
from lab.plan import Container, Plan
from lab.scripts import Step, before, steps
from lab.segments import Segment, impairment_words
from lab.services import services
from lab.tables import row as _row
from lab.tables import table as _table
from lab.text import joined
from lab.wiring import Started, fabric, impairments, networks

if TYPE_CHECKING:
    from lab.instances import Running
    from lab.prune import Dead, Unused

Json = dict[str, Any]

NOT_STARTED = "not started"
NOT_COUNTED = "not counted"
MOST_NAMES = 8
MOST_ROWS = 1000
"""A table of more takes minutes to lay out, and nobody reads it; `--json` has everything."""


def _more(table: Table, host: str, count: int) -> None:
    """A row for those of a host that are not shown."""
    if count > MOST_ROWS:
        _row(table, f"{host}: {count - MOST_ROWS} more; --json has all")


# ---------------------------------------------------------------------------------------------- labs


def labs_json(labs: Iterable[tuple[str, str, str]]) -> list[Json]:
    """Of (name, title, problem)."""
    return [{"lab": name, "title": title, "problem": problem} for name, title, problem in labs]


def labs_table(labs: Iterable[tuple[str, str, str]]) -> Table:
    """The labs that there are."""
    table = _table("", "LAB", "WHAT IT SHOWS")
    for name, title, problem in labs:
        _row(table, name, problem or title)
    return table


def images_table(current: Iterable[str], built: Iterable[str]) -> Table:
    """The images that labs use now, and those that older content has left."""
    table = _table("", "IMAGE", "STATE")
    wanted, there = list(current), set(built)
    for tag in wanted:
        _row(table, tag, "built" if tag in there else "will be built when it is needed")
    for tag in sorted(there - set(wanted)):
        _row(table, tag, "the name without a hash" if tag.endswith(":latest") else "of older content")
    return table


# ---------------------------------------------------------------------------------------------- plan


def plan_json(plan: Plan, helper: Container, *, on_networks: bool = False) -> Json:
    """What will be created, and what will be carried out; on the fabric, or on Docker networks."""
    return {
        "instance": plan.instance,
        "lab": plan.lab.name,
        "containers": [
            {
                "name": container.name,
                "host": host.name,
                "image": container.image,
                "capabilities": list(container.capabilities),
                "memory_bytes": container.memory,
                "pids": container.pids,
                "before": before(host).sysctls(),
                "steps": _steps_json((impairments.features(host), *steps(host))),
                "programs": [
                    {
                        "name": program.name,
                        "files": [file.name for file in program.files],
                        "run": list(program.run),
                        "ready": [str(endpoint) for endpoint in program.ready],
                    }
                    for program in host.programs
                ],
                "services": [
                    {
                        "name": service.name,
                        "files": dict(service.files),
                        "run": list(service.argv),
                        "listens": [str(endpoint) for endpoint in service.listens],
                    }
                    for service in services(plan.lab, host)
                ],
            }
            for container, host in zip(plan.hosts, plan.lab.hosts, strict=True)
        ],
        "helper": {"name": helper.name, "image": helper.image, "capabilities": list(helper.capabilities)},
    } | (_on_networks_json(plan) if on_networks else _on_fabric_json(plan))


def _on_fabric_json(plan: Plan) -> Json:
    return {
        "wiring": fabric.NAME,
        "links": list(fabric.links(plan.lab)),
        "segments": _steps_json(fabric.segment_steps(plan.lab)),
    }


def _on_networks_json(plan: Plan) -> Json:
    made = networks.sketch(plan)
    return {
        "wiring": networks.NAME,
        "networks": [
            {"name": carrier.name, "network": name, "subnet": str(carrier.subnet), "options": dict(carrier.options)}
            for name, carrier in made.carriers.items()
        ],
        "sidecars": [
            {
                "host": host.name,
                "ways": list(made.ways[host.name]),
                "links": list(made.links[host.name]),
                "segments": _steps_json(made.segments[host.name]),
            }
            for host in plan.lab.hosts
        ],
    }


def _steps_json(carried_out: Iterable[Step]) -> list[Json]:
    return [{"kind": step.kind, "lines": list(step.lines)} for step in carried_out]


def plan_table(plan: Plan) -> Table:
    """One row per host: where it is attached, and what more it is."""
    table = _table(plan.lab.title, "HOST", "INTERFACES", "MORE")
    for host in plan.lab.hosts:
        _row(table, host.name, _attachments(host), [*_gateways(host), *_nat(host), *_names(host), *_programs(host)])
    return table


def plan_commands(plan: Plan, *, on_networks: bool = False) -> str:
    """The very lines that are carried out, host by host; on the fabric, or on Docker networks."""
    parts = _on_networks(plan) if on_networks else _on_fabric(plan)
    for host in plan.lab.hosts:
        parts += ["", f"# in {host.name}", *_step_lines((before(host), impairments.features(host), *steps(host)))]
        for service in services(plan.lab, host):
            parts += ["", f"# in {host.name}, as the user service"]
            for name, text in service.files:
                parts += [f"cat > {service.cwd}/{name} <<'END'", *text.splitlines(), "END"]
            parts.append(" ".join(service.argv))
    return "\n".join(parts)


def _on_fabric(plan: Plan) -> list[str]:
    parts = ["# in the fabric", *(f"ip {line}" for line in fabric.links(plan.lab))]
    return parts + _step_lines(fabric.segment_steps(plan.lab))


def _on_networks(plan: Plan) -> list[str]:
    made = networks.sketch(plan)
    parts = ["# Docker networks; another subnet where somebody has this one"]
    for carrier in made.carriers.values():
        options = " ".join(f"-o {key}={value}" for key, value in carrier.options)
        parts.append(f"docker network create --internal --subnet {carrier.subnet} {options} {carrier.name}")
    for host in plan.lab.hosts:
        parts += ["", f"# in the sidecar of {host.name}", *(f"ip {line}" for line in made.ways[host.name])]
        parts += ["# in its namespace `segments`", *(f"ip {line}" for line in made.links[host.name])]
        parts += _step_lines(made.segments[host.name])
    return parts


def _step_lines(carried_out: Iterable[Step]) -> list[str]:
    lines: list[str] = []
    for step in carried_out:
        lines += (
            ["nft -f - <<END", *step.lines, "END"]
            if step.kind == "nft"
            else [f"{step.kind} {line}" for line in step.lines]
        )
    return lines


def _attachments(host: Host) -> list[str]:
    return [
        f"{interface.name} {address} on {interface.network}"
        for interface in host.interfaces
        for address in interface.addresses
    ]


def _gateways(host: Host) -> list[str]:
    return [f"gateway {gateway}" for gateway in host.gateways]


def _nat(host: Host) -> list[str]:
    if host.nat is None:
        return []
    ports = str(host.nat.pool) if host.nat.pool else str(host.nat.policy)
    forwards = [f"{one.to.protocol} {one.port} -> {one.to.address}:{one.to.port}" for one in host.nat.forwards]
    return [f"NAT to {host.nat.outside}, ports {ports}", *forwards]


def _names(host: Host) -> list[str]:
    found = [f"serves the zone {zone.name}" for zone in host.zones]
    if host.resolver is not None:
        found.append(f"resolves from {_words(host.resolver.root)}")
    asks = [f"asks {_words(host.dns)}"] if host.dns else []
    return [*found, *asks, *([f"remembers names: {host.cache}"] if host.cache else [])]


def _programs(host: Host) -> list[str]:
    return [
        f"{program.name}: {_words(program.ready) or 'runs' if program.run else 'deployed'}" for program in host.programs
    ]


def _words(items: Iterable[object]) -> str:
    return ", ".join(str(item) for item in items)


# -------------------------------------------------------------------------------------------- status


def status_json(
    found: Running, lab: Lab | None, started: Iterable[Started], *, came_up: bool, living: Collection[str] | None = None
) -> Json:
    """An instance; `lab` is None if its description cannot be had.

    `living` hosts have the network that was made for them; None says it of all.
    """
    programs = list(started)
    states = {
        member.host: "unwired"
        if living is not None and member.state == "running" and member.host not in living
        else member.state
        for member in found.hosts
    }
    names = [host.name for host in lab.hosts] if lab else list(states)
    hosts: list[Json] = [
        {
            "host": name,
            "state": states.get(name, "missing"),
            "addresses": _addresses(lab, name),
            "programs": [
                {"program": one.program, "pid": one.pid, "ended": one.end} for one in programs if one.host == name
            ]
            + _not_started(lab, name, programs, came_up=came_up),
        }
        for name in names
    ]
    broken = found.wrong or _broken(lab, hosts)
    return {
        "instance": found.name,
        "lab": found.lab,
        "state": "broken" if broken else "up" if came_up else "starting",
        "why": broken or ("" if came_up else "not everything was seen yet, or its start died"),
        "created": found.created,
        "wiring": found.wiring,
        "hosts": hosts,
    }


def _broken(lab: Lab | None, hosts: Iterable[Json]) -> str:
    """Why an instance is broken of which all containers run, "" if it is not."""
    if lab is None:
        return "its helper does not answer, or cannot be understood"
    unwired = [host["host"] for host in hosts if host["state"] == "unwired"]
    if unwired:
        return f"{', '.join(unwired)}: started anew, without the network that was made for it"
    lacking = [f"{one['program']} on {host['host']}" for host in hosts for one in host["programs"] if _lacks(one)]
    return f"not started: {', '.join(lacking)}" if lacking else ""


def _lacks(program: Json) -> bool:
    return bool(program["ended"] == NOT_STARTED)


def _not_started(lab: Lab | None, name: str, programs: Iterable[Started], *, came_up: bool) -> list[Json]:
    """Declared programs of a host that came up and then lost them: a reset was cut off."""
    if lab is None or not came_up:
        return []
    there = {one.program for one in programs if one.host == name}
    host = lab.host(name)
    wanted = [service.name for service in services(lab, host)] + [one.name for one in host.programs if one.run]
    return [{"program": one, "pid": None, "ended": NOT_STARTED} for one in wanted if one not in there]


def _addresses(lab: Lab | None, name: str) -> list[str]:
    if lab is None:
        return []
    return [str(address) for interface in lab.host(name).interfaces for address in interface.addresses]


def status_table(status: Json) -> Table:
    """One instance, from what status_json says of it."""
    # The one that is usual needs no word.
    wiring = f" ({status['wiring']})" if status["wiring"] == networks.NAME else ""
    title = f"{status['instance']}: lab {status['lab']}, {status['state']}{wiring}"
    table = _table(title, "HOST", "STATE", "ADDRESSES", "PROGRAMS")
    for host in status["hosts"]:
        programs = [f"{one['program']}: {one['ended'] or 'running'}" for one in host["programs"]]
        _row(table, host["host"], host["state"], host["addresses"], programs)
    return table


# --------------------------------------------------------------------------------------------- prune


def age_words(seconds: int) -> str:
    """An age in its two largest units: `3 d 4 h`, `2 min 5 s`. One that cannot be is unknown."""
    if seconds < 0:
        return "unknown"
    units = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    first = next((number for number, (size, _) in enumerate(units) if seconds >= size), len(units) - 1)
    words: list[str] = []
    for size, unit in units[first : first + 2]:
        count, seconds = divmod(seconds, size)
        words += [f"{count} {unit}"] if count or not words else []
    return " ".join(words)


def prune_tables(dead: Iterable[Dead], unused: Iterable[Unused]) -> list[Table]:
    """What is to be removed: instances, and images. No table of what there is none of."""
    of_instances = _table("", "INSTANCE", "LAB", "LEFT", "AGE", "WHY")
    for one in dead:
        _row(of_instances, one.found.name, one.found.lab, one.found.left, age_words(one.age), one.why)
    of_images = _table("", "IMAGE", "AGE", "WHY")
    for image in unused:
        _row(of_images, _image_names(image), age_words(image.age), image.why)
    return [table for table in (of_instances, of_images) if table.row_count]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _image_names(unused: Unused) -> list[str]:
    return list(unused.image.tags) or [unused.image.id.removeprefix("sha256:")[:12]]


def prune_json(
    dead: Iterable[Dead], unused: Iterable[Unused], *, gone: Collection[Dead], gone_images: Collection[Unused]
) -> Json:
    """The same, and what of it is gone."""
    return {
        "instances": [
            {
                "instance": one.found.name,
                "lab": one.found.lab,
                "containers": sorted(member.id for member in one.found.members),
                "networks": sorted(one.found.networks),
                "age": one.age,
                "why": one.why,
                "removed": one in gone,
            }
            for one in dead
        ],
        "images": [
            {
                "image": image.image.id,
                "tags": list(image.image.tags),
                "age": image.age,
                "why": image.why,
                "removed": image in gone_images,
            }
            for image in unused
        ],
    }


def pruned(
    dead: Collection[Dead], unused: Collection[Unused], *, gone: Collection[Dead], gone_images: Collection[Unused]
) -> str:
    """What came of it, and a line for each that has changed since it was shown."""
    counts = [_count(len(gone), "instance")] * bool(dead) + [_count(len(gone_images), "image")] * bool(unused)
    lines = [f"removed {' and '.join(counts)}"]
    lines += [f"{one.found.name} has changed since, and stays" for one in dead if one not in gone]
    lines += [f"{_words(_image_names(one))} is in use by now, and stays" for one in unused if one not in gone_images]
    return "".join(f"{line}\n" for line in lines)


# ------------------------------------------------------------------------------------------ segments


def segments_json(found: Iterable[Segment]) -> list[Json]:
    """Every network of an instance."""
    return [
        {
            "network": one.network.name,
            "subnets": [str(subnet) for subnet in one.network.subnets],
            "hosts": list(one.hosts),
            "loss": one.network.impairments.loss / MILLION,
            "delay": one.network.impairments.delay / MILLION,
            "reorder": one.network.impairments.reorder / MILLION,
            "passed": None if one.counts is None else asdict(one.passed),
            "lost": None if one.counts is None else asdict(one.lost),
        }
        for one in found
    ]


def segments_table(found: Iterable[Segment]) -> Table:
    """Every network of an instance: who is on it, what is wrong with it, and what became of packets."""
    columns = ("NETWORK", "SUBNETS", "HOSTS", "IMPAIRMENTS", "PASSED", "LOST")
    table = _table("", *columns, numbers=["PASSED", "LOST"])
    for one in found:
        subnets = [str(subnet) for subnet in one.network.subnets]
        words = impairment_words(one.network.impairments)
        hosts = [*one.hosts[:MOST_NAMES], *["…"] * (len(one.hosts) > MOST_NAMES)]
        counts = (NOT_COUNTED, NOT_COUNTED) if one.counts is None else (one.passed.all, one.lost.all)
        _row(table, one.network.name, subnets, _words(hosts), words, *counts)
    return table


# ------------------------------------------------------------------------------------------- sockets


def sockets_json(views: Mapping[str, HostView]) -> list[Json]:
    """Every socket of every host."""
    return [
        {
            "host": host,
            "protocol": str(socket.kind),
            "state": socket.state,
            "local_address": _address(socket.local.address),
            "local_port": socket.local.port,
            "remote_address": _address(socket.remote.address),
            "remote_port": socket.remote.port,
            "uid": socket.uid,
            "v6only": socket.v6only,
            "processes": [{"name": one.name, "pid": one.pid} for one in socket.processes],
        }
        for host, view in views.items()
        for socket in view.sockets
    ]


def _address(address: object) -> str | None:
    return None if address is None else str(address)


def sockets_table(views: Mapping[str, HostView]) -> Table:
    """Every socket of every host."""
    table = _table("", "HOST", "PROTO", "STATE", "LOCAL", "REMOTE", "PROGRAM")
    for host, view in views.items():
        for socket in view.sockets[:MOST_ROWS]:
            _row(table, host, socket.kind, socket.state, socket.local, _remote(socket), _holders(socket))
        _more(table, host, len(view.sockets))
    return table


def _remote(socket: Socket) -> str:
    return "" if socket.listens else str(socket.remote)


def _holders(socket: Socket) -> str:
    return _words(dict.fromkeys(process.name for process in socket.processes))


# ----------------------------------------------------------------------------------------------- nat


def nat_json(tables: Mapping[str, tuple[Translation, ...]]) -> list[Json]:
    """Every entry of every gateway."""
    return [_entry_json(gateway, entry) for gateway, entries in tables.items() for entry in entries]


def event_json(gateway: str, event: Event) -> Json:
    """An event of a gateway's connection tracking."""
    entry = _entry_json(gateway, event.translation)
    gone = {"seconds_left": None} if event.kind is EventKind.DESTROY else {}
    return {"time": event.time / 1e9, "event": str(event.kind), **entry, **gone}


def _entry_json(gateway: str, entry: Translation) -> Json:
    return {
        "gateway": gateway,
        "protocol": entry.protocol,
        "direction": _direction(entry),
        "inside_address": str(entry.inside[0]),
        "inside_port": entry.inside[1],
        "outside_address": str(entry.outside[0]),
        "outside_port": entry.outside[1],
        "peer_address": str(entry.peer[0]),
        "peer_port": entry.peer[1],
        "state": entry.state,
        "seconds_left": entry.seconds_left,
        "source_translated": entry.source_is_translated,
        "destination_translated": entry.destination_is_translated,
    }


def _direction(entry: Translation) -> str:
    """Whether the inside end began (`out`), or somebody asked for a forwarded port (`in`)."""
    return "in" if entry.destination_is_translated else "out"


def nat_table(tables: Mapping[str, tuple[Translation, ...]]) -> Table:
    """Every entry of every gateway: how one end is known inside and outside, and who is at the other end.

    What does not differ has no column: the gateway if there is one, the direction if nobody used a forwarded port.
    """
    several = len(tables) > 1
    forwarded = any(entry.destination_is_translated for entries in tables.values() for entry in entries)
    columns = ("PROTO", "INSIDE", "OUTSIDE", "PEER", "STATE", "LEFT")
    table = _table("", *["GATEWAY"] * several, *["WAY"] * forwarded, *columns, numbers=["LEFT"])
    for gateway, entries in tables.items():
        for entry in entries[:MOST_ROWS]:
            ends = (joined(*one) for one in (entry.inside, entry.outside, entry.peer))
            first = [gateway] * several + [_direction(entry)] * forwarded
            _row(table, *first, entry.protocol, *ends, entry.state, f"{entry.seconds_left}s")
        _more(table, gateway, len(entries))
    return table


def rules_text(views: Mapping[str, HostView]) -> str:
    """The rules of gateways, as nft(8) lists them."""
    several = len(views) > 1
    return "\n".join(f"# {host}\n{view.rules}" if several else view.rules for host, view in views.items())
