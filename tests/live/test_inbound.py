"""From outside, nothing begins a connection inward until the gateway forwards a port."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lab.live import Instance
from lab.observe import Translation
from tests.live.support import until

FORWARD = pytest.mark.instance("labs/forward.yaml")
Ask = Callable[..., str]
Start = Callable[..., None]
Listens = Callable[[str, int], None]


def test_a_private_address_is_not_reached_from_outside(
    start: Start, listens: Listens, ask: Ask, host: Callable[[str], Any]
) -> None:
    """A stranger reaches neither alice's listener nor its port at the gateway, not even with a route to her network.

    Positive control: bob, inside, is answered by the very same listener.
    """
    start("alice", "serve_once_each.py", "tcp", "192.168.1.100", 8000, "alice")
    listens("alice", 8000)
    assert ask("bob", "tcp", "192.168.1.100", 8000).split(" | ")[1].startswith("alice 192.168.1.101")
    assert ask("stranger", "tcp", "192.168.1.100", 8000) == "ENETUNREACH"
    assert ask("stranger", "tcp", "203.0.113.1", 8000) == "ECONNREFUSED"
    outside = host("stranger")
    assert outside.run("ip route add 192.168.1.0/24 via 203.0.113.1").rc == 0
    try:
        assert ask("stranger", "tcp", "192.168.1.100", 8000) == "timeout"
    finally:
        assert outside.run("ip route del 192.168.1.0/24").rc == 0


@FORWARD
def test_a_forwarded_tcp_port_is_reached_from_outside(
    start: Start, listens: Listens, ask: Ask, translations: Callable[[str], tuple[Translation, ...]]
) -> None:
    """With a forward the same listener answers the stranger, sees its real address, and the entry says who is meant."""
    start("alice", "serve_once_each.py", "tcp", "192.168.1.100", 8000, "alice")
    listens("alice", 8000)
    own, answer = ask("stranger", "tcp", "203.0.113.1", 8080, 6000).split(" | ")
    assert own == "203.0.113.99 6000"
    assert answer == "alice 203.0.113.99 6000"
    (entry,) = translations("router")
    assert (str(entry.original.destination), entry.original.destination_port) == ("203.0.113.1", 8080)
    assert (str(entry.inside[0]), entry.inside[1]) == ("192.168.1.100", 8000)
    assert (str(entry.outside[0]), entry.outside[1]) == ("203.0.113.1", 8080)
    assert (str(entry.peer[0]), entry.peer[1]) == ("203.0.113.99", 6000)
    assert entry.destination_is_translated
    assert not entry.source_is_translated
    assert ask("stranger", "tcp", "203.0.113.1", 8000) == "ECONNREFUSED"


@FORWARD
def test_a_forwarded_udp_port_is_reached_from_outside(start: Start, listens: Listens, ask: Ask) -> None:
    """The same for UDP, to another port; TCP on that port stays closed."""
    start("bob", "serve_once_each.py", "udp", "192.168.1.101", 5300, "bob")
    listens("bob", 5300)
    assert ask("stranger", "udp", "203.0.113.1", 5353, 6001).split(" | ")[1] == "bob 203.0.113.99 6001"
    assert ask("stranger", "tcp", "203.0.113.1", 5353) == "ECONNREFUSED"


@FORWARD
def test_a_hairpinned_connection_comes_back_through_the_gateway(start: Start, listens: Listens, ask: Ask) -> None:
    """Bob reaches alice by the public address, and she sees the gateway (RFC 4787 §6, hairpinning)."""
    start("alice", "serve_once_each.py", "tcp", "192.168.1.100", 8000, "alice")
    listens("alice", 8000)
    answer = ask("bob", "tcp", "203.0.113.1", 8080).split(" | ")[1]
    assert answer.split()[:2] == ["alice", "192.168.1.1"]


@pytest.mark.instance("labs/nat-and-ipv6.yaml")
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_ipv6_goes_out_and_does_not_come_in(protocol: str, start: Start, listens: Listens, ask: Ask) -> None:
    """Alice is answered over IPv6 at her own address; the server, which has a route to her, does not reach her.

    Positive control: her listener answers the router, which is inside too.
    """
    start("server", "serve_once_each.py", protocol, "fd00:2::80", 8000, "server")
    start("alice", "serve_once_each.py", protocol, "fd00:1::100", 8000, "alice")
    listens("server", 8000)
    listens("alice", 8000)
    assert ask("alice", protocol, "fd00:2::80", 8000, 6000).split(" | ")[1] == "server fd00:1::100 6000"
    assert ask("router", protocol, "fd00:1::100", 8000).split(" | ")[1].startswith("alice fd00:1::1")
    assert ask("server", protocol, "fd00:1::100", 8000) == "timeout"


@FORWARD
def test_an_idle_udp_mapping_lives_as_long_as_declared(
    lab: Instance, ask: Ask, translations: Callable[[str], tuple[Translation, ...]]
) -> None:
    """A mapping without an answer has at most the declared two seconds left."""
    assert ask("alice", "udp", "203.0.113.99", 7000, 6002) in ("timeout", "ECONNREFUSED")
    nat = lab.host("router").nat
    assert nat is not None
    assert {one.name: one.seconds for one in nat.timeouts} == {"udp": 2, "udp-stream": 3}
    assert ask("alice", "udp", "203.0.113.99", 7000, 6003) in ("timeout", "ECONNREFUSED")
    left = {entry.inside[1]: entry.seconds_left for entry in translations("router")}
    assert 0 <= left[6003] <= 2
    until(lambda: translations("router"), wanted=lambda entries: entries == (), what="no entry")
