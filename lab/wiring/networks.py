"""Docker networks: they carry the frames of the lab's, from a sidecar beside each host to the others.

An engine needs not let anybody see the machine's processes for this: a sidecar sees those of one host, which it joins.
It is the sidecar that lives on the Docker networks. Its host has no network of Docker's, as on the fabric; it gets a
veth pair into the sidecar's part of each segment, a bridge like the fabric's, and those parts are joined by VXLAN
(RFC 7348) over the Docker networks. So the machine, whose firewall sees what passes its bridges, sees datagrams between
carriers' addresses and never the lab's own: its rules cannot drop or translate them, its connection tracking does not
know them, equal addresses never meet, and nothing of the machine answers a host.

Three parts: pure plans of what is created (`helper`, `sidecar`, `carrier`, `candidates`), pure text of what is carried
out in a sidecar (`ways`, `links`, `segment_steps`), and `Networks`, which talks with all agents of an instance as if
they were one.
"""

from __future__ import annotations

import contextlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, ip_network
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
from lab.scripts import TABLE, Step
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
    fabric,
    impairments,
)
from lab.wiring.agent import Agent, as_sent
from lab.wiring.refusals import first_error, refusals

NAME = "networks"

MTU = 1500
OVERHEAD = 50
"""bytes that VXLAN adds to a frame: the headers of Ethernet, IPv4, UDP and its own (RFC 7348 §5)"""
OPTIONS = (
    # The machine gets no address on such a network, and no route to it.
    ("com.docker.network.bridge.inhibit_ipv4", "true"),
    ("com.docker.network.driver.mtu", str(MTU + OVERHEAD)),
)
PORT = 4789
"""of VXLAN (RFC 7348 §8)"""
RESERVED = IPv4Network("240.0.0.0/4")
"""Where carriers' subnets come from: no network uses it (RFC 1112 §4). The last of it is the broadcast address."""
LEAST_ADDRESSES = 16
BESIDE_HOSTS = 3
"""addresses of a subnet that no host gets: its own, its broadcast address, and the one that Docker calls its gateway"""
MOST_TRIES = 256
FLOODED = "00:00:00:00:00:00"
"""In the forwarding database of a vxlan device, where a frame goes that is for all (bridge(8))."""
SEGMENTS = "segments"
"""the name of the namespace that holds a sidecar's part of the segments (images/fabric/agent/network.py)"""
MARK = 1
"""on packets that came from another part of their segment (images/fabric/agent/recorder.py)"""
MARKS = f"{TABLE}_marks"
"""the nft table of `marks`"""
PIECE = 512 * 1024
"""bytes of a recording that are given at once"""
CONNECTIONS = 4
"""that are made at the same time"""


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


def sidecar(
    plan: Plan, host: Host, container: str, *, carriers: Mapping[str, str], images: Mapping[str, str]
) -> Container:
    """What runs beside a host, given by its container's id: among its processes, and on the carriers of its networks.

    `carriers` are the ids of Docker networks by the lab's.
    """
    return agent.container(
        f"{container_name(plan.instance, host.name)}.sidecar",
        images=images,
        labels=(*labels(plan.lab, plan.instance, ROLE_SIDECAR), (LABEL_HOST, host.name), (LABEL_WIRING, NAME)),
        hostname="sidecar",
        networks=tuple(dict.fromkeys(carriers[interface.network] for interface in host.interfaces)),
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
    number = 0
    while number < count:
        at = (first + number) % count
        found = IPv4Network((int(RESERVED.network_address) + at * size, length))
        wider = next((one for one in others if found.overlaps(one)), None)
        if wider is None:
            yield found
        # Past all of what is another's, or past this one.
        end = max(found.broadcast_address, (wider or found).broadcast_address)
        number += max(1, (int(end) + 1 - int(found.network_address)) // size)


# ------------------------------------------------------------------------ what is carried out in a sidecar


Addresses = Mapping[str, Mapping[str, IPv4Address]]
"""the address of each host's sidecar on each network's carrier: network -> host -> address"""


def carried(addresses: str, carriers: Mapping[str, IPv4Network]) -> dict[str, tuple[str, IPv4Address]]:
    """Of what `ip -j addr show` told in a sidecar, its device on each network's carrier, and its address there."""
    return {
        network: (link.name, address.ip)
        for link in host_view({"addresses": addresses}).links
        for address in link.addresses
        for network, subnet in carriers.items()
        if isinstance(address, IPv4Interface) and address.ip in subnet
    }


def ways(lab: Lab, host: Host, devices: Mapping[str, str], addresses: Addresses) -> tuple[str, ...]:
    """Lines for ip(8), carried out where the sidecar's own devices are: from its part of each segment to the others.

    The datagrams stay there, and only what is in them comes to `segments`, the namespace that holds the sidecar's
    part. `devices` are the sidecar's own, by network. Raises NotUpError if one is not there.
    """
    lines = []
    for number, network in _networks_of(lab, host):
        if network not in devices:
            raise NotUpError(f"{host.name}: expected its sidecar on the carrier of {network}, observed no interface")
        local = addresses[network][host.name]
        lines.append(
            f"link add dev {joint(number)} mtu {MTU} netns {SEGMENTS} type vxlan id {number + 1} local {local} "
            f"dev {devices[network]} dstport {PORT} srcport {PORT} {PORT + 1} ttl 1 nolearning"
        )
    return tuple(lines)


def links(lab: Lab, host: Host) -> tuple[str, ...]:
    """Lines for ip(8): a bridge for the sidecar's part of each segment, its host's cables, the ways to other parts."""
    at = fabric.bridges(lab)
    plugged = (f"link set dev {joint(number)} master {at[network]} up" for number, network in _networks_of(lab, host))
    return (*fabric.links(lab, host), *plugged)


def joint(network: int) -> str:
    """The name of the device that joins a sidecar's part of the network-th network to the others, from 0."""
    return f"x{network}"


def _networks_of(lab: Lab, host: Host) -> list[tuple[int, str]]:
    return [(number, one.name) for number, one in enumerate(lab.networks) if impairments.is_on(host, one.name)]


def joints(lab: Lab, host: Host, addresses: Addresses) -> Step:
    """Lines for bridge(8): who is behind each joint, and at which address. Nothing is learned; see fabric.known."""
    lines: list[str] = []
    for number, network in _networks_of(lab, host):
        device = joint(number)
        lines.append(f"link set dev {device} learning off flood off")
        for index, other in enumerate(lab.hosts):
            if other.name == host.name or not impairments.is_on(other, network):
                continue
            to = addresses[network][other.name]
            lines.append(f"fdb append {FLOODED} dev {device} dst {to} self permanent")
            for count, interface in enumerate(other.interfaces):
                if interface.network == network:
                    lines += [
                        f"fdb replace {impairments.mac(index, count)} dev {device} master static",
                        f"fdb append {impairments.mac(index, count)} dev {device} dst {to} self permanent",
                    ]
    return Step(kind="bridge", lines=tuple(lines))


def marks(lab: Lab, host: Host) -> tuple[str, ...]:
    """Rules that mark what comes from other parts of a segment, by which a capture of the segment tells it."""
    lines = [f"table netdev {MARKS} {{"]
    for number, _ in _networks_of(lab, host):
        hook = f'type filter hook {impairments.HOOK} device "{joint(number)}" priority filter; policy accept;'
        lines += [f"\tchain {joint(number)} {{", f"\t\t{hook}", f"\t\tmeta mark set {MARK:#010x}", "\t}", ""]
    return (*lines[:-1], "}")


def segment_steps(lab: Lab, host: Host, addresses: Addresses) -> tuple[Step, ...]:
    """What is carried out in a sidecar once its links are there."""
    marked = Step(kind="nft", lines=marks(lab, host))
    return (joints(lab, host, addresses), *fabric.segment_steps(lab, host), marked)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sketch:
    """What an instance on Docker networks would be, if every subnet were free and Docker gave addresses in order."""

    carriers: Mapping[str, Carrier]
    """by network"""
    ways: Mapping[str, tuple[str, ...]]
    """by host, like `links` and `segments`"""
    links: Mapping[str, tuple[str, ...]]
    segments: Mapping[str, tuple[Step, ...]]


def sketch(plan: Plan) -> Sketch:
    """A plan without an engine, for people to read."""
    lab = plan.lab
    carriers = {one.name: carrier(plan, one.name, next(candidates(plan, one.name, taken=()))) for one in lab.networks}
    addresses = {
        name: {
            host.name: one.subnet[number]
            # The first is what Docker calls the gateway.
            for number, host in enumerate((host for host in lab.hosts if impairments.is_on(host, name)), 2)
        }
        for name, one in carriers.items()
    }
    devices = {
        host.name: {interface.network: f"eth{number}" for number, interface in enumerate(host.interfaces)}
        for host in lab.hosts
    }
    return Sketch(
        carriers=carriers,
        ways={host.name: ways(lab, host, devices[host.name], addresses) for host in lab.hosts},
        links={host.name: links(lab, host) for host in lab.hosts},
        segments={host.name: segment_steps(lab, host, addresses) for host in lab.hosts},
    )


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


class Networks:
    """Connections to an instance's agents, made when they are needed; satisfies `lab.wiring.Wiring`."""

    def __init__(
        self,
        keeper: Agent,
        hosts: Mapping[str, Callable[[], Agent] | None],
        *,
        carriers: Mapping[str, str],
        agents: Mapping[str, Agent],
    ) -> None:
        """`hosts` connects to the agent beside each host, None where none runs; `agents` are connected already.

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
            connect = self._connect.get(host)
            if connect is None:
                raise AgentError(f"expected {host} to run, but the container has ended")
            self._agents[host] = connect()
        return self._agents[host]

    def _all(self, op: str, values: Mapping[str, Mapping[str, object]]) -> dict[str, Any]:
        """The answers of the agents beside hosts, given as host -> what it is asked."""
        new = [host for host in values if host not in self._agents]
        if len(new) > 1:
            with ThreadPoolExecutor(CONNECTIONS) as pool:
                list(pool.map(self._agent, new))
        try:
            answers = Agent.ask_all((self._agent(host), op, one) for host, one in values.items())
        except (InstanceError, EngineError) as error:
            # An agent ends with its host. The connections of the others are lost to this one's failure, too.
            gone = sorted(set(values) - self.living())
            if not gone:
                raise
            raise AgentError(f"expected {', '.join(gone)} to run, but the container has ended") from error
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
        seen = self._all("own_addresses", {name: {} for name in hosts})
        found = {name: carried(text, self._carriers) for name, text in seen.items()}
        addresses = {
            network: {name: at[network][1] for name, at in found.items() if network in at} for network in self._carriers
        }
        devices = {name: {network: device for network, (device, _) in at.items()} for name, at in found.items()}
        with refusals(lab):
            refused = self._all(
                "wire",
                {
                    name: fabric.request(
                        lab,
                        [host],
                        joints=ways(lab, host, devices[name], addresses),
                        links=links(lab, host),
                        segments=segment_steps(lab, host, addresses),
                    )
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
        for rounds in (("end",), ("forget",)):
            self._all(
                "clean",
                {
                    name: {
                        "hosts": [name],
                        "gateways": [name] if lab.host(name).nat is not None else [],
                        "queues": [
                            as_sent(step) for step in impairments.emptied(lab, lab.host(name)).values() if whole
                        ],
                        "counters": whole,
                        "rounds": rounds,
                    }
                    for name in names
                },
            )

    def segments(self, lab: Lab) -> dict[str, str]:
        """See Wiring."""
        seen = self._all("segments", {host.name: {} for host in lab.hosts})
        return {
            "rules": "".join(one["rules"] for one in seen.values()),
            "queues": json.dumps([queue for one in seen.values() for queue in json.loads(one["queues"] or "[]")]),
            "refused": next((one["refused"] for one in seen.values() if one["refused"]), ""),
        }

    def segment_rules(self, lab: Lab) -> tuple[str, ...]:
        """See Wiring."""
        return tuple(
            line for host in lab.hosts if host.interfaces for line in (*impairments.rules(lab, host), *marks(lab, host))
        )

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

    def run(self, host: Host, **how: Any) -> Ended:
        """See Wiring."""
        self._running = self._agent(host.name)
        return self._running.run(host, **how)

    def resize(self, terminal: Terminal) -> None:
        """See Wiring."""
        if self._running is not None:
            self._running.resize(terminal)

    def started(self) -> tuple[Started, ...]:
        """See Wiring."""
        found = self._all("programs", {host: {} for host, connect in self._connect.items() if connect is not None})
        return tuple(Started(**item) for items in found.values() for item in items)

    def output(self, host: str, program: str) -> Output:
        """See Wiring."""
        return self._agent(host).output(host, program)

    def stop(self, host: str, program: str) -> None:
        """See Wiring."""
        self._agent(host).stop(host, program)

    # ----------------------------------------------------------------------------------- recordings

    def capture(self, lab: Lab, points: Iterable[CapturePoint], *, limit: int) -> int:
        """See Wiring. What passes a network is what each of its parts does not have from another."""
        names = fabric.bridges(lab)
        at: dict[str, list[tuple[int, dict[str, object]]]] = {}
        for index, point in enumerate(points):
            if not point.is_network:
                at.setdefault(point.name, []).append((index, {"host": point.name}))
                continue
            for host in lab.hosts:
                if impairments.is_on(host, point.name):
                    part = {"bridge": names[point.name], "sent": True}
                    at.setdefault(host.name, []).append((index, part))
        share, of = limit // max(1, len(at)), sum(map(len, at.values()))
        numbers = self._all(
            "capture",
            {host: {"points": [one for _, one in found], "of": of, "limit": share} for host, found in at.items()},
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
            for _attempt in range(2):  # one connection may have been broken off; another is made
                with contextlib.suppress(InstanceError, EngineError, AgentError):
                    found += self._agent(host).living()
                    break
                if host in self._agents:
                    self._agents.pop(host).close()
        return frozenset(found)
