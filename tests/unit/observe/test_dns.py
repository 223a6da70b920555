"""Packets -> questions and answers."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.observe.dns import Query, Undecodable, messages, queries
from tests.unit.frames import ALICE, SERVER, tcp, udp


def question(name: str = "www.example.", kind: str = "A", number: int = 7) -> dns.message.Message:
    """A question with that id."""
    return dns.message.make_query(name, kind, id=number)


def answer(asked: dns.message.Message, *records: str, rcode: str = "NOERROR") -> bytes:
    """An authoritative answer; records as in a zone file."""
    made = dns.message.make_response(asked)
    made.flags |= dns.flags.AA
    made.set_rcode(dns.rcode.from_text(rcode))
    for record in records:
        name, ttl, kind, *text = record.split()
        made.answer.append(dns.rrset.from_text(name, int(ttl), "IN", kind, " ".join(text)))
    return made.to_wire()


def test_a_question_and_its_answer() -> None:
    """Who asked whom what, and every record with its time to live."""
    asked = question()
    data = answer(asked, "www.example. 60 CNAME web.example.", "web.example. 30 A 192.0.2.1")
    (found,) = queries([udp(asked.to_wire(), time=1_000), udp(data, back=True, time=2_001_000)])
    assert (str(found.asker), found.asker_port, str(found.server)) == (ALICE, 5555, SERVER)
    assert (found.name, found.type, found.id, found.protocol) == ("www.example.", "A", 7, "udp")
    assert found.answer is not None
    assert (found.answer.rcode, found.answer.authoritative, found.answer.recursive) == ("NOERROR", True, False)
    assert [(one.name, one.ttl, one.type, one.text) for one in found.answer.records] == [
        ("www.example.", 60, "CNAME", "web.example."),
        ("web.example.", 30, "A", "192.0.2.1"),
    ]
    assert found.seconds == pytest.approx(0.002)


@pytest.mark.parametrize(
    "other",
    [
        udp(answer(question(number=8)), back=True),
        udp(answer(question(name="other.example.")), back=True),
        udp(answer(question(kind="AAAA")), back=True),
        udp(answer(question()), back=True, ports=(5556, 53)),
        udp(answer(question())),
    ],
)
def test_an_answer_to_something_else_is_not_taken(other: object) -> None:
    """Id, name, type, port and direction must all be right."""
    (found,) = queries([udp(question().to_wire()), other])  # type: ignore[list-item]
    assert found.answer is None
    assert found.seconds is None


def test_a_question_that_is_sent_again_is_another_one() -> None:
    """The answer belongs to the last that waits; a second answer to the one before."""
    asked, data = question().to_wire(), answer(question(), rcode="NXDOMAIN")
    first, second = queries([udp(asked, time=1), udp(asked, time=2), udp(data, back=True, time=3)])
    assert first.answer is None
    assert second.answer is not None
    assert second.answer.rcode == "NXDOMAIN"
    both = queries([udp(asked, time=1), udp(asked, time=2), udp(data, back=True), udp(data, back=True)])
    assert all(one.answer for one in both)


def test_over_tcp_messages_are_put_together() -> None:
    """Two questions in three segments, one of them late and one sent twice."""
    one, two = question(number=1).to_wire(), question(name="b.example.", number=2).to_wire()
    stream = b"".join(len(data).to_bytes(2, "big") + data for data in (one, two))
    parts = [(0, stream[:20]), (20, stream[20:40]), (40, stream[40:])]
    segments = [tcp("SYN", 99, ports=(5555, 53))]
    segments += [
        tcp("ACK", 100 + at, 1, data, ports=(5555, 53)) for at, data in (parts[0], parts[2], parts[1], parts[1])
    ]
    reply = answer(question(number=1), "www.example. 60 A 192.0.2.1")
    segments += [tcp("ACK", 1, 1, len(reply).to_bytes(2, "big") + reply, back=True, ports=(5555, 53))]
    first, second = queries(segments)
    assert (first.name, first.protocol, second.name) == ("www.example.", "tcp", "b.example.")
    assert first.answer is not None
    assert second.answer is None


def test_what_is_no_message_is_told_as_such() -> None:
    """And is no question."""
    broken = [udp(b"\x00\x01nonsense"), udp(b""), udp(question().to_wire()[:15])]
    assert [type(one) for one in messages(broken)] == [Undecodable] * 3
    assert queries(broken) == ()
    assert messages([udp(b"nonsense", ports=(5555, 5353))]) == ()


@given(st.binary(max_size=200))
def test_no_message_raises(data: bytes) -> None:
    """Over UDP and over TCP, as question and as answer."""
    messages([udp(data), udp(data, back=True), tcp("ACK", 1, 1, data, ports=(5555, 53))])


@given(st.integers(0, 60), st.integers(0, 255))
def test_no_damage_to_a_real_message_raises(at: int, value: int) -> None:
    """Any byte of an answer may be anything: pointers that go round among them."""
    data = bytearray(answer(question(), "www.example. 60 A 192.0.2.1", "www.example. 60 TXT hello"))
    data[at % len(data)] = value
    assert all(isinstance(one, Query) for one in queries([udp(bytes(data)), udp(bytes(data), back=True)]))
