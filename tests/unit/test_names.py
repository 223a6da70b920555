"""What zones come to: the records that are made, and what delegation reaches."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from lab import labfiles
from lab.model import Host, Lab, Record, Resolver, Zone
from lab.names import below, completed, delegated, root_hints, zone_file
from tests.unit.examples import alice, interface


def zone(name: str, *records: str, ttl: int = 60, negative_ttl: int = 5) -> Zone:
    """A zone with records such as `www.example. 5 A 192.0.2.80`."""
    parts = [line.split(maxsplit=3) for line in records]
    found = tuple(Record(name=name, ttl=int(seconds), type=kind, data=data) for name, seconds, kind, data in parts)
    return Zone(name=name, ttl=ttl, negative_ttl=negative_ttl, records=found)


def server(name: str, number: int, *zones: Zone) -> Host:
    """A host at 192.0.2.<number>."""
    return replace(alice(), name=name, interfaces=(interface("eth0", "lan", f"192.0.2.{number}/24"),), zones=zones)


def lab(*hosts: Host) -> Lab:
    """A lab of these hosts."""
    return Lab(name="lab", title="", networks=(), hosts=hosts)


def lines(lab: Lab, zone: Zone) -> list[str]:
    """A zone's records as text."""
    return [str(one) for one in completed(lab, zone)]


def test_a_zone_gets_its_soa_and_its_server() -> None:
    """The host's name below the zone's, with its addresses; the negative TTL is the SOA's, twice."""
    own = zone("example.", "www.example. 5 A 192.0.2.80", ttl=70, negative_ttl=7)
    assert lines(lab(server("ns", 1, own)), own) == [
        "example. 7 IN SOA ns.example. hostmaster.example. 1 3600 600 86400 7",
        "example. 70 IN NS ns.example.",
        "ns.example. 70 IN A 192.0.2.1",
        "www.example. 5 IN A 192.0.2.80",
    ]


def test_the_root_zone_has_no_second_dot() -> None:
    """Names below the root end with one dot."""
    assert (below("ns", "."), below("ns", "com.")) == ("ns.", "ns.com.")
    own = zone(".")
    assert lines(lab(server("root", 1, own)), own)[1:] == [". 60 IN NS root.", "root. 60 IN A 192.0.2.1"]


def test_declared_servers_stand_alone() -> None:
    """Whoever declares NS records of the zone itself declares all of them, and their addresses."""
    own = zone("example.", "example. 5 NS other.example.")
    assert [line.split()[3] for line in lines(lab(server("ns", 1, own)), own)] == ["SOA", "NS"]


def test_a_delegation_is_no_declared_server() -> None:
    """NS records of a name below belong to another zone."""
    own = zone("example.", "kid.example. 5 NS ns.kid.example.")
    assert "example. 60 IN NS ns.example." in lines(lab(server("ns", 1, own)), own)


def test_a_declared_address_of_the_server_stands() -> None:
    """A name server may be said to be elsewhere."""
    own = zone("example.", "ns.example. 5 A 192.0.2.99")
    assert [line for line in lines(lab(server("ns", 1, own)), own) if line.startswith("ns.")] == [
        "ns.example. 5 IN A 192.0.2.99"
    ]


def test_two_hosts_of_a_zone_name_each_other() -> None:
    """Both give the same servers and the same SOA, so it does not matter who is asked."""
    own = zone("example.")
    both = lab(server("one", 1, own), server("two", 2, own))
    assert [line for line in lines(both, own) if " NS " in line] == [
        "example. 60 IN NS one.example.",
        "example. 60 IN NS two.example.",
    ]
    assert lines(both, own)[0].split()[4] == "one.example."


def test_a_master_file_is_a_record_in_each_line() -> None:
    """Nothing in it is relative to an origin or a default."""
    own = zone("example.", 'www.example. 5 TXT "a b"')
    assert zone_file(lab(server("ns", 1, own)), own).endswith('www.example. 5 IN TXT "a b"\n')


COM = zone("com.", "example.com. 60 NS ns.example.com.", "ns.example.com. 60 A 192.0.2.3")
EXAMPLE = zone("example.com.")


@pytest.mark.parametrize(
    ("root", "found"),
    [
        (("com. 60 NS ns.com.", "ns.com. 60 A 192.0.2.2"), (".", "com.", "example.com.")),
        (("com. 60 NS ns.com.",), (".", "com.", "example.com.")),  # com's own zone says where ns.com is
        (("com. 60 NS ns.com.", "ns.com. 60 A 192.0.2.3"), (".", "com.", "example.com.")),
        (("com. 60 NS elsewhere.", "elsewhere. 60 A 192.0.2.3"), (".",)),
        (("com. 60 NS nobody.",), (".",)),
        (("com. 60 A 192.0.2.2",), (".",)),
        ((), (".",)),
    ],
)
def test_a_zone_is_reached_by_delegation(root: tuple[str, ...], found: tuple[str, ...]) -> None:
    """Its parent names a server that has an address of a host that serves it; what is below another is not reached."""
    hosts = server("root", 1, zone(".", *root)), server("ns", 2, COM), server("ns2", 3, EXAMPLE)
    assert delegated(lab(*hosts)) == found


def test_delegation_in_a_circle_ends() -> None:
    """Two zones that delegate to each other are each found once."""
    one = zone("a.", "b. 60 NS ns.a.", "a. 60 NS ns.a.", "ns.a. 60 A 192.0.2.1")
    two = zone("b.", "a. 60 NS ns.a.", "b. 60 NS ns.a.")
    root = zone(".", "a. 60 NS ns.a.")
    assert delegated(lab(server("ns", 1, root, one, two))) == (".", "a.", "b.")


def test_without_a_root_nothing_is_reached() -> None:
    """A resolver begins there."""
    assert delegated(lab(server("ns", 2, COM), server("ns2", 3, EXAMPLE))) == ()


def test_the_lab_of_names_is_whole() -> None:
    """Every zone of it is found from its root."""
    assert delegated(labfiles.load("names")) == (".", "com.", "example.com.")


def test_hints_name_each_root_once() -> None:
    """With the addresses that are given, of both families."""
    root = replace(server("root", 1), interfaces=(interface("eth0", "lan", "192.0.2.1/24", "2001:db8::1/64"),))
    addresses = tuple(map(ip_address, ("192.0.2.1", "2001:db8::1")))
    asking = replace(server("resolver", 53), resolver=Resolver(root=addresses))
    assert root_hints(lab(root, asking), asking).splitlines() == [
        ". 3600000 IN NS root.",
        "root. 3600000 IN A 192.0.2.1",
        "root. 3600000 IN AAAA 2001:db8::1",
    ]
