"""Every difference between what a lab declares and what is seen: a view that has it, a view that does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address, ip_interface

import pytest

from lab.checks import Difference, ThreeViews, covers, differences, not_listening, three_views
from lab.model import Endpoint, Lab, Protocol
from lab.observe import Flow, HostView, Kind, Link, Route, Translation
from tests.unit.examples import ECHO, as_declared, at, connected, listening, rich_lab, server, small_lab

Change = Callable[[HostView], HostView]


def views(lab: Lab) -> dict[str, HostView]:
    """What is seen when everything is as declared."""
    return {host.name: as_declared(host) for host in lab.hosts}


def changed(host: str, change: Change) -> tuple[Difference, ...]:
    """The differences of the small lab in which one host's view is changed."""
    lab = small_lab()
    seen = views(lab)
    return differences(lab, seen | {host: change(seen[host])})


@pytest.mark.parametrize("lab", [small_lab(), rich_lab()], ids=["small", "rich"])
def test_as_declared_is_no_difference(lab: Lab) -> None:
    """Negative control of every check below: nothing is found where all is as declared."""
    assert differences(lab, views(lab)) == ()


def _link(name: str, change: Callable[[Link], Link]) -> Change:
    return lambda view: replace(view, links=tuple(change(one) if one.name == name else one for one in view.links))


def _address(*addresses: str) -> Change:
    return _link("eth0", lambda link: replace(link, addresses=tuple(map(ip_interface, addresses))))


def _add_link(view: HostView) -> HostView:
    return replace(view, links=(*view.links, Link(name="eth9", up=True, mac="", addresses=())))


def _routes(*routes: tuple[str, str]) -> Change:
    found = tuple(Route(destination=to, via=ip_address(via), device="eth0") for to, via in routes)
    return lambda view: replace(view, routes=found)


def _sysctl(key: str, value: str) -> Change:
    return lambda view: replace(view, sysctls=tuple((dict(view.sysctls) | {key: value}).items()))


CASES: dict[str, tuple[str, Change, tuple[str, str, str]]] = {
    "another address": (
        "alice",
        _address("192.168.1.200/24"),
        ("addresses of eth0 on home", "192.168.1.100/24", "192.168.1.200/24"),
    ),
    "another prefix length": (
        "alice",
        _address("192.168.1.100/16"),
        ("addresses of eth0 on home", "192.168.1.100/24", "192.168.1.100/16"),
    ),
    "one address more": (
        "alice",
        _address("192.168.1.100/24", "fd00::1/64"),
        ("addresses of eth0 on home", "192.168.1.100/24", "192.168.1.100/24, fd00::1/64"),
    ),
    "no address": ("alice", _address(), ("addresses of eth0 on home", "192.168.1.100/24", "none")),
    "no interface": (
        "alice",
        lambda view: replace(view, links=view.links[:1]),
        ("addresses of eth0 on home", "192.168.1.100/24", "no interface"),
    ),
    "an interface that is down": (
        "alice",
        _link("eth0", lambda link: replace(link, up=False)),
        ("state of eth0", "up", "down"),
    ),
    "an interface more": ("alice", _add_link, ("interfaces", "eth0", "also eth9")),
    "no route": ("alice", _routes(), ("routes", "default via 192.168.1.1", "none")),
    "another gateway": (
        "alice",
        _routes(("default", "192.168.1.9")),
        ("routes", "default via 192.168.1.1", "default via 192.168.1.9"),
    ),
    "a route more": (
        "alice",
        _routes(("default", "192.168.1.1"), ("10.0.0.0/8", "192.168.1.9")),
        ("routes", "default via 192.168.1.1", "10.0.0.0/8 via 192.168.1.9, default via 192.168.1.1"),
    ),
    "a route where none is declared": (
        "server",
        _routes(("default", "203.0.113.1")),
        ("routes", "none", "default via 203.0.113.1"),
    ),
    "a rule missing": (
        "router",
        lambda view: replace(view, rules=view.rules.replace("\t\tct status dnat accept\n", "")),
        ("nft rules", "ct status dnat accept", ""),
    ),
    "rules where none are declared": (
        "alice",
        lambda view: replace(view, rules="table ip other {\n}\n"),
        ("nft rules", "none", "table ip other {, }"),
    ),
    "another setting": (
        "alice",
        _sysctl("net.ipv4.ip_forward", "1"),
        ("sysctl net.ipv4.ip_forward", "0", "1"),
    ),
    "no such setting": (
        "alice",
        lambda view: replace(view, sysctls=view.sysctls[1:]),
        ("sysctl net.ipv4.ip_forward", "0", "nothing"),
    ),
    "a listener before any program runs": (
        "alice",
        lambda view: replace(view, sockets=(listening("0.0.0.0", 80),)),
        ("listening sockets", "none", "tcp/0.0.0.0:80"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_difference_is_found_once(case: str) -> None:
    """One thing is not as declared: one difference, that says of whom, what was expected and what is seen."""
    host, change, (subject, expected, observed) = CASES[case]
    (found,) = changed(host, change)
    assert (found.host, found.subject, found.expected) == (host, subject, expected)
    assert found.observed == (observed or found.observed)


def test_the_order_of_rules_counts() -> None:
    """nft takes the first rule that fits, so the same rules in another order are other rules."""

    def swap(view: HostView) -> HostView:
        pool, plain = view.rules.splitlines()[7:9]
        assert "snat" in pool
        assert "snat" in plain
        return replace(view, rules=view.rules.replace(f"{pool}\n{plain}", f"{plain}\n{pool}"))

    (found,) = changed("router", swap)
    assert found.subject == "nft rules"


def test_a_host_that_is_not_there_is_a_difference() -> None:
    """No view of a declared host is never taken for a host without faults."""
    lab = small_lab()
    seen = views(lab)
    del seen["server"]
    (found,) = differences(lab, seen)
    assert str(found) == "server: host: expected running, observed not there"


def test_all_differences_are_found_at_once() -> None:
    """Two faults on two hosts are two differences, in the order of the lab's hosts."""
    lab = small_lab()
    seen = views(lab)
    seen["alice"] = replace(seen["alice"], routes=())
    seen["server"] = _sysctl("net.ipv4.ip_forward", "1")(seen["server"])
    assert [one.host for one in differences(lab, seen)] == ["alice", "server"]


def test_a_link_local_address_is_the_kernels_own() -> None:
    """Every IPv6 interface has one by itself (RFC 4862 §5.3); a lab does not declare it."""
    assert changed("alice", _address("192.168.1.100/24", "fe80::ff:fe00:100/64")) == ()


def test_a_setting_of_several_numbers_may_be_separated_by_tabs() -> None:
    """The kernel prints `0<TAB>2147483647` for what was set with a space between."""
    assert changed("alice", _sysctl("net.ipv4.ping_group_range", "0\t2147483647")) == ()


def test_a_connection_is_no_listener() -> None:
    """What remains of a connection does not listen, so it is no difference."""
    remains = connected(("192.168.1.100", 5555), ("203.0.113.80", 80))
    assert changed("alice", lambda view: replace(view, sockets=(remains,))) == ()


# ------------------------------------------------------------------------------------- programs listen


def test_a_program_that_does_not_listen_yet_is_told() -> None:
    """And what is there instead."""
    (found,) = not_listening(server(), HostView(sockets=(listening("127.0.0.1", 65432),)))
    assert str(found) == (
        "server: program echo: expected listening on tcp/203.0.113.80:65432, observed tcp/127.0.0.1:65432"
    )


def test_nothing_listens_is_said_in_words() -> None:
    """An empty list would tell nobody anything."""
    (found,) = not_listening(server(), HostView())
    assert found.observed == "no listening socket"


def test_a_program_that_listens_is_no_difference() -> None:
    """The declared endpoint is there, and a further one does no harm here."""
    seen = HostView(sockets=(listening("203.0.113.80", 65432), listening("0.0.0.0", 53, kind=Kind.UDP)))
    assert not_listening(server(), seen) == []


def endpoint(text: str) -> Endpoint:
    """An endpoint from protocol/address/port; `-` is no address."""
    protocol, address, port = text.split("/")
    return Endpoint(
        protocol=Protocol(protocol), address=None if address == "-" else ip_address(address), port=int(port)
    )


def test_a_listener_at_one_device_is_no_declared_endpoint() -> None:
    """Bound to 0.0.0.0, but at lo only: nobody else reaches it."""
    at_lo = replace(endpoint("tcp/0.0.0.0/80"), device="lo")
    assert not covers(at_lo, endpoint("tcp/0.0.0.0/80"))
    assert not covers(at_lo, endpoint("tcp/-/80"))


@pytest.mark.parametrize(
    ("listener", "declared", "expected"),
    [
        ("tcp/203.0.113.80/80", "tcp/203.0.113.80/80", True),
        ("tcp/203.0.113.80/80", "tcp/-/80", True),
        ("tcp/0.0.0.0/80", "tcp/-/80", True),
        ("tcp/::/80", "tcp/-/80", True),
        ("tcp/0.0.0.0/80", "tcp/203.0.113.80/80", False),
        ("tcp/127.0.0.1/80", "tcp/203.0.113.80/80", False),
        ("udp/203.0.113.80/80", "tcp/203.0.113.80/80", False),
        ("tcp/203.0.113.80/81", "tcp/-/80", False),
        ("tcp/::/80", "tcp/0.0.0.0/80", False),
    ],
)
def test_a_declared_endpoint_is_met_by_that_address_alone(listener: str, declared: str, expected: bool) -> None:
    """A wildcard listener is not the declared address; a declaration without an address takes any."""
    assert covers(endpoint(listener), endpoint(declared)) is expected


# ----------------------------------------------------------------------------------------- three views

CLIENT = ("192.168.1.100", 5555)
PEER = ("203.0.113.80", 65432)
OUTSIDE = ("203.0.113.1", 40930)


def flow(source: tuple[str, int], destination: tuple[str, int]) -> Flow:
    """One direction."""
    return Flow(
        source=ip_address(source[0]),
        source_port=source[1],
        destination=ip_address(destination[0]),
        destination_port=destination[1],
    )


def translated(protocol: str = "tcp", *, inside: tuple[str, int] = CLIENT, to: tuple[str, int] = PEER) -> Translation:
    """The gateway's entry for the client's connection."""
    return Translation(protocol=protocol, original=flow(inside, to), reply=flow(to, OUTSIDE))


def test_three_views_of_one_connection_agree() -> None:
    """The client's own address is the entry's inside, and what the peer saw is the entry's outside."""
    seen = three_views(connected(CLIENT, PEER), (translated(),), at(*OUTSIDE))
    assert seen == ThreeViews(
        client=at(*CLIENT), gateway_inside=at(*CLIENT), gateway_outside=at(*OUTSIDE), peer=at(*OUTSIDE)
    )
    assert seen.agree


@pytest.mark.parametrize("peer", [("203.0.113.1", 40931), ("203.0.113.2", 40930), CLIENT])
def test_another_peer_disagrees(peer: tuple[str, int]) -> None:
    """A peer that saw another port, another address, or the untranslated source is not of this connection."""
    seen = three_views(connected(CLIENT, PEER), (translated(),), at(*peer))
    assert seen is not None
    assert not seen.agree


def test_a_client_that_says_something_else_disagrees() -> None:
    """The client's view is a witness too: it must be the entry's inside."""
    seen = ThreeViews(
        client=at("192.168.1.101", 5555), gateway_inside=at(*CLIENT), gateway_outside=at(*OUTSIDE), peer=at(*OUTSIDE)
    )
    assert not seen.agree


@pytest.mark.parametrize(
    "entry",
    [
        translated(inside=("192.168.1.101", 5555)),
        translated(inside=("192.168.1.100", 5556)),
        translated(to=("203.0.113.80", 80)),
        translated(to=("203.0.113.99", 65432)),
        translated("udp"),
    ],
)
def test_no_entry_for_the_connection(entry: Translation) -> None:
    """An entry of another host, port, peer or protocol is none for this connection."""
    assert three_views(connected(CLIENT, PEER), (entry,), at(*OUTSIDE)) is None


def test_the_right_entry_is_found_among_others() -> None:
    """One host's two connections from one port to two servers have an entry each."""
    other = replace(translated(to=("203.0.113.99", 1)), reply=flow(("203.0.113.99", 1), ("203.0.113.1", 40001)))
    seen = three_views(connected(CLIENT, PEER), (other, translated()), at(*OUTSIDE))
    assert seen is not None
    assert seen.agree


def test_a_socket_without_a_peer_has_no_views() -> None:
    """A listening socket is no connection, so there is nothing to witness."""
    assert three_views(listening("192.168.1.100", 5555), (translated(),), at(*OUTSIDE)) is None
    assert three_views(listening(None, 5555), (translated(),), at(*OUTSIDE)) is None


def test_dual_stack_sockets_see_mapped_addresses() -> None:
    """An IPv6 socket that speaks IPv4 has ::ffff:a.b.c.d for a.b.c.d, on either side (RFC 4291 §2.5.5.2)."""
    client = connected((f"::ffff:{CLIENT[0]}", CLIENT[1]), (f"::ffff:{PEER[0]}", PEER[1]))
    seen = three_views(client, (translated(),), at(f"::ffff:{OUTSIDE[0]}", OUTSIDE[1]))
    assert seen is not None
    assert seen.agree


def test_the_declared_echo_endpoint_prints_as_in_a_lab_file() -> None:
    """A message names an endpoint the way a lab file does."""
    assert str(ECHO) == "tcp/203.0.113.80:65432"
