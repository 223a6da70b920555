"""Questions that netlink(7) answers at once, asked in the calling thread's network namespace.

ss(8), ip(8) and nft(8) tell what is there; starting one of them takes longer than their question takes the kernel.
So the same question is put here first: where the answer is that there is nothing, there is nothing to tell, and where
it is the one of before, so is what the tool would tell (known.py). What is not answered, as by a kernel without a
module, counts as something. What traffic has filled is emptied here too.
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
STATUS = struct.Struct("=i")
HEADER = struct.Struct("=IHHII")
MOST_BYTES = 1 << 16
"""A kernel's message is never longer."""
SECONDS = 30

SOCK_DIAG_BY_FAMILY = 20
ALL_STATES = 0xFFFFFFFF
PACKET_DIAG = struct.pack("=BBHIIII", socket.AF_PACKET, 0, 0, 0, 0, 0, 0)
"""sock_diag(7) has the struct of the internet's; this is linux/packet_diag.h's"""

RAW_TABLES = ("/proc/thread-self/net/raw", "/proc/thread-self/net/raw6")

RTM_DELNEIGH, RTM_GETNEIGH, RTM_GETROUTE, RTM_GETQDISC = 29, 30, 26, 38
RTM_GETLINK, RTM_GETADDR, RTM_GETRULE = 18, 22, 34
IFINFOMSG_BYTES = 16
NO_COUNTERS = struct.pack(f"={IFINFOMSG_BYTES}xHHI", 8, 29, 1 << 3)
"""IFLA_EXT_MASK with RTEXT_FILTER_SKIP_STATS: links without most of what traffic counts in them"""
COUNTERS = (7, 23)
"""IFLA_STATS and IFLA_STATS64, which come all the same; ip(8) shows them only with -s"""
TCMSG_BYTES, TCA_KIND = 20, 1
NEIGHBOUR = struct.Struct("=BBHiHBB")
"""rtnetlink(7), struct ndmsg"""
LASTING = (0x80, 0x40)
"""NUD_PERMANENT and NUD_NOARP: what nobody was asked for"""
CLONED = 0x200
"""RTM_F_CLONED: what was learned of one destination"""
MOST_ROUNDS = 10

NFT, CONNTRACK = 10 << 8, 1 << 8
NFT_MSG_GETTABLE, NFT_MSG_GETGEN, NFT_MSG_GETOBJ, NFT_MSG_GETOBJ_RESET = NFT | 1, NFT | 16, NFT | 19, NFT | 21
NFTA_GEN_ID = 1
NFGENMSG_BYTES = 4
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
                if answered in (DONE, ERROR):
                    # A dump that fails, as without a module, ends like any other but for this.
                    number = -STATUS.unpack_from(payload)[0] if len(payload) >= STATUS.size else 0
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
    """Whether there is no socket of these protocols (IPPROTO_TCP, IPPROTO_UDP), of either family and in any state."""
    return all(
        _is_empty(SOCK_DIAG, SOCK_DIAG_BY_FAMILY, struct.pack("=BBBBI48x", family, protocol, 0, 0, ALL_STATES))
        for protocol in protocols
        for family in (socket.AF_INET, socket.AF_INET6)
    )


def no_raw_sockets() -> bool:
    """Whether there is no raw(7) socket. Many kernels lack raw_diag; ss(8) then reads these lists too."""
    for table in RAW_TABLES:
        try:
            with open(table, encoding="ascii") as rows:
                if len(rows.readlines()) > 1:  # the first has the names of the columns
                    return False
        except FileNotFoundError:
            continue  # a kernel without IPv6
    return True


def no_packet_sockets() -> bool:
    """Whether there is no packet(7) socket."""
    return _is_empty(SOCK_DIAG, SOCK_DIAG_BY_FAMILY, PACKET_DIAG)


def no_rules() -> bool:
    """Whether nft(8) has no table: everything that it knows is in one."""
    return _is_empty(NETFILTER, NFT_MSG_GETTABLE, ANY_FAMILY)


def addresses() -> bytes:
    """Links, addresses, routes and rules of routing: all that ip(8) goes by to show them. Raises OSError."""
    told = [uncounted(body) for _, body in ask(ROUTE, RTM_GETLINK, NO_COUNTERS, flags=DUMP)]
    for kind, length in ((RTM_GETADDR, 8), (RTM_GETROUTE, 12), (RTM_GETRULE, 12)):
        told += [body for _, body in ask(ROUTE, kind, bytes(length), flags=DUMP)]
    return b"".join(struct.pack("=I", len(one)) + one for one in told)


def uncounted(link: bytes) -> bytes:
    """What is told of a link, without what traffic counts in it."""
    lasting = [(kind, value) for kind, value in attributes(link[IFINFOMSG_BYTES:]) if kind not in COUNTERS]
    return link[:IFINFOMSG_BYTES] + b"".join(struct.pack("=HI", kind, len(value)) + value for kind, value in lasting)


def generation() -> bytes:
    """The number of the ruleset, which every transaction of nft(8) changes. Raises OSError.

    What packets change is not in it: counters, and elements of sets.
    """
    ((_, body),) = ask(NETFILTER, NFT_MSG_GETGEN, ANY_FAMILY, flags=ACK)
    return _attribute(body[NFGENMSG_BYTES:], NFTA_GEN_ID)


def counted() -> bytes:
    """The ruleset's number, and its counters. Raises OSError."""
    return generation() + b"".join(body for _, body in ask(NETFILTER, NFT_MSG_GETOBJ, ANY_FAMILY, flags=DUMP))


def queues_of(kind: str) -> bool:
    """Whether a queue of this kind (tc(8)) is at any interface."""
    try:
        return any(
            _attribute(body[TCMSG_BYTES:], TCA_KIND) == kind.encode() + b"\0"
            for _, body in ask(ROUTE, RTM_GETQDISC, bytes(TCMSG_BYTES), flags=DUMP)
        )
    except OSError:
        return True


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
    ((_, answer),) = ask(GENERIC, GENL_CONTROL, body, flags=ACK)
    (family,) = struct.unpack("=H", _attribute(answer[GENL_HEADER.size :], CTRL_ATTR_FAMILY_ID))
    list(ask(GENERIC, family, GENL_HEADER.pack(TCP_METRICS_CMD_DEL, 1, 0), flags=ACK))


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """A message's attributes: type and value."""
    at = 0
    while at + ATTRIBUTE.size <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, at)
        yield kind, data[at + ATTRIBUTE.size : at + length]
        at += max(ATTRIBUTE.size, (length + 3) & ~3)


def _attribute(data: bytes, wanted: int) -> bytes:
    """The value of one attribute. Raises AgentError if it is not there."""
    for kind, value in attributes(data):
        if kind == wanted:
            return value
    raise AgentError(f"expected the kernel to tell the attribute {wanted}")


def forget_connections() -> None:
    """Forget every entry of connection tracking (`conntrack -F`)."""
    list(ask(NETFILTER, IPCTNL_MSG_CT_DELETE, ANY_FAMILY, flags=ACK))


def count_anew() -> None:
    """Set every counter of nft(8) to 0 (`nft reset counters`)."""
    list(ask(NETFILTER, NFT_MSG_GETOBJ_RESET, ANY_FAMILY, flags=DUMP))
