"""The text of ss(8) -> Socket. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv6Address, ip_address

from lab.model import Address, Endpoint, Protocol
from lab.observe.unreadable import UnreadableError
from lab.text import joined


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
        return joined("*" if self.address is None else self.address, self.port or "*", device=self.device)


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
    unread: int = field(default=0, compare=False)
    """bytes that came and were not read (ss(8), Recv-Q); of a listener connections that were not accepted"""
    unsent: int = field(default=0, compare=False)
    """bytes that the other side has not acknowledged (Send-Q); of a listener how many connections may wait"""

    @property
    def listens(self) -> bool:
        """Whether it waits for others to begin: a listening TCP socket, or any UDP or raw one without a peer."""
        # A TCP socket in the state CLOSED (RFC 9293 §3.3.2) is UNCONN to ss(8) too, and nobody can reach it.
        return self.state is (State.LISTEN if self.kind is Kind.TCP else State.UNCONN)


# All of a row is written by ss(8) and the kernel, except the names of processes: a program gives itself any name it
# likes (prctl(2), PR_SET_NAME), with quotes, spaces, line ends, or the words of a row in it. Only a `)` never shows
# up, because ss reads the name from /proc/PID/stat as what stands before the first one.
_OWNER = r'\("[^)]*",pid=\d+,fd=\d+\)'
_ROW = re.compile(
    r"(?P<kind>\S+) +(?P<state>\S+) +(?P<unread>\d+) +(?P<unsent>\d+) +(?P<local>\S+) +(?P<remote>\S+) *"
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
        unread=int(row["unread"]),
        unsent=int(row["unsent"]),
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
