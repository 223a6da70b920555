"""Questions to the kernel. What is asked here is asked in the network of whoever runs the tests."""

from __future__ import annotations

import errno
import socket
import struct

import netlink
import pytest


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


def test_an_answer_is_read_to_its_end() -> None:
    """The loopback interface is told, and its index is a number of the system's (if_nametoindex(3))."""
    links = [body for _, body in netlink.ask(netlink.ROUTE, 18, bytes(16), flags=netlink.DUMP)]
    assert socket.if_nametoindex("lo") in {struct.unpack_from("=i", body, 4)[0] for body in links}


def test_a_family_is_told_by_its_number() -> None:
    """It stands among other attributes, each at a multiple of four bytes."""
    header = netlink.GENL_HEADER.pack(1, 2, 0)
    name = netlink.ATTRIBUTE.pack(9, netlink.CTRL_ATTR_FAMILY_NAME) + b"five\0" + bytes(3)
    number = netlink.ATTRIBUTE.pack(6, netlink.CTRL_ATTR_FAMILY_ID) + struct.pack("=H", 77) + bytes(2)
    assert netlink._family_id(header + name + number) == 77
