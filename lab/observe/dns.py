"""Packets -> who asked whom what, and what was answered (RFC 1035). Pure.

Messages may be anything that a program can send. None raises an error: what is no message is an `Undecodable`, and
how much is read of one is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from lab.model import Address
from lab.names import PORT as PORT
from lab.observe.packets import SEQUENCES, Flag, Packet, PacketKind
from lab.text import printable

LENGTH = 2
"""Over TCP each message has its length before it (RFC 1035 §4.2.2)."""
MOST_STREAM = 1 << 20
"""bytes of one direction of a TCP connection that are put together"""
MOST_EARLY = 64
"""segments that wait for one before them"""
MOST_RECORDS = 1000
MOST_TEXT = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A resource record: `text` is its data as in a zone file (RFC 1035 §5.1)."""

    name: str
    ttl: int
    type: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What came back. `rcode` as the RFCs name it: NOERROR, NXDOMAIN, SERVFAIL, REFUSED, …"""

    time: int
    rcode: str
    authoritative: bool
    """AA: the server is an authority for the name"""
    recursive: bool
    """RA: the server would ask others"""
    truncated: bool
    """TC: it did not fit; ask again over TCP"""
    records: tuple[Record, ...]
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """A question as seen at one interface, and its answer. One that is sent again is another Query.

    Of `queries`, the answer is the one that came to the same port with the same id, name and type; where several
    questions wait for it, the last one of them has it. Of `messages`, each message is a Query by itself: an answer
    says what it answers, and its time is the answer's.
    """

    time: int
    """nanoseconds since 1970, on the clock of Packet.time"""
    point: str
    interface: str
    protocol: str
    """udp or tcp"""
    asker: Address
    asker_port: int
    server: Address
    name: str
    """with the dot of the root at its end"""
    type: str
    id: int
    recursion_desired: bool
    answer: Answer | None = None

    @property
    def seconds(self) -> float | None:
        """Until the answer was seen; None without one."""
        return None if self.answer is None else (self.answer.time - self.time) / 1e9


@dataclass(frozen=True, kw_only=True, slots=True)
class Undecodable:
    """What went to or from port 53 and is no message."""

    time: int
    point: str
    interface: str
    source: Address | None
    destination: Address | None
    reason: str


class Reader:
    """Takes packets one after the other, and gives the messages that are complete with each."""

    def __init__(self) -> None:
        self._streams: dict[tuple[object, ...], _Stream] = {}

    def take(self, one: Packet) -> tuple[Query | Undecodable, ...]:
        """The messages; over UDP there is one in each packet, over TCP any number."""
        if PORT not in (one.source_port, one.destination_port) or one.source is None or one.destination is None:
            return ()
        if one.kind is PacketKind.UDP and not one.fragment:
            return (message(one, one.payload),)
        if one.kind is not PacketKind.TCP:
            return ()
        key = (one.point, one.interface, *one.ends)
        if Flag.SYN in one.flags or key not in self._streams:
            self._streams[key] = _Stream(start=one.sequence + (Flag.SYN in one.flags))
        return tuple(message(one, data) for data in self._streams[key].take(one))


def messages(packets: Iterable[Packet]) -> tuple[Query | Undecodable, ...]:
    """Every message to or from port 53, over UDP and TCP, in the order in which it was complete."""
    reader = Reader()
    return tuple(found for one in packets for found in reader.take(one))


def queries(packets: Iterable[Packet]) -> tuple[Query, ...]:
    """Every question in the order of its time, with its answer if that was seen. What is no message is left out."""
    found: list[Query] = []
    waiting: dict[tuple[object, ...], list[int]] = {}
    for one in messages(packets):
        if isinstance(one, Undecodable):
            continue
        key = (
            *(one.point, one.interface, one.protocol, one.asker, one.asker_port, one.server),
            *(one.id, one.name.lower(), one.type),
        )
        if one.answer is None:
            waiting.setdefault(key, []).append(len(found))
            found.append(one)
        elif waiting.get(key):
            index = waiting[key].pop()
            found[index] = replace(found[index], answer=one.answer)
    return tuple(found)


def message(packet: Packet, data: bytes) -> Query | Undecodable:
    """The message in a packet's payload, or in what a TCP connection has carried up to it."""
    assert packet.source is not None
    assert packet.destination is not None
    try:
        read = dns.message.from_wire(data, ignore_trailing=True, one_rr_per_rrset=True)
        (question,) = read.question
        name, kind = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
        is_answer = bool(read.flags & dns.flags.QR)
        answer = _answer(packet.time, read) if is_answer else None
    # A record of a type that dnspython knows may fail in ways of its own.
    except (dns.exception.DNSException, ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        return Undecodable(
            time=packet.time,
            point=packet.point,
            interface=packet.interface,
            source=packet.source,
            destination=packet.destination,
            reason=printable(f"{type(error).__name__}: {error}")[:MOST_TEXT],
        )
    asker, server = (packet.destination, packet.source) if is_answer else (packet.source, packet.destination)
    port = packet.destination_port if is_answer else packet.source_port
    return Query(
        time=packet.time,
        point=packet.point,
        interface=packet.interface,
        protocol=str(packet.kind),
        asker=asker,
        asker_port=port or 0,
        server=server,
        name=name,
        type=kind,
        id=read.id,
        recursion_desired=bool(read.flags & dns.flags.RD),
        answer=answer,
    )


def _answer(time: int, read: dns.message.Message) -> Answer:
    return Answer(
        time=time,
        rcode=dns.rcode.to_text(read.rcode()),
        authoritative=bool(read.flags & dns.flags.AA),
        recursive=bool(read.flags & dns.flags.RA),
        truncated=bool(read.flags & dns.flags.TC),
        records=_records(read.answer),
        authority=_records(read.authority),
        additional=_records(read.additional),
    )


def _records(section: Iterable[dns.rrset.RRset]) -> tuple[Record, ...]:
    found = [
        Record(
            name=group.name.to_text(),
            ttl=group.ttl,
            type=dns.rdatatype.to_text(group.rdtype),
            text=item.to_text()[:MOST_TEXT],
        )
        for group in section
        for item in group
    ]
    return tuple(found[:MOST_RECORDS])


@dataclass(kw_only=True, slots=True)
class _Stream:
    """One direction of a TCP connection, put together in the order of its sequence numbers."""

    start: int
    data: bytearray = field(default_factory=bytearray)
    read: int = 0
    """how much of it was handed out"""
    early: dict[int, bytes] = field(default_factory=dict)

    def take(self, one: Packet) -> Iterator[bytes]:
        """Add a segment; the messages that are complete with it."""
        place = (one.sequence - self.start + SEQUENCES // 2) % SEQUENCES - SEQUENCES // 2
        if not one.payload or not -MOST_STREAM < place < MOST_STREAM or len(self.data) > MOST_STREAM:
            return
        if len(self.early) < MOST_EARLY:
            self.early[place] = max(one.payload, self.early.get(place, b""), key=len)
        while ready := [at for at in self.early if at <= len(self.data)]:
            at = min(ready)
            self.data += self.early.pop(at)[len(self.data) - at :]
        while len(self.data) - self.read >= LENGTH:
            length = int.from_bytes(self.data[self.read : self.read + LENGTH], "big")
            end = self.read + LENGTH + length
            if len(self.data) < end:
                return
            yield bytes(self.data[self.read + LENGTH : end])
            self.read = end
