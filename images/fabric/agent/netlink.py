"""Questions that netlink(7) answers at once, asked in the calling thread's network namespace.

ss(8), ip(8) and nft(8) tell what is there; starting one of them takes longer than their question takes the kernel.
So the same question is put here first: where the answer is that there is nothing, there is nothing to tell. What is
not answered, as by a kernel without a module, counts as something. What traffic has filled is emptied here too.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator

from namespaces import AgentError

ROUTE, SOCK_DIAG, NETFILTER, GENERIC = 0, 4, 12, 16
"""netlink(7), the families"""
REQUEST, ACK, DUMP, INTERRUPTED = 0x1, 0x4, 0x300, 0x10
ERROR, DONE = 2, 3
HEADER = struct.Struct("=IHHII")
MOST_BYTES = 1 << 16
"""A kernel's message is never longer."""
SECONDS = 30

SOCK_DIAG_BY_FAMILY = 20
ALL_STATES = 0xFFFFFFFF
PACKET_DIAG = struct.pack("=BBHIIII", socket.AF_PACKET, 0, 0, 0, 0, 0, 0)
"""sock_diag(7) has the struct of the internet's; this is linux/packet_diag.h's"""

RTM_DELNEIGH, RTM_GETNEIGH, RTM_GETROUTE, RTM_GETQDISC = 29, 30, 26, 38
NEIGHBOUR = struct.Struct("=BBHiHBB")
"""rtnetlink(7), struct ndmsg"""
LASTING = (0x80, 0x40)
"""NUD_PERMANENT and NUD_NOARP: what nobody was asked for"""
CLONED = 0x200
"""RTM_F_CLONED: what was learned of one destination"""
MOST_ROUNDS = 10

NFT, CONNTRACK = 10 << 8, 1 << 8
NFT_MSG_GETTABLE, NFT_MSG_GETOBJ_RESET = NFT | 1, NFT | 21
IPCTNL_MSG_CT_DELETE = CONNTRACK | 2
ANY_FAMILY = struct.pack("=BBH", socket.AF_UNSPEC, 0, 0)

GENL_CONTROL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 16, 3, 1, 2
TCP_METRICS_CMD_DEL = 2
GENL_HEADER = struct.Struct("=BBH")
ATTRIBUTE = struct.Struct("=HH")

Message = tuple[int, bytes]
"""Its type and what follows its header."""


def ask(family: int, kind: int, body: bytes, *, flags: int) -> Iterator[Message]:
    """The messages of an answer. Raises OSError if the kernel refuses, or what is dumped changes meanwhile."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, family) as asking:
        asking.settimeout(SECONDS)
        asking.send(HEADER.pack(HEADER.size + len(body), kind, REQUEST | flags, 1, 0) + body)
        while True:
            for answered, marks, payload in messages(asking.recv(MOST_BYTES)):
                if marks & INTERRUPTED:
                    raise OSError(errno.EINTR, "changed while it was looked at")
                if answered == DONE:
                    return
                if answered == ERROR:
                    number = -struct.unpack_from("=i", payload)[0]
                    if number:
                        raise OSError(number, os.strerror(number))
                    return
                yield answered, payload


def messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The messages of a datagram: type, flags, and what follows the header."""
    at = 0
    while at + HEADER.size <= len(data):
        length, kind, flags, _, _ = HEADER.unpack_from(data, at)
        yield kind, flags, data[at + HEADER.size : at + length]
        at += max(HEADER.size, (length + 3) & ~3)


def _is_empty(family: int, kind: int, body: bytes) -> bool:
    try:
        return next(ask(family, kind, body, flags=DUMP), None) is None
    except OSError:
        return False


def no_sockets(*protocols: int) -> bool:
    """Whether there is no socket of these protocols (socket.IPPROTO_...), of either family and in any state."""
    return all(
        _is_empty(SOCK_DIAG, SOCK_DIAG_BY_FAMILY, struct.pack("=BBBBI48x", family, protocol, 0, 0, ALL_STATES))
        for protocol in protocols
        for family in (socket.AF_INET, socket.AF_INET6)
    )


def no_packet_sockets() -> bool:
    """Whether there is no packet(7) socket."""
    return _is_empty(SOCK_DIAG, SOCK_DIAG_BY_FAMILY, PACKET_DIAG)


def no_rules() -> bool:
    """Whether nft(8) has no table: everything that it knows is in one."""
    return _is_empty(NETFILTER, NFT_MSG_GETTABLE, ANY_FAMILY)


def forget_neighbours() -> None:
    """Delete what was learned of neighbours (`ip neigh flush all`). Raises AgentError if some stay."""
    for _ in range(MOST_ROUNDS):
        try:
            learned = [
                body
                for _, body in ask(ROUTE, RTM_GETNEIGH, bytes(NEIGHBOUR.size), flags=DUMP)
                if NEIGHBOUR.unpack_from(body)[4] not in LASTING
            ]
            if not learned:
                return
            for body in learned:
                list(ask(ROUTE, RTM_DELNEIGH, body, flags=ACK))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EINTR):  # one went by itself, or came
                raise
    raise AgentError(f"neighbours cannot be forgotten in {MOST_ROUNDS} rounds")


def has_cached_routes6() -> bool:
    """Whether anything was learned of a path of IPv6, which `ip -6 route flush cache` forgets."""
    try:
        body = struct.pack("=B11x", socket.AF_INET6)
        # struct rtmsg ends with its flags.
        return any(
            struct.unpack_from("=I", route, 8)[0] & CLONED for _, route in ask(ROUTE, RTM_GETROUTE, body, flags=DUMP)
        )
    except OSError:
        return True


def forget_tcp_metrics() -> None:
    """Forget what was learned of TCP's peers (ip-tcp_metrics(8), `flush all`)."""
    name = b"tcp_metrics\0"
    attribute = ATTRIBUTE.pack(ATTRIBUTE.size + len(name), CTRL_ATTR_FAMILY_NAME) + name
    body = GENL_HEADER.pack(CTRL_CMD_GETFAMILY, 1, 0) + attribute
    family = next(_family_id(answer) for _, answer in ask(GENERIC, GENL_CONTROL, body, flags=0))
    list(ask(GENERIC, family, GENL_HEADER.pack(TCP_METRICS_CMD_DEL, 1, 0), flags=ACK))


def _family_id(answer: bytes) -> int:
    at = GENL_HEADER.size
    while at + ATTRIBUTE.size <= len(answer):
        length, kind = ATTRIBUTE.unpack_from(answer, at)
        if kind == CTRL_ATTR_FAMILY_ID:
            return int(struct.unpack_from("=H", answer, at + ATTRIBUTE.size)[0])
        at += max(ATTRIBUTE.size, (length + 3) & ~3)
    raise AgentError("tcp_metrics: expected the kernel to number its family")


def forget_connections() -> None:
    """Forget every entry of connection tracking (`conntrack -F`)."""
    list(ask(NETFILTER, IPCTNL_MSG_CT_DELETE, ANY_FAMILY, flags=ACK))


def count_anew() -> None:
    """Set every counter of nft(8) to 0 (`nft reset counters`)."""
    list(ask(NETFILTER, NFT_MSG_GETOBJ_RESET, ANY_FAMILY, flags=DUMP))
