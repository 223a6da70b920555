"""Plain Docker networks: each host lives on them, and an agent beside each host makes of it what the lab declares.

Three parts: pure plans of what is created (`helper`, `sidecar`, `carrier`, `candidates`), pure text of what is carried
out in a host to turn Docker's interfaces into the lab's (`adoption`, `host_steps`), and `Networks`, which talks with
all agents of an instance as if they were one.

An engine needs not let anybody see the machine's processes for this: a sidecar sees those of one host. What Docker put
into the host is taken away: addresses of its own, its resolver, and its lines in two files.
"""

from __future__ import annotations

import contextlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from ipaddress import IPv4Network, ip_network
from typing import Any

from lab.errors import AgentError, EngineError, InstanceError, NotUpError
from lab.model import Address, Host, Lab
from lab.observe import host_view
from lab.observe.frames import HEADER
from lab.plan import (
    LABEL_DESCRIPTION,
    LABEL_HOST,
    LABEL_HOSTS,
    LABEL_NETWORK,
    LABEL_WIRING,
    ROLE_NETWORK,
    ROLE_SIDECAR,
    Carrier,
    Container,
    Plan,
    container_name,
    labels,
)
from lab.scripts import TABLE, Step, before, steps
from lab.services import Service
from lab.wiring import (
    TURN_SECONDS,
    CapturePoint,
    CommandResult,
    Ended,
    Output,
    Recorded,
    Started,
    Terminal,
    agent,
    impairments,
)
from lab.wiring.agent import Agent, as_sent
from lab.wiring.refusals import first_error, refusals

NAME = "networks"

OPTIONS = (
    # The one set with which every engine from 20.10 on lets hosts route and translate for each other.
    ("com.docker.network.bridge.enable_ip_masquerade", "false"),
    ("com.docker.network.bridge.inhibit_ipv4", "true"),
    ("com.docker.network.bridge.gateway_mode_ipv4", "routed"),
)
RESERVED = IPv4Network("240.0.0.0/4")
"""Where carriers' subnets come from: no network uses it (RFC 1112 §4). The last of it is the broadcast address."""
LEAST_ADDRESSES = 16
BESIDE_HOSTS = 3
"""addresses of a subnet that no host gets: its own, its broadcast address, and the one that Docker calls its gateway"""
MOST_TRIES = 256
RESOLVER = "127.0.0.11"
"""where Docker's own resolver listens in every container on a network that is not its default one"""


# -------------------------------------------------------------------------------------- what is created


def helper(plan: Plan, *, images: Mapping[str, str], description: str) -> Container:
    """The container whose name is the instance's lock; it enters nothing, and keeps the seal and the turn."""
    return agent.container(
        container_name(plan.instance),
        images=images,
        labels=(
            *labels(plan.lab, plan.instance, "helper"),
            (LABEL_WIRING, NAME),
            (LABEL_HOSTS, str(len(plan.lab.hosts))),
            (LABEL_DESCRIPTION, description),
        ),
        hostname="helper",
        capabilities=(),
        command=("keep",),
    )


def sidecar(plan: Plan, host: Host, container: str, *, images: Mapping[str, str]) -> Container:
    """What runs beside a host, given by its container's id: in its network, and among its processes."""
    return agent.container(
        f"{container_name(plan.instance, host.name)}.sidecar",
        images=images,
        labels=(*labels(plan.lab, plan.instance, ROLE_SIDECAR), (LABEL_HOST, host.name), (LABEL_WIRING, NAME)),
        network_mode=f"container:{container}",
        pid_mode=f"container:{container}",
        command=("beside",),
    )


def carrier(plan: Plan, network: str, subnet: IPv4Network) -> Carrier:
    """The Docker network that carries one of the lab's."""
    return Carrier(
        name=container_name(plan.instance, network),
        subnet=subnet,
        labels=(*labels(plan.lab, plan.instance, ROLE_NETWORK), (LABEL_NETWORK, network), (LABEL_WIRING, NAME)),
        options=OPTIONS,
    )


def candidates(plan: Plan, network: str, *, taken: Iterable[str]) -> Iterator[IPv4Network]:
    """Subnets for a network's carrier that overlap none of `taken`, from a place that is the instance's own.

    The engine says whether one is free at last: it gives no subnet twice, whoever asks at the same time.
    """
    hosts = sum(1 for host in plan.lab.hosts for one in host.interfaces if one.network == network)
    length = 32 - (max(LEAST_ADDRESSES, hosts + BESIDE_HOSTS) - 1).bit_length()
    size = 1 << 32 - length
    others = [one for one in map(ip_network, taken) if isinstance(one, IPv4Network) and one.overlaps(RESERVED)]
    count = RESERVED.num_addresses // size - 1
    first = zlib.crc32(f"{plan.instance}/{network}".encode()) % count
    for number in range(count):
        found = IPv4Network((int(RESERVED.network_address) + (first + number) % count * size, length))
        if not any(found.overlaps(one) for one in others):
            yield found


# --------------------------------------------------------------------------- what is carried out in a host


def adoption(lab: Lab, host: Host, addresses: str, carriers: Mapping[str, IPv4Network]) -> tuple[str, ...]:
    """Lines for ip(8) that make of Docker's interfaces the host's own: its names, hardware addresses, no addresses.

    `addresses` is what `ip -j addr show` told; an interface is known by its address from the network's carrier.
    Raises NotUpError if one is not there.
    """
    links = host_view({"addresses": addresses}).links
    number = lab.hosts.index(host)
    lines: list[str] = []
    for index, interface in enumerate(host.interfaces):
        subnet = carriers[interface.network]
        found = [link.name for link in links if any(address.ip in subnet for address in link.addresses)]
        if len(found) != 1:
            there = ", ".join(f"{link.name} {' '.join(map(str, link.addresses))}" for link in links)
            raise NotUpError(
                f"{host.name}: expected one interface with an address of {subnet}, for {interface.network}, "
                f"observed {there or 'none'}"
            )
        # By way of names that nobody has: one's new name may be another's old one.
        lines += [
            f"link set dev {found[0]} down",
            f"addr flush dev {found[0]}",
            f"link set dev {found[0]} address {impairments.mac(number, index)} name adopted{index}",
        ]
    lines += [f"link set dev adopted{index} name {interface.name}" for index, interface in enumerate(host.interfaces)]
    return tuple(lines)


def host_steps(host: Host) -> tuple[Step, ...]:
    """What is carried out in a host once its interfaces are adopted, in this order."""
    # They are older than the settings that new interfaces begin with; see scripts.before.
    inherited = Step(
        kind="sysctl",
        lines=tuple(
            line.replace(".default.", f".{interface.name}.")
            for interface in host.interfaces
            for line in before(host).lines
            if ".default." in line
        ),
    )
    closed = (Step(kind="nft", lines=impairments.peers(host)),) if host.interfaces else ()
    return (*((inherited,) if inherited.lines else ()), *closed, impairments.features(host), *steps(host))


def segment_steps(lab: Lab, host: Host) -> tuple[Step, ...]:
    """What of the segments is carried out in a host."""
    if not host.interfaces:
        return ()
    rules = Step(kind="nft", lines=impairments.host_rules(lab, host))
    return (rules, *impairments.host_queues(lab, host))


def resolv_conf(host: Host) -> str:
    """A host's resolv.conf(5), as Docker writes it for one that it gives no resolver."""
    servers = [str(address) for address in host.dns] or ["127.0.0.1"]
    options = [f"options {' '.join(host.dns_options)}"] if host.dns_options else []
    lines = [f"search {' '.join(host.dns_search or ('.',))}", *(f"nameserver {one}" for one in servers), *options]
    return "".join(f"{line}\n" for line in lines)


# ------------------------------------------------------------------------------------------- all agents


@dataclass(kw_only=True)
class _Source:
    """What one agent has of a recording."""

    host: str
    number: int
    points: list[int]
    """what its points are in the whole recording"""
    at: int = 0
    rest: bytearray = field(default_factory=bytearray)
    """a record of which a part has come"""
    numbers: dict[int, int] = field(default_factory=dict)
    """its numbers of interfaces -> the whole recording's"""
    lost: int = 0
    overrun: bool = False
    complete: int = 0


@dataclass(kw_only=True)
class _Merged:
    """A recording that is made at several agents: what they brought, one record after the other."""

    sources: list[_Source]
    frames: bool = True
    """whether it has records (lab/observe/frames.py), or the text of one agent"""
    data: bytearray = field(default_factory=bytearray)
    start: int = 0
    """how many bytes were let go of"""
    interfaces: list[tuple[int, str]] = field(default_factory=list)

    def let_go(self, at: int) -> None:
        """Of what comes before the byte `at`."""
        del self.data[: at - self.start]
        self.start = at

    def take(self, source: _Source, piece: Recorded) -> None:
        """Add what an agent brought."""
        source.lost, source.overrun, source.complete = piece.lost, piece.overrun, piece.complete
        if not self.frames:
            self.data += piece.data
            return
        for number, (point, name) in enumerate(piece.interfaces):
            if number not in source.numbers:
                source.numbers[number] = len(self.interfaces)
                self.interfaces.append((source.points[point], name))
        source.rest += piece.data
        at = 0
        while len(source.rest) - at >= HEADER.size:
            when, number, direction, length, kept = HEADER.unpack_from(source.rest, at)
            end = at + HEADER.size + kept
            if len(source.rest) < end:
                break
            self.data += HEADER.pack(when, source.numbers[number], direction, length, kept)
            self.data += source.rest[at + HEADER.size : end]
            at = end
        del source.rest[:at]

    def piece(self) -> Recorded:
        """The first of what is there."""
        return Recorded(
            data=bytes(self.data[:PIECE]),
            end=self.start + len(self.data),
            lost=sum(one.lost for one in self.sources),
            overrun=any(one.overrun for one in self.sources),
            complete=min((one.complete for one in self.sources), default=0),
            interfaces=tuple(self.interfaces),
        )


PIECE = 512 * 1024
"""bytes of a recording that are given at once"""
CONNECTIONS = 4
"""that are made at the same time"""


class Networks:
    """Connections to an instance's agents, made when they are needed; satisfies `lab.wiring.Wiring`."""

    def __init__(
        self,
        keeper: Agent,
        hosts: Mapping[str, Callable[[], Agent]],
        *,
        carriers: Mapping[str, str],
        agents: Mapping[str, Agent],
    ) -> None:
        """`hosts` connects to the agent beside each host; some are connected already, as `agents`.

        `carriers` says the subnet that carries each network; it is needed only for wiring.
        """
        self._keeper = keeper
        self._connect = dict(hosts)
        self._carriers = {name: IPv4Network(subnet) for name, subnet in carriers.items()}
        self._agents = dict(agents)
        self._running: Agent | None = None
        self._recordings: dict[int, _Merged] = {}
        self._last = 0

    def _agent(self, host: str) -> Agent:
        if host not in self._agents:
            if host not in self._connect:
                raise AgentError(f"expected {host} to run, but the container has ended")
            self._agents[host] = self._connect[host]()
        return self._agents[host]

    def _all(self, op: str, values: Mapping[str, Mapping[str, object]]) -> dict[str, Any]:
        """The answers of the agents beside hosts, given as host -> what it is asked."""
        new = [host for host in values if host not in self._agents]
        if len(new) > 1:
            with ThreadPoolExecutor(CONNECTIONS) as pool:
                list(pool.map(self._agent, new))
        answers = Agent.ask_all((self._agent(host), op, one) for host, one in values.items())
        return dict(zip(values, answers, strict=True))

    def close(self) -> None:
        """See Wiring."""
        for one in (self._keeper, *self._agents.values()):
            one.close()

    # ---------------------------------------------------------------------------------- the network

    def find(self, containers: Mapping[str, str]) -> None:
        """See Wiring."""
        self._all("find", {host: {"containers": {host: container}} for host, container in containers.items()})

    def wire(self, plan: Plan) -> str:
        """See Wiring."""
        lab = plan.lab
        hosts = {host.name: host for host in lab.hosts}
        # Before the first look: that is where Docker's addresses are told from the lab's.
        seen = self._all("look", {name: {"what": ["addresses"], "hosts": None} for name in hosts})
        subnets = [str(subnet) for subnet in self._carriers.values()]
        self._all(
            "adopt",
            {
                name: {"host": name, "carriers": subnets, "resolver": RESOLVER, "resolv_conf": resolv_conf(host)}
                for name, host in hosts.items()
            },
        )
        with refusals(lab):
            refused = self._all(
                "wire",
                {
                    name: {
                        "before": {name: before(host).sysctls()},
                        "links": "".join(
                            f"{line}\n" for line in adoption(lab, host, seen[name][name]["addresses"], self._carriers)
                        ),
                        "segments": [as_sent(step) for step in segment_steps(lab, host)],
                        "rules_needed": impairments.rules_needed(lab),
                        "hosts": {name: [as_sent(step) for step in host_steps(host)]},
                    }
                    for name, host in hosts.items()
                },
            )
        return first_error(next((said for said in refused.values() if said), ""))

    def look(
        self, what: Iterable[str], *, hosts: Iterable[str] | None = None, sysctls: Iterable[str] = ()
    ) -> dict[str, dict[str, Any]]:
        """See Wiring."""
        names = list(self._connect) if hosts is None else list(hosts)
        asked = {"what": list(what), "sysctls": list(sysctls)}
        seen = self._all("look", {name: {**asked, "hosts": [name]} for name in names})
        return {name: seen[name][name] for name in names}

    def clean(self, lab: Lab, hosts: Iterable[str]) -> None:
        """See Wiring."""
        names = list(hosts)
        whole = {host.name for host in lab.hosts} <= set(names)
        # In rounds over all hosts: what one still sends while its sockets are closed fills the tables of another.
        for rounds in (("end",), ("forget", "wipe")):
            self._all(
                "clean",
                {
                    name: {
                        "hosts": [name],
                        "gateways": [name] if lab.host(name).nat is not None else [],
                        "queues": [
                            as_sent(step) for step in impairments.host_queues(lab, lab.host(name), anew=True) if whole
                        ],
                        "counters": whole,
                        "rounds": rounds,
                    }
                    for name in names
                },
            )

    def segments(self, lab: Lab) -> dict[str, str]:
        """See Wiring."""
        table = {"table": f"netdev {TABLE}"}
        seen = self._all("segments", {host.name: table for host in lab.hosts if host.interfaces})
        queues = []
        for number, host in enumerate(lab.hosts):
            at = {one.name: impairments.port(number, index) for index, one in enumerate(host.interfaces)}
            text = seen[host.name]["queues"] if host.interfaces else ""
            queues += [one | {"dev": at[one["dev"]]} for one in json.loads(text or "[]") if one.get("dev") in at]
        return {
            "rules": "".join(one["rules"] for one in seen.values()),
            "queues": json.dumps(queues),
            "refused": next((one["refused"] for one in seen.values() if one["refused"]), ""),
        }

    def segment_rules(self, lab: Lab) -> tuple[str, ...]:
        """See Wiring."""
        return tuple(line for host in lab.hosts if host.interfaces for line in impairments.host_rules(lab, host))

    def command(
        self, host: str, argv: tuple[str, ...], *, seconds: float, limit: int = 1 << 20, stdin: bytes = b""
    ) -> CommandResult:
        """See Wiring."""
        return self._agent(host).command(host, argv, seconds=seconds, limit=limit, stdin=stdin)

    def query(self, queries: Iterable[tuple[str, Address, int, bytes]], *, seconds: float) -> tuple[bytes | None, ...]:
        """See Wiring."""
        asked = list(queries)
        answers: dict[int, bytes | None] = {}
        by_host: dict[str, list[int]] = {}
        for index, one in enumerate(asked):
            by_host.setdefault(one[0], []).append(index)
        for host, indexes in by_host.items():
            found = self._agent(host).query([asked[index] for index in indexes], seconds=seconds)
            answers |= dict(zip(indexes, found, strict=True))
        return tuple(answers[index] for index in range(len(asked)))

    # ------------------------------------------------------------------------------------- programs

    def deploy(self, host: str, *, folder: str, files: Mapping[str, bytes]) -> None:
        """See Wiring."""
        self._agent(host).deploy(host, folder=folder, files=files)

    def start(self, host: Host, *, program: str, argv: tuple[str, ...], cwd: str) -> str:
        """See Wiring."""
        return self._agent(host.name).start(host, program=program, argv=argv, cwd=cwd)

    def serve(self, host: str, service: Service) -> None:
        """See Wiring."""
        self._agent(host).serve(host, service)

    def run(
        self,
        host: Host,
        *,
        argv: tuple[str, ...],
        cwd: str,
        stdin: Callable[[], bytes | None] | None = None,
        stdout: Callable[[bytes], None],
        stderr: Callable[[bytes], None],
        seconds: float | None = None,
        limit: int | None = None,
        terminal: Terminal | None = None,
        calls: Callable[[bytes], None] | None = None,
    ) -> Ended:
        """See Wiring."""
        self._running = self._agent(host.name)
        return self._running.run(
            host,
            argv=argv,
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            seconds=seconds,
            limit=limit,
            terminal=terminal,
            calls=calls,
        )

    def resize(self, terminal: Terminal) -> None:
        """See Wiring."""
        if self._running is not None:
            self._running.resize(terminal)

    def started(self) -> tuple[Started, ...]:
        """See Wiring."""
        found = self._all("programs", {host: {} for host in self._connect})
        return tuple(Started(**item) for items in found.values() for item in items)

    def output(self, host: str, program: str) -> Output:
        """See Wiring."""
        return self._agent(host).output(host, program)

    def stop(self, host: str, program: str) -> None:
        """See Wiring."""
        self._agent(host).stop(host, program)

    # ----------------------------------------------------------------------------------- recordings

    def capture(self, lab: Lab, points: Iterable[CapturePoint], *, limit: int) -> int:
        """See Wiring. What passes a network is what its hosts send into it."""
        at: dict[str, list[tuple[int, dict[str, object]]]] = {}
        for index, point in enumerate(points):
            if not point.is_network:
                at.setdefault(point.name, []).append((index, {"host": point.name}))
                continue
            for host in lab.hosts:
                for one in host.interfaces:
                    if one.network == point.name:
                        at.setdefault(host.name, []).append((index, {"bridge": one.name, "sent": True}))
        share = limit // max(1, len(at))
        numbers = self._all(
            "capture", {host: {"points": [one for _, one in found], "limit": share} for host, found in at.items()}
        )
        sources = [
            _Source(host=host, number=number, points=[index for index, _ in at[host]])
            for host, number in numbers.items()
        ]
        return self._add(_Merged(sources=sources))

    def events(self, gateway: str) -> int:
        """See Wiring."""
        source = _Source(host=gateway, number=self._agent(gateway).events(gateway), points=[])
        return self._add(_Merged(sources=[source], frames=False))

    def _add(self, recording: _Merged) -> int:
        self._last += 1
        self._recordings[self._last] = recording
        return self._last

    def recorded(self, recording: int, *, at: int, drain: bool = False) -> Recorded:
        """See Wiring."""
        merged = self._recordings[recording]
        merged.let_go(at)
        if drain or not merged.data:
            for source in merged.sources:
                self._read(merged, source, drain=drain)
        return merged.piece()

    def _read(self, merged: _Merged, source: _Source, *, drain: bool) -> None:
        reached = self._agent(source.host)
        piece = reached.recorded(source.number, at=source.at, drain=drain)
        end = piece.end
        while True:
            source.at += len(piece.data)
            merged.take(source, piece)
            if source.at >= end or not piece.data:
                return
            piece = reached.recorded(source.number, at=source.at)

    def stop_recording(self, recording: int) -> None:
        """See Wiring."""
        for source in self._recordings[recording].sources:
            self._agent(source.host).stop_recording(source.number)

    def forget_recording(self, recording: int) -> None:
        """See Wiring."""
        merged = self._recordings.pop(recording, None)
        for source in merged.sources if merged is not None else ():
            self._agent(source.host).forget_recording(source.number)

    # ---------------------------------------------------------------------------------- the instance

    def turn(self, *, seconds: float = TURN_SECONDS) -> AbstractContextManager[None]:
        """See Wiring."""
        return self._keeper.turn(seconds=seconds)

    def seal(self, value: object) -> None:
        """See Wiring."""
        self._keeper.seal(value)

    def sealed(self) -> Any:
        """See Wiring."""
        return self._keeper.sealed()

    def is_sealed(self) -> bool:
        """See Wiring."""
        return self._keeper.is_sealed()

    def living(self) -> frozenset[str]:
        """See Wiring. An agent beside a host ends with the host's first process."""
        found: list[str] = []
        for host in self._connect:
            with contextlib.suppress(InstanceError, EngineError, AgentError):
                found += self._agent(host).living()
        return frozenset(found)
