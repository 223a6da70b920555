"""What was seen, as typed values: the text of ss(8), conntrack(8) and ip(8) -> Socket, Translation, Route.

Pure. A line that cannot be understood raises `UnreadableError`; nothing is skipped silently, because a listener that
is overlooked would be a wrong verdict.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_interface
from typing import Any

from lab.model import Address, Endpoint, InterfaceAddress, Protocol


class UnreadableError(ValueError):
    """The text of a tool that this version does not understand."""


class State(StrEnum):
    """A socket's state as ss(8) names it (RFC 9293 §3.3.2 for TCP). A UDP socket without a peer is UNCONN."""

    LISTEN = "LISTEN"
    UNCONN = "UNCONN"
    ESTAB = "ESTAB"
    SYN_SENT = "SYN-SENT"
    SYN_RECV = "SYN-RECV"
    FIN_WAIT_1 = "FIN-WAIT-1"
    FIN_WAIT_2 = "FIN-WAIT-2"
    TIME_WAIT = "TIME-WAIT"
    CLOSE_WAIT = "CLOSE-WAIT"
    LAST_ACK = "LAST-ACK"
    CLOSING = "CLOSING"


class Kind(StrEnum):
    """What kind of socket a row of ss(8) is."""

    TCP = "tcp"
    UDP = "udp"
    RAW = "raw"
    ICMP = "icmp"
    ICMP6 = "icmp6"
    PACKET = "packet"


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """A process that holds a socket."""

    name: str
    pid: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SocketEnd:
    """One side of a socket. No address is the wildcard of both families (`*`), no port is port 0."""

    address: Address | None
    port: int
    device: str = ""

    def __str__(self) -> str:
        if self.address is None:
            host = "*"
        else:
            host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        device = f"%{self.device}" if self.device else ""
        return f"{host}{device}:{self.port or '*'}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Socket:
    """One row of ss(8)."""

    kind: Kind
    state: str
    local: SocketEnd
    remote: SocketEnd
    uid: int = 0
    v6only: bool | None = None
    processes: tuple[Process, ...] = ()

    @property
    def listens(self) -> bool:
        """Whether it waits for others to begin: a listening TCP socket, or any UDP or raw one without a peer."""
        return self.state in (State.LISTEN, State.UNCONN)


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """One direction of a conntrack entry: source and destination."""

    source: Address
    source_port: int
    destination: Address
    destination_port: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Translation:
    """A conntrack entry (conntrack(8)): how a connection looks before and behind the gateway.

    `original` is the first packet as its sender made it, `reply` is what the answer looks like when it
    reaches the gateway: its destination is the translated source.
    """

    protocol: str
    original: Flow
    reply: Flow
    state: str = ""
    seconds_left: int = 0
    flags: tuple[str, ...] = ()

    @property
    def inside(self) -> tuple[Address, int]:
        """The source address and port as the inside host sees them."""
        return self.original.source, self.original.source_port

    @property
    def outside(self) -> tuple[Address, int]:
        """The source address and port as the peer sees them."""
        return self.reply.destination, self.reply.destination_port

    @property
    def peer(self) -> tuple[Address, int]:
        """Whom the connection really reaches."""
        return self.reply.source, self.reply.source_port

    @property
    def source_is_translated(self) -> bool:
        """Whether source NAT took place."""
        return self.inside != self.outside

    @property
    def destination_is_translated(self) -> bool:
        """Whether destination NAT (a port forward) took place."""
        return self.peer != (self.original.destination, self.original.destination_port)


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """An interface: its name, whether it is up, and its addresses."""

    name: str
    up: bool
    mac: str
    addresses: tuple[InterfaceAddress, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """A route of the main table. `destination` is a prefix or `default`."""

    destination: str
    via: Address | None
    device: str


# --------------------------------------------------------------------------------------------- sockets

_ROW = re.compile(r"(?P<kind>\S+)\s+(?P<state>\S+)\s+\d+\s+\d+\s+(?P<local>\S+)\s+(?P<remote>\S+)\s*(?P<rest>.*)")
_OWNER = re.compile(r'\("(?P<name>(?:[^"\\]|\\.)*)",pid=(?P<pid>\d+),fd=\d+\)')
_KINDS = {"tcp": Kind.TCP, "udp": Kind.UDP, "p_raw": Kind.PACKET, "p_dgr": Kind.PACKET, "raw": Kind.RAW}
_ICMP_KINDS = {"icmp": Kind.ICMP, "icmp6": Kind.ICMP6, "???": Kind.RAW}


def sockets(text: str) -> tuple[Socket, ...]:
    """The rows of `ss -H -n -a -O -e [-p]`. Raises UnreadableError."""
    return tuple(_socket(line) for line in text.splitlines() if line.strip())


def _socket(line: str) -> Socket:
    row = _ROW.fullmatch(line.strip())
    kind = None if row is None else _KINDS.get(row["kind"]) or _ICMP_KINDS.get(row["kind"])
    if row is None or kind is None:
        raise UnreadableError(f"ss: {line!r}")
    v6only = re.search(r"\bv6only:([01])", row["rest"])
    uid = re.search(r"\buid:(\d+)", row["rest"])
    packet = kind is Kind.PACKET
    return Socket(
        kind=kind,
        state=row["state"],
        local=SocketEnd(address=None, port=0, device=row["local"]) if packet else _end(row["local"]),
        remote=SocketEnd(address=None, port=0) if packet else _end(row["remote"]),
        uid=int(uid[1]) if uid else 0,
        v6only=v6only[1] == "1" if v6only else None,
        processes=tuple(Process(name=owner["name"], pid=int(owner["pid"])) for owner in _OWNER.finditer(row["rest"])),
    )


def _end(text: str) -> SocketEnd:
    host, _, port = text.rpartition(":")
    address, _, device = host.partition("%")
    if address.startswith("["):
        address, _, tail = address[1:].partition("]")
        device = device.rstrip("]") or tail.lstrip("%")
    device = device.rstrip("]")
    try:
        return SocketEnd(
            address=None if address == "*" else ip_address(address),
            port=int(port) if port.isdigit() else 0,
            device=device,
        )
    except ValueError as error:
        raise UnreadableError(f"ss: {text!r} is not an address and a port") from error


def listeners(found: tuple[Socket, ...]) -> frozenset[Endpoint]:
    """The exact set of endpoints at which TCP or UDP listens. `*` and [::] that serve both families read as `::`."""
    return frozenset(
        Endpoint(
            protocol=Protocol(socket.kind.value),
            address=socket.local.address if socket.local.address is not None else IPv6Address("::"),
            port=socket.local.port,
        )
        for socket in found
        if socket.listens and socket.kind in (Kind.TCP, Kind.UDP)
    )


# ------------------------------------------------------------------------------------------- conntrack

_FIELD = re.compile(r"(?P<key>src|dst|sport|dport|type|code|id)=(?P<value>\S+)")
_FLAG = re.compile(r"\[(?P<flag>[A-Z_]+)\]")


def translations(text: str) -> tuple[Translation, ...]:
    """The entries of `conntrack -L -o extended`. Raises UnreadableError."""
    return tuple(_translation(line) for line in text.splitlines() if line.strip())


def _translation(line: str) -> Translation:
    words = line.split()
    fields = _FIELD.findall(line)
    starts = [index for index, (key, _) in enumerate(fields) if key == "src"]
    if len(words) < 5 or len(starts) != 2:
        raise UnreadableError(f"conntrack: {line!r}")
    state = words[5] if len(words) > 5 and words[5].replace("_", "").isalpha() else ""
    try:
        return Translation(
            protocol=words[2],
            original=_flow(dict(fields[: starts[1]])),
            reply=_flow(dict(fields[starts[1] :])),
            state=state,
            seconds_left=int(words[4]),
            flags=tuple(_FLAG.findall(line)),
        )
    except (ValueError, KeyError) as error:
        raise UnreadableError(f"conntrack: {line!r}") from error


def _flow(fields: dict[str, str]) -> Flow:
    # ICMP has no ports; its identifier is what NAT translates in their place (RFC 5508 §3.1).
    return Flow(
        source=ip_address(fields["src"]),
        source_port=int(fields.get("sport", fields.get("id", 0))),
        destination=ip_address(fields["dst"]),
        destination_port=int(fields.get("dport", fields.get("id", 0))),
    )


# ------------------------------------------------------------------------------- addresses and routes


def links(text: str) -> tuple[Link, ...]:
    """The interfaces of `ip -j addr show`. Raises UnreadableError."""
    return tuple(_link(item) for item in _json(text))


def _link(item: dict[str, Any]) -> Link:
    return Link(
        name=item["ifname"],
        up="UP" in item["flags"],
        mac=item.get("address", ""),
        addresses=tuple(
            ip_interface(f"{address['local']}/{address['prefixlen']}")
            for address in item.get("addr_info", [])
            if "local" in address
        ),
    )


def routes(text: str) -> tuple[Route, ...]:
    """The main table's routes in `ip -j route show table all`, without those that the kernel makes itself."""
    return tuple(
        Route(
            destination=item["dst"],
            via=ip_address(item["gateway"]) if "gateway" in item else None,
            device=item.get("dev", ""),
        )
        for item in _json(text)
        if item.get("table", "main") == "main" and item.get("protocol") != "kernel"
    )


def _json(text: str) -> list[dict[str, Any]]:
    try:
        return [item for item in json.loads(text or "[]") if item]
    except ValueError as error:
        raise UnreadableError(f"ip: {text[:80]!r}") from error


# --------------------------------------------------------------------------------------- a whole host


@dataclass(frozen=True, kw_only=True, slots=True)
class HostView:
    """Everything seen of a host at one moment. A part that was not looked at is empty."""

    links: tuple[Link, ...] = ()
    routes: tuple[Route, ...] = ()
    sockets: tuple[Socket, ...] = ()
    rules: str = ""
    sysctls: tuple[tuple[str, str], ...] = ()
    translations: tuple[Translation, ...] = ()


def host_view(texts: dict[str, Any]) -> HostView:
    """The typed view of what a wiring's `look` brought of one host. Raises UnreadableError."""
    return HostView(
        links=links(texts.get("addresses", "")),
        routes=routes(texts.get("routes", "")) + routes(texts.get("routes6", "")),
        sockets=sockets(texts.get("owners", texts.get("sockets", ""))) + sockets(texts.get("packet_sockets", "")),
        rules=texts.get("rules", ""),
        sysctls=tuple(_settings(texts.get("sysctls", ""))),
        translations=translations(texts.get("conntrack", "")),
    )


def _settings(text: str) -> list[tuple[str, str]]:
    return [(key, value) for key, _, value in (line.partition(" = ") for line in text.splitlines())]


FINGERPRINT_LOOKS = (
    "addresses",
    "routes",
    "routes6",
    "policy",
    "sockets",
    "packet_sockets",
    "rules",
    "conntrack_count",
    "sysctls",
    "processes",
    "files",
    "ipc",
)
"""What a host's fingerprint is made of."""


def fingerprint(texts: dict[str, Any]) -> tuple[str, ...]:
    """A host's state as sorted lines, equal for equal states: nothing in it depends on time or on pids."""
    lines = [f"process {p['uid']} {' '.join(p['command'])}" for p in texts["processes"]]
    lines += [f"file {line}" for line in texts["files"]]
    lines += [f"sysctl {line}" for line in texts["sysctls"].splitlines()]
    lines += [f"ipc {line}" for line in texts["ipc"].splitlines()]
    lines += [f"rule {line.strip()}" for line in texts["rules"].splitlines()]
    lines += [f"conntrack {texts['conntrack_count'].strip()}"]
    lines += [_socket_line(socket) for socket in sockets(texts["sockets"]) + sockets(texts["packet_sockets"])]
    for name in ("addresses", "routes", "routes6", "policy"):
        lines += [f"{name} {json.dumps(_lasting(item), sort_keys=True)}" for item in _json(texts[name])]
    return tuple(sorted(lines))


def _socket_line(socket: Socket) -> str:
    return f"socket {socket.kind} {socket.state} {socket.local} {socket.remote} uid {socket.uid}"


def _lasting(item: dict[str, Any]) -> dict[str, Any]:
    """Without what changes by itself or with each creation: the numbers of interfaces and lifetimes."""
    passing = {"ifindex", "link_index", "link_netnsid", "cache", "used", "expires", "age"}
    return {key: value for key, value in item.items() if key not in passing}
