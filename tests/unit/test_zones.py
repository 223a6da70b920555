"""Lines of master files: records or a fault, never anything else. What messages say is in labfiles/bad/record-*."""

from __future__ import annotations

import dns.rdata
import dns.zone
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.model import Record
from lab.zones import SHAPES, RecordError, circles, conflicts, record

ZONE = "example.com."


def read(line: str, zone: str = ZONE) -> str:
    """A line's record as text."""
    return str(record(line, zone=zone, ttl=60))


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("www A 192.0.2.80", "www.example.com. 60 IN A 192.0.2.80"),
        ("www 5 A 192.0.2.80", "www.example.com. 5 IN A 192.0.2.80"),
        ("www IN A 192.0.2.80", "www.example.com. 60 IN A 192.0.2.80"),
        ("www 5 IN A 192.0.2.80", "www.example.com. 5 IN A 192.0.2.80"),
        ("www in 5 a 192.0.2.80", "www.example.com. 5 IN A 192.0.2.80"),
        ("www 0 A 192.0.2.80", "www.example.com. 0 IN A 192.0.2.80"),
        ("  www \t A   192.0.2.80  ; said so", "www.example.com. 60 IN A 192.0.2.80"),
        ("WWW.Example.COM. A 192.0.2.80", "www.example.com. 60 IN A 192.0.2.80"),
        ("@ MX 10 mail", "example.com. 60 IN MX 10 mail.example.com."),
        ("*  AAAA 2001:DB8:0::80", "*.example.com. 60 IN AAAA 2001:db8::80"),
        ("alias CNAME WWW.Example.Org.", "alias.example.com. 60 IN CNAME www.example.org."),
        ("a.b CNAME @", "a.b.example.com. 60 IN CNAME example.com."),
        ("www CNAME www.example.com.example.com.", "www.example.com. 60 IN CNAME www.example.com.example.com."),
        ("in A 192.0.2.80", "in.example.com. 60 IN A 192.0.2.80"),
        ("5 A 192.0.2.80", "5.example.com. 60 IN A 192.0.2.80"),
        ('text TXT "; no comment" x', 'text.example.com. 60 IN TXT "; no comment" "x"'),
    ],
)
def test_a_line_gives_its_record(line: str, text: str) -> None:
    """Names are completed with the zone, and those that own in lower case; TTL and class come in either order."""
    assert read(line) == text


@pytest.mark.parametrize("line", ["com NS ns.example.com.", "com. NS ns.com", "ns.example.com A 192.0.2.2"])
def test_in_the_root_zone_every_name_is_whole(line: str) -> None:
    """There is nothing that a dot at the end could leave out."""
    assert ".. " not in read(line, ".")


def test_there_is_an_example_of_each_type() -> None:
    """What a message gives as an example is right."""
    for kind, shape in SHAPES.items():
        _, comma, example = shape.partition(", such as ")
        if comma:
            assert read(f"x {kind} {example.partition(' or ')[0]}")


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=80), st.sampled_from([ZONE, "."]))
def test_any_line_is_a_record_or_a_fault(line: str, zone: str) -> None:
    """No text of an author makes a traceback, and no record leaves its line or its zone."""
    check(line, zone)


@given(
    st.sampled_from(["www", "@", "*", "$INCLUDE", "a\\.b", "ä"]),
    st.sampled_from(sorted(SHAPES)),
    st.text('abx019.:;/"\\()@$ -_ä', max_size=30),
)
def test_any_rdata_is_a_record_or_a_fault(name: str, kind: str, text: str) -> None:
    """Nor does what follows a type."""
    check(f"{name} {kind} {text}", ZONE)


def check(line: str, zone: str) -> None:
    """What a server would read is that one record."""
    try:
        found = record(line, zone=zone, ttl=60)
    except RecordError:
        return
    assert "\n" not in str(found)
    again = dns.zone.from_text(f"{found}\n", origin=zone, relativize=False, check_origin=False)
    ((name, _, rdata),) = list(again.iterate_rdatas())
    assert name.to_text() == found.name
    assert rdata.to_text().lower() == found.data.lower()


def a(name: str, kind: str = "A", data: str = "192.0.2.80", ttl: int = 60) -> Record:
    """A record."""
    return Record(name=f"{name}.{ZONE}" if name else ZONE, ttl=ttl, type=kind, data=data)


def faults(*records: Record, servers: tuple[str, ...] = ()) -> list[int]:
    """Which of the records are at fault."""
    return [number for number, _ in conflicts(ZONE, enumerate(records), servers)]


def test_records_that_can_be_together() -> None:
    """Several of one type, and several types, of one name."""
    assert (
        faults(a("www"), a("www", data="192.0.2.81"), a("www", "AAAA", "2001:db8::1", ttl=5), a("", "MX", "1 x.")) == []
    )


def test_nothing_is_beside_an_alias() -> None:
    """In either order, and no second alias."""
    alias = a("www", "CNAME", "x.")
    assert faults(alias, a("www")) == [1]
    assert faults(a("www"), alias) == [1]
    assert faults(alias, a("www", "CNAME", "y.")) == [1]
    assert faults(alias, a("other")) == []


def test_neither_the_zone_nor_its_server_is_an_alias() -> None:
    """What is made for the author stands there."""
    assert faults(a("", "CNAME", "x.")) == [0]
    assert faults(a("ns", "CNAME", "x."), servers=(f"ns.{ZONE}",)) == [0]


def test_each_record_once_and_with_one_ttl() -> None:
    """Of one name and type."""
    assert faults(a("www"), a("www")) == [1]
    assert faults(a("www"), a("www", data="192.0.2.81", ttl=61)) == [1]


def test_circles_are_found_once_each() -> None:
    """From whichever name one comes to it."""
    assert list(circles({"a": "b", "b": "c", "c": "b", "x": "y", "s": "s"})) == [("b", "c"), ("s",)]
    assert list(circles({"a": "b", "b": "c"})) == []


def test_long_chains_of_aliases_are_read_in_no_time() -> None:
    """Each alias is followed once, whatever their number."""
    chain = {str(number): str(number + 1) for number in range(2000)}
    assert list(circles(dict(reversed(chain.items())))) == []
    assert len(next(circles({**chain, "2000": "0"}))) == 2001
