"""Packets -> questions and answers."""

from __future__ import annotations

import struct
from time import process_time

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.observe.dns import Query, Undecodable, messages, queries
from lab.observe.packets import Packet
from tests.unit.frames import ALICE, SERVER, in_ip, seen, tcp, udp, udp_datagram


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


def record(kind: int, data: bytes, name: bytes = b"\0", ttl: int = 0) -> bytes:
    """A resource record as it is sent."""
    return name + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def with_records(*records: bytes, flags: int = 0x0100) -> bytes:
    """A message with a question for www.example., and additional records as they are."""
    return struct.pack("!HHHHHH", 7, flags, 1, 0, 0, len(records)) + question().to_wire()[12:] + b"".join(records)


def over_tcp(*data: bytes, start: int = 1) -> list[Packet]:
    """Messages, or other bytes, each as a segment of one connection."""
    places = [start + sum(map(len, data[:index])) for index in range(len(data))]
    return [tcp("ACK", at, 1, part, ports=(5555, 53)) for at, part in zip(places, data, strict=True)]


def framed(data: bytes) -> bytes:
    """With its length before it."""
    return len(data).to_bytes(2, "big") + data


@pytest.mark.parametrize(
    ("records", "unreadable"),
    [
        ([record(41, struct.pack("!HH", 12, 400) + bytes(400))], ""),
        ([record(41, struct.pack("!HH3s", 8, 3, b"\0\x63\xff"))], ""),
        ([record(41, struct.pack("!HHB", 15, 1, 0))], ""),
        ([record(250, b"no signature")], ""),
        ([record(1, b"abc"), record(1, b"abcd")], "a record's data: FormError"),
        ([record(1, b"abcd")[:-1]], "additional record 1 of 1: FormError"),
        ([record(1, b"abcd", name=b"\xff\xff")], "additional record 1 of 1: BadPointer"),
        ([b"\1"], "additional record 1 of 1: "),
    ],
)
def test_a_question_is_told_whatever_comes_with_it(records: list[bytes], unreadable: str) -> None:
    """Servers answer such; an option (RFC 6891) or a record that cannot be read hides no question."""
    (found,) = messages([udp(with_records(*records))])
    assert isinstance(found, Query)
    assert (found.name, found.type, found.id) == ("www.example.", "A", 7)
    assert found.unreadable.startswith(unreadable)
    assert bool(found.unreadable) is bool(unreadable)
    (asked,) = queries([udp(question().to_wire()), udp(with_records(*records, flags=0x8400), back=True)])
    assert asked.answer is not None
    assert asked.unreadable == found.unreadable


def test_records_that_are_not_told_in_words_are_told_as_bytes() -> None:
    """As RFC 3597 §5 writes them; the other records are as ever."""
    (found,) = messages([udp(with_records(record(1, b"abc"), record(1, b"abcd"), flags=0x8400), back=True)])
    assert isinstance(found, Query)
    assert found.answer is not None
    assert [one.text for one in found.answer.additional] == ["\\# 3 616263", "97.98.99.100"]


def test_a_code_of_more_bits_is_told() -> None:
    """BADVERS lies in both the header and the OPT record (RFC 6891 §6.1.3)."""
    (found,) = messages([udp(with_records(record(41, b"", ttl=1 << 24), flags=0x8400), back=True)])
    assert isinstance(found, Query)
    assert found.answer is not None
    assert found.answer.rcode == "BADVERS"


@pytest.mark.parametrize("name", [b"\1a" * 126 + b"\0", b"\x3f" + b"\xff" * 63 + b"\0"])
def test_a_large_message_takes_no_time(name: bytes) -> None:
    """Thousands of records that point at one long name; how many there were is told."""
    one = record(2, b"\xc0\x0c", name=b"\xc0\x0c")
    count = 60_000 // len(one)
    data = struct.pack("!HHHHHH", 7, 0x8400, 1, count, 0, 0) + name + b"\0\2\0\1" + one * count
    begun = process_time()
    (found,) = messages(over_tcp(framed(data)))
    assert process_time() - begun < 1
    assert isinstance(found, Query)
    told = "of the records' data the first 8192 bytes are told in words"
    assert found.unreadable == f"{told}; of {count} records the first 256 are read"


def test_names_in_words_are_bounded() -> None:
    """Two bytes that point to a long name (RFC 1035 §4.1.4) count as what they are told with."""
    name = b"\1a" * 120 + b"\0"
    one = record(5, b"\xc0\x0c", name=b"\xc0\x0c")
    data = struct.pack("!HHHHHH", 7, 0x8400, 1, 250, 0, 0) + name + b"\0\5\0\1" + one * 250
    (found,) = messages(over_tcp(framed(data)))
    assert isinstance(found, Query)
    assert found.answer is not None
    told = [one.text for one in found.answer.records if not one.text.startswith("\\#")]
    assert 0 < len("".join(told)) <= 8192 + 255


def test_data_in_words_are_bounded() -> None:
    """A list of types (RFC 4034 §4.1.2) is much longer in words than in bytes."""
    types = b"".join(bytes([window, 32]) + b"\xff" * 32 for window in range(200))
    begun = process_time()
    (found,) = messages(over_tcp(framed(with_records(*[record(47, b"\0" + types)] * 8, flags=0x8400))))
    assert process_time() - begun < 1
    assert isinstance(found, Query)
    assert found.answer is not None
    assert [one.text[:4] for one in found.answer.additional] == [". TY", *["\\# 6"] * 7]
    assert found.unreadable == "of the records' data the first 8192 bytes are told in words"


def test_a_question_in_fragments_is_told() -> None:
    """One with much padding (RFC 7830) comes in two; if the second was not seen, that is told."""
    data = with_records(record(41, struct.pack("!HH", 12, 1600) + bytes(1600)))
    body = udp_datagram(5555, 53, data)
    first = seen(in_ip(ALICE, SERVER, 17, body[:1480], mf=1, id=7))
    second = seen(in_ip(ALICE, SERVER, 17, body[1480:], offset=185, id=7))
    assert [one.name for one in queries([first, second])] == ["www.example."]
    (lost,) = messages([first])
    assert isinstance(lost, Undecodable)
    assert lost.reason == "not all fragments of a packet were seen"


def test_a_connection_is_read_as_long_as_it_is() -> None:
    """Beyond 1 MiB too: what was read is not held."""
    long = framed(with_records(record(41, struct.pack("!HH", 12, 60_000) + bytes(60_000))))
    found = messages(over_tcp(*[long] * 30, framed(question(number=8).to_wire())))
    assert [one.id for one in found if isinstance(one, Query)] == [7] * 30 + [8]


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        ([bytes(1460)] * 300, "error: unpack_from requires a buffer"),
        ([framed(b"nonsense")], "error: unpack_from requires a buffer"),
        ([b"\0"], "the end of a message over TCP was not seen"),
    ],
)
def test_what_a_connection_holds_that_is_no_message_is_told_once(after: list[bytes], reason: str) -> None:
    """Nothing is read behind it, and that is said."""
    asked, *rest = messages(over_tcp(framed(question().to_wire()), *after))
    assert isinstance(asked, Query)
    (told,) = rest
    assert isinstance(told, Undecodable)
    assert told.reason.startswith(reason)
    assert told.reason.endswith("is not read") or after == [b"\0"]


@pytest.mark.parametrize("places", [[2_000_000], range(1000, 1200, 2), [60]])
def test_what_a_connection_lacks_is_told(places: list[int]) -> None:
    """Segments far ahead, too many that wait for one before them, or one that still waits at the end."""
    begin = over_tcp(framed(question().to_wire()))
    first, *rest = messages([*begin, *(tcp("ACK", at, 1, b"x", ports=(5555, 53)) for at in places)])
    assert isinstance(first, Query)
    (told,) = rest
    assert isinstance(told, Undecodable)
    assert "not seen" in told.reason


def test_data_with_a_syn_begin_behind_it() -> None:
    """TCP Fast Open (RFC 7413)."""
    assert len(queries([tcp("SYN", 9, 0, framed(question().to_wire()), ports=(5555, 53))])) == 1


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
