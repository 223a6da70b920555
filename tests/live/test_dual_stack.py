"""IPv4 and IPv6 through one router, several addresses on an interface, and a capability that a lab grants."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.live import Instance
from lab.model import Endpoint, Protocol
from lab.observe import Socket, listeners
from tests.live.support import until

pytestmark = pytest.mark.instance("labs/dual-stack.yaml")
ADDRESSES = ("10.0.2.80", "10.0.2.81", "fd00:2::80", "fd00:2::81")


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_every_address_of_an_interface_answers(
    address: str,
    protocol: str,
    start: Callable[..., None],
    listens: Callable[[str, int], None],
    ask: Callable[..., str],
) -> None:
    """A server bound to one of four addresses is reached at it through the router, and not at another."""
    start("server", "serve_once_each.py", protocol, address, 8000, "here")
    listens("server", 8000)
    own, answer = ask("client", protocol, address, 8000).split(" | ")
    assert answer.split() == ["here", *own.split()]
    other = next(one for one in ADDRESSES if one != address)
    assert ask("client", protocol, other, 8000) == "ECONNREFUSED"


def test_a_wildcard_listener_of_ipv6_is_told_from_one_of_ipv4(
    start: Callable[..., None],
    listens: Callable[[str, int], None],
    sockets: Callable[[str], tuple[Socket, ...]],
) -> None:
    """[::] and 0.0.0.0 are different bindings, and which families a socket serves is known."""
    start("server", "serve_once_each.py", "tcp", "::", 8000, "six", name="six")
    start("server", "serve_once_each.py", "tcp", "0.0.0.0", 8001, "four", name="four")
    listens("server", 8000)
    listens("server", 8001)
    seen = sockets("server")
    assert {str(one) for one in listeners(seen)} == {"tcp/[::]:8000", "tcp/0.0.0.0:8001"}
    assert {socket.local.port: socket.v6only for socket in seen}[8000] is False


def test_a_granted_capability_is_had_and_no_other(lab: Instance) -> None:
    """NET_BIND_SERVICE (10) lets a program bind port 80 in the host that grants it; it has that one capability only."""
    status = lab.run("server", ["grep", "-E", "^Cap(Inh|Prm|Eff|Bnd|Amb)", "/proc/self/status"]).stdout.decode()
    assert {line.split()[1] for line in status.splitlines()} == {f"{1 << 10:016x}"}
    bind = "import socket; socket.socket().bind(('', 80)); print('bound')"
    assert lab.run("server", ["python3", "-c", bind]).stdout == b"bound\n"
    assert b"PermissionError" in lab.run("client", ["python3", "-c", bind]).stderr


def test_the_kernel_answers_at_the_exact_set_of_endpoints(
    lab: Instance, start: Callable[..., None], listens: Callable[[str, int], None]
) -> None:
    """One port of two addresses of one interface is two endpoints, held by two programs."""
    for address in ADDRESSES[:2]:
        start("server", "serve_once_each.py", "tcp", address, 8000, "x", name=f"at-{address.replace('.', '-')}")
    listens("server", 8000)
    expected = {
        Endpoint(protocol=Protocol.TCP, address=a.ip, port=8000)
        for a in lab.host("server").interfaces[0].addresses
        if a.version == 4
    }
    until(
        lambda: listeners(lab.look(["sockets"], ["server"])["server"].sockets),
        wanted=lambda seen: seen == expected,
        what=str(expected),
    )
