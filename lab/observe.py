"""What was seen, as typed values: the text of ss(8), conntrack(8) and ip(8) -> Socket, Translation, Route.

Pure. A line that cannot be understood raises `UnreadableError`; nothing is skipped silently, because a listener that
is overlooked would be a wrong verdict.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_interface
from typing import Any, TypeVar

from lab.model import Address, Endpoint, InterfaceAddress, Protocol

T = TypeVar("T")


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
    """One side of a socket. No address is the wildcard of both families (`*`), no port is port 0.

    A raw socket has its IP protocol's number for a port (raw(7)), a packet socket its EtherType (packet(7)).
    """

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
    state: State
    local: SocketEnd
    remote: SocketEnd
    uid: int | None = 0
    """who made it; None if nobody holds it any more, as in TIME-WAIT, or if it is not known"""
    v6only: bool | None = None
    processes: tuple[Process, ...] = ()

    @property
    def listens(self) -> bool:
        """Whether it waits for others to begin: a listening TCP socket, or any UDP or raw one without a peer."""
        # A TCP socket in the state CLOSED (RFC 9293 §3.3.2) is UNCONN to ss(8) too, and nobody can reach it.
        return self.state is (State.LISTEN if self.kind is Kind.TCP else State.UNCONN)


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
        """The end behind the gateway, as it knows itself: who began, or whom a forward leads to."""
        return self._answerer if self.destination_is_translated else self.source

    @property
    def outside(self) -> tuple[Address, int]:
        """The same end as it is known on the other side: its translated source, or the port that is forwarded."""
        return self._asked if self.destination_is_translated else self.source_translated

    @property
    def peer(self) -> tuple[Address, int]:
        """The other end."""
        return self.source if self.destination_is_translated else self._answerer

    @property
    def source(self) -> tuple[Address, int]:
        """Whence the connection was begun, as whoever began it knows."""
        return self.original.source, self.original.source_port

    @property
    def source_translated(self) -> tuple[Address, int]:
        """The source that the answerer sees; the same as `source` without source NAT."""
        return self.reply.destination, self.reply.destination_port

    @property
    def source_is_translated(self) -> bool:
        """Whether source NAT took place."""
        return self.source != self.source_translated

    @property
    def is_translated(self) -> bool:
        """Whether either took place; conntrack follows connections that only pass, or end here, as well."""
        return self.source_is_translated or self.destination_is_translated

    @property
    def destination_is_translated(self) -> bool:
        """Whether destination NAT (a port forward) took place."""
        return self._answerer != self._asked

    @property
    def _asked(self) -> tuple[Address, int]:
        return self.original.destination, self.original.destination_port

    @property
    def _answerer(self) -> tuple[Address, int]:
        # ICMP has one identifier for both ends: that of the reply is the translated source's.
        port = self.original.destination_port if self.protocol.startswith("icmp") else self.reply.source_port
        return self.reply.source, port


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

# All of a row is written by ss(8) and the kernel, except the names of processes: a program gives itself any name it
# likes (prctl(2), PR_SET_NAME), with quotes, spaces, line ends, or the words of a row in it. Only a `)` never shows
# up, because ss reads the name from /proc/PID/stat as what stands before the first one.
_OWNER = r'\("[^)]*",pid=\d+,fd=\d+\)'
_ROW = re.compile(
    r"(?P<kind>\S+) +(?P<state>\S+) +\d+ +\d+ +(?P<local>\S+) +(?P<remote>\S+) *"
    rf"(?:users:\((?P<owners>{_OWNER}(?:,{_OWNER})*)\))?(?P<rest>[^\n]*)(?:\n|\Z)"
)
_OWNER_PARTS = re.compile(r'\("(?P<name>[^)]*)",pid=(?P<pid>\d+),fd=\d+\)')
_BLANK = re.compile(r"\s*")
_INODE = re.compile(r"(?:^|\s)ino:[1-9]\d*(?:\s|$)")
_UID = re.compile(r"(?:^|\s)uid:(\d+)(?:\s|$)")
_V6ONLY = re.compile(r"(?:^|\s)v6only:([01])(?:\s|$)")
_END = re.compile(r"(?P<address>\*|\[[0-9a-f:.]+\]|[0-9.]+)(?:%(?P<device>[^\s:]+))?:(?P<port>\d+|\*)", re.ASCII)
_PACKET_END = re.compile(r"(?:\*|\[(?P<type>\d+)\]):(?P<device>\S+)")
_KINDS = {
    "tcp": Kind.TCP,
    "udp": Kind.UDP,
    "raw": Kind.RAW,
    "???": Kind.RAW,
    "icmp": Kind.ICMP,
    "icmp6": Kind.ICMP6,
    "p_raw": Kind.PACKET,
    "p_dgr": Kind.PACKET,
}
_NOBODY = SocketEnd(address=None, port=0)


def sockets(text: str) -> tuple[Socket, ...]:
    """The rows of `ss -H -n -a -O -e [-p]`. Raises UnreadableError."""
    found = []
    position = _skip_blank(text, 0)
    while position < len(text):
        row = _ROW.match(text, position)
        if row is None or row["kind"] not in _KINDS or "users:" in row["rest"]:
            raise UnreadableError(f"ss: {text[position:].split(chr(10), 1)[0]!r}")
        found.append(_socket(row))
        position = _skip_blank(text, row.end())
    return tuple(found)


def _skip_blank(text: str, position: int) -> int:
    blank = _BLANK.match(text, position)
    return position if blank is None else blank.end()


def _socket(row: re.Match[str]) -> Socket:
    kind = _KINDS[row["kind"]]
    v6only = _V6ONLY.search(row["rest"])
    uid = _UID.search(row["rest"])
    owners = _OWNER_PARTS.finditer(row["owners"] or "")
    try:
        state = State(row["state"])
    except ValueError as error:
        raise UnreadableError(f"ss: {row['state']!r} is not a state") from error
    return Socket(
        kind=kind,
        state=state,
        local=_packet_end(row["local"]) if kind is Kind.PACKET else _end(row["local"]),
        remote=_NOBODY if kind is Kind.PACKET else _end(row["remote"]),
        # ss leaves out uid:0. A row without an inode is a connection that no process holds, or one of which ss knows
        # no more where the kernel cannot be asked (raw sockets without its module raw_diag).
        uid=int(uid[1]) if uid else 0 if _INODE.search(row["rest"]) else None,
        v6only=v6only[1] == "1" if v6only else None,
        processes=tuple(Process(name=owner["name"], pid=int(owner["pid"])) for owner in owners),
    )


def _end(text: str) -> SocketEnd:
    end = _END.fullmatch(text)
    try:
        if end is None:
            raise ValueError(text)
        return SocketEnd(
            address=None if end["address"] == "*" else ip_address(end["address"].strip("[]")),
            port=0 if end["port"] == "*" else int(end["port"]),
            device=end["device"] or "",
        )
    except ValueError as error:
        raise UnreadableError(f"ss: {text!r} is not an address and a port") from error


def _packet_end(text: str) -> SocketEnd:
    end = _PACKET_END.fullmatch(text)
    if end is None:
        raise UnreadableError(f"ss: {text!r} is not an EtherType and a device")
    return SocketEnd(address=None, port=int(end["type"] or 0), device="" if end["device"] == "*" else end["device"])


def on_the_wire(address: Address) -> Address:
    """An IPv6 socket that speaks IPv4 knows mapped addresses (RFC 4291 §2.5.5.2); its packets have plain ones."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def listeners(found: tuple[Socket, ...]) -> frozenset[Endpoint]:
    """The exact set of endpoints at which TCP or UDP listens. `*` and [::] that serve both families read as `::`.

    A listener at one device alone is none at its address everywhere; only a link-local address has always a device.
    One at a mapped IPv4 address is one at that IPv4 address.
    """
    return frozenset(
        Endpoint(
            protocol=Protocol(socket.kind.value),
            address=IPv6Address("::") if socket.local.address is None else on_the_wire(socket.local.address),
            port=socket.local.port,
            device=""
            if socket.local.address is not None and socket.local.address.is_link_local
            else socket.local.device,
        )
        for socket in found
        if socket.listens and socket.kind in (Kind.TCP, Kind.UDP)
    )


# ------------------------------------------------------------------------------------------- conntrack

_FIELD = re.compile(r"(?P<key>src|dst|sport|dport|type|code|id)=(?P<value>\S+)")
_FLAG = re.compile(r"\[(?P<flag>[A-Z_]+)\]")
_STATE = re.compile(r"[A-Z][A-Z0-9_]*")  # a simultaneous open is SYN_SENT2


def translations(text: str) -> tuple[Translation, ...]:
    """The entries of `conntrack -L -o extended`. Raises UnreadableError."""
    return tuple(_translation(line) for line in text.splitlines() if line.strip())


def _translation(line: str) -> Translation:
    words = line.split()
    fields = _FIELD.findall(line)
    starts = [index for index, (key, _) in enumerate(fields) if key == "src"]
    if len(words) < 6 or len(starts) != 2:
        raise UnreadableError(f"conntrack: {line!r}")
    state = words[5] if _STATE.fullmatch(words[5]) else ""
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
    return tuple(_read(_link, text))


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
    """The main table's routes in `ip -j route show table all`, without those that the kernel makes itself.

    Raises UnreadableError.
    """
    return tuple(route for route in _read(_route, text) if route is not None)


def _route(item: dict[str, Any]) -> Route | None:
    route = Route(
        destination=item["dst"],
        via=ip_address(item["gateway"]) if "gateway" in item else None,
        device=item.get("dev", ""),
    )
    return route if item.get("table", "main") == "main" and item.get("protocol") != "kernel" else None


def _read(make: Callable[[dict[str, Any]], T], text: str) -> list[T]:
    try:
        return [make(item) for item in json.loads(text.strip() or "[]") if item]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
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
        # `table all` gives the routes of both families, IPv6's a second time when asked for alone.
        routes=tuple(dict.fromkeys(routes(texts.get("routes", "")) + routes(texts.get("routes6", "")))),
        sockets=sockets(texts.get("owners", texts.get("sockets", ""))) + sockets(texts.get("packet_sockets", "")),
        rules=texts.get("rules", ""),
        sysctls=tuple(_settings(texts.get("sysctls", ""))),
        translations=translations(texts.get("conntrack", "")),
    )


def _settings(text: str) -> list[tuple[str, str]]:
    return [(key, value) for key, _, value in (line.partition(" = ") for line in text.splitlines())]


LOOKS = frozenset(
    {
        "addresses",
        "conntrack",
        "conntrack_count",
        "files",
        "ipc",
        "owners",
        "packet_sockets",
        "policy",
        "processes",
        "routes",
        "routes6",
        "rules",
        "sockets",
        "sysctls",
    }
)
"""What can be asked of a wiring's `look`."""

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
    """A host's state as sorted lines, equal for equal states: nothing in it depends on time or on pids.

    Names that a program chose are quoted, so that no line can look like another or drive a terminal.
    Raises UnreadableError.
    """
    lines = [f"process {p['uid']} {' '.join(map(_quoted, p['command']))}" for p in texts["processes"]]
    lines += [f"file {_visible(line)}" for line in texts["files"]]
    lines += [f"sysctl {line}" for line in texts["sysctls"].splitlines()]
    lines += [f"ipc {line}" for line in texts["ipc"].splitlines()]
    # Their order is part of what rules mean.
    lines += [f"rule {number}: {line.strip()}" for number, line in enumerate(texts["rules"].splitlines(), 1)]
    lines += [f"conntrack {texts['conntrack_count'].strip()}"]
    lines += [_socket_line(socket) for socket in sockets(texts["sockets"]) + sockets(texts["packet_sockets"])]
    for name in ("addresses", "routes", "routes6", "policy"):
        lines += [f"{name} {item}" for item in _read(_lasting, texts[name])]
    return tuple(sorted(lines))


def _quoted(word: str) -> str:
    return _visible(word) if word.isalnum() else "'" + _visible(word).replace("'", "\\x27") + "'"


def _visible(text: str) -> str:
    """The text with everything that does not print, and the backslash itself, written as an escape."""
    return "".join(
        char if char.isprintable() and char != "\\" else char.encode("unicode_escape").decode() for char in text
    )


def _socket_line(socket: Socket) -> str:
    v6only = " v6only" if socket.v6only else ""
    return f"socket {socket.kind} {socket.state} {socket.local} {socket.remote} uid {socket.uid}{v6only}"


def _lasting(item: dict[str, Any]) -> str:
    """Without what changes by itself or with each creation: the numbers of interfaces and lifetimes."""
    passing = {"ifindex", "link_index", "link_netnsid", "cache", "used", "expires", "age"}
    return json.dumps({key: value for key, value in item.items() if key not in passing}, sort_keys=True)
