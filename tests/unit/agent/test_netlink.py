"""Questions to the kernel. What is asked here is asked in the network of whoever runs the tests."""

from __future__ import annotations

import errno
import socket
import struct
from pathlib import Path

import netlink
import pytest
from namespaces import AgentError


def test_a_datagram_holds_several_messages() -> None:
    """Each begins at a multiple of four bytes (netlink(7), NLMSG_ALIGN), however long the one before is."""
    short = netlink.HEADER.pack(netlink.HEADER.size + 1, 16, 2, 1, 0) + b"a" + bytes(3)
    data = short + netlink.HEADER.pack(netlink.HEADER.size + 4, 3, 0, 1, 0) + b"last"
    assert list(netlink.messages(data)) == [(16, 2, b"a"), (3, 0, b"last")]


def test_a_length_that_cannot_be_is_no_endless_loop() -> None:
    """A message is at least as long as its header."""
    assert len(list(netlink.messages(netlink.HEADER.pack(0, 16, 0, 1, 0) * 2))) == 2


@pytest.mark.parametrize(("kind", "protocol"), [("STREAM", "TCP"), ("DGRAM", "UDP")])
@pytest.mark.parametrize("family", ["INET", "INET6"])
def test_a_socket_is_something(kind: str, protocol: str, family: str) -> None:
    """Of either family, as soon as it has a port."""
    with socket.socket(getattr(socket, f"AF_{family}"), getattr(socket, f"SOCK_{kind}")) as one:
        one.bind(("", 0))
        if kind == "STREAM":
            one.listen()
        assert not netlink.no_sockets(getattr(socket, f"IPPROTO_{protocol}"))


def test_where_nothing_is_asked_for_is_nothing() -> None:
    """An answer that has an end and nothing before it: no neighbour is at an interface that there is not."""
    nowhere = netlink.NEIGHBOUR.pack(0, 0, 0, 2**31 - 1, 0, 0, 0)
    assert netlink._is_empty(netlink.ROUTE, netlink.RTM_GETNEIGH, nowhere + struct.pack("=HHI", 8, 8, 2**31 - 1))


def test_what_the_kernel_does_not_answer_counts_as_something() -> None:
    """A question that it does not know is refused, which tells nothing of what is there."""
    with pytest.raises(OSError, match=r".") as refused:
        list(netlink.ask(netlink.ROUTE, 4094, bytes(16), flags=netlink.DUMP))
    assert refused.value.errno == errno.EOPNOTSUPP
    assert not netlink._is_empty(netlink.ROUTE, 4094, bytes(16))


def test_a_dump_that_fails_is_not_an_empty_one() -> None:
    """It ends with DONE as any other does; that no module knows the protocol 254 is told in it (RFC 3692)."""
    body = struct.pack("=BBBBI48x", socket.AF_INET, 254, 0, 0, netlink.ALL_STATES)
    with pytest.raises(OSError, match=r".") as refused:
        list(netlink.ask(netlink.SOCK_DIAG, netlink.SOCK_DIAG_BY_FAMILY, body, flags=netlink.DUMP))
    assert refused.value.errno == errno.ENOENT
    assert not netlink.no_sockets(254)


def test_raw_sockets_are_in_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below a line of names; a table that there is not has none in it."""
    raw, raw6 = tmp_path / "raw", tmp_path / "raw6"
    monkeypatch.setattr(netlink, "RAW_TABLES", (str(raw), str(raw6)))
    raw.write_text("  sl  local_address rem_address   st\n")
    assert netlink.no_raw_sockets()
    raw6.write_text("  sl  local_address\n   1: 00000000\n")
    assert not netlink.no_raw_sockets()


def test_an_answer_is_read_to_its_end() -> None:
    """The loopback interface is told, and its index is a number of the system's (if_nametoindex(3))."""
    links = [body for _, body in netlink.ask(netlink.ROUTE, 18, bytes(16), flags=netlink.DUMP)]
    assert socket.if_nametoindex("lo") in {struct.unpack_from("=i", body, 4)[0] for body in links}


def link(*told: tuple[int, bytes]) -> bytes:
    """What the kernel says of a link."""
    parts = (netlink.ATTRIBUTE.pack(4 + len(value), kind) + value + bytes(-len(value) % 4) for kind, value in told)
    return b"0123456789abcdef" + b"".join(parts)


def test_what_traffic_counts_is_no_part_of_a_link() -> None:
    """Everything else is: the header, the name (3), the order of attributes and where each of them ends."""
    before = netlink.uncounted(link((3, b"eth0\0"), (23, b"8 packets"), (7, b"8"), (4, b"\xdc\x05")))
    assert before == netlink.uncounted(link((3, b"eth0\0"), (23, b"9 packets"), (7, b"9"), (4, b"\xdc\x05")))
    others = [
        link((3, b"eth1\0"), (4, b"\xdc\x05")),
        link((4, b"\xdc\x05"), (3, b"eth0\0")),
        link((3, b"eth0\0"), (4, b"\xdc\x05"), (5, b"")),
        b"x" + link((3, b"eth0\0"), (4, b"\xdc\x05"))[1:],
    ]
    assert before not in map(netlink.uncounted, others)


def test_an_attribute_is_found_among_others() -> None:
    """Each begins at a multiple of four bytes, whatever the length of the one before; one that is not there is told."""
    name = netlink.ATTRIBUTE.pack(9, 2) + b"five\0" + bytes(3)
    number = netlink.ATTRIBUTE.pack(6, 1) + b"\x4d\0" + bytes(2)
    assert list(netlink.attributes(name + number)) == [(2, b"five\0"), (1, b"\x4d\0")]
    assert netlink._attribute(name + number, 1) == b"\x4d\0"
    assert netlink._attribute(name + number, 2) == b"five\0"
    with pytest.raises(AgentError, match="attribute 7"):
        netlink._attribute(name + number, 7)
