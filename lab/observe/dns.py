"""Packets -> who asked whom what, and what was answered (RFC 1035). Pure.

Messages may be anything that a program can send. None raises an error, and how much is read of one is bounded. Nothing
is left out silently: what is no message, or cannot be put together, is an `Undecodable`, and of a message of which a
part could not be read, `Query.unreadable` says so.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import dns.exception
import dns.flags
import dns.rcode
import dns.rdatatype

from lab.model import Address
from lab.names import PORT as PORT
from lab.observe.packets import SEQUENCES, Flag, Packet, PacketKind
from lab.observe.reassembly import Fragments
from lab.observe.records import HEADER, QUESTION, Wire
from lab.observe.records import Record as Record
from lab.text import printable

LENGTH = 2
"""Over TCP each message has its length before it (RFC 1035 §4.2.2)."""
MOST_AHEAD = 1 << 20
MOST_EARLY = 64
"""bytes that a segment may be ahead of what came before it, and how many segments wait for such"""
MOST_TEXT = 1000


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
    unreadable: str = ""
    """what of the message, or of its answer, could not be read or was too much; the records are not all, then"""

    @property
    def seconds(self) -> float | None:
        """Until the answer was seen; None without one."""
        return None if self.answer is None else (self.answer.time - self.time) / 1e9


@dataclass(frozen=True, kw_only=True, slots=True)
class Undecodable:
    """What went to or from port 53 and is no message, or was not read; `reason` says which."""

    time: int
    point: str
    interface: str
    source: Address | None
    destination: Address | None
    reason: str


class Reader:
    """Takes packets one after the other, and gives the messages that are complete with each."""

    def __init__(self) -> None:
        self._fragments = Fragments()
        self._streams: dict[tuple[object, ...], _Stream] = {}

    def take(self, one: Packet) -> tuple[Query | Undecodable, ...]:
        """The messages; over UDP there is one in each packet, over TCP any number."""
        whole = self._fragments.take(one)
        found = [_undecodable(first, reason) for first, reason in self._fragments.given_up() if _concerns(first)]
        return (*found, *(self._messages(whole) if whole is not None and _concerns(whole) else ()))

    def end(self) -> tuple[Undecodable, ...]:
        """There are no more packets: what waits for more of them."""
        parts = [one for one in self._fragments.end() if _concerns(one[0])]
        cut = [one.cut for one in self._streams.values() if one.cut is not None]
        return (
            *(_undecodable(first, reason) for first, reason in parts),
            *(_undecodable(last, "the end of a message over TCP was not seen") for last in cut),
        )

    def _messages(self, one: Packet) -> Iterator[Query | Undecodable]:
        if one.kind is PacketKind.UDP:
            yield message(one, one.payload)
        if one.kind is not PacketKind.TCP:
            return
        key = (one.point, one.interface, *one.ends)
        if Flag.SYN in one.flags or key not in self._streams:
            self._streams[key] = _Stream(start=one.sequence + (Flag.SYN in one.flags))
        stream = self._streams[key]
        if stream.is_given_up:
            return
        try:
            for data in stream.take(one):
                read = message(one, data)
                if isinstance(read, Undecodable):
                    raise _SkippedError(read.reason)
                yield read
        except _SkippedError as error:
            stream.give_up()
            yield _undecodable(one, f"{error}; what follows in this direction of the connection is not read")


def _concerns(one: Packet) -> bool:
    return PORT in (one.source_port, one.destination_port) and one.source is not None and one.destination is not None


def _undecodable(packet: Packet, reason: str) -> Undecodable:
    return Undecodable(
        time=packet.time,
        point=packet.point,
        interface=packet.interface,
        source=packet.source,
        destination=packet.destination,
        reason=printable(reason)[:MOST_TEXT],
    )


def messages(packets: Iterable[Packet]) -> tuple[Query | Undecodable, ...]:
    """Every message to or from port 53, over UDP and TCP, in the order in which it was complete; then what never was.

    IP fragments are put together, and the segments of a TCP connection, of which each direction is read up to the first
    message that cannot be.
    """
    reader = Reader()
    found = [message for one in packets for message in reader.take(one)]
    return (*found, *reader.end())


def queries(packets: Iterable[Packet]) -> tuple[Query, ...]:
    """Every question in the order of its time, with its answer if that was seen.

    What is no message is left out here: a check that something was not asked looks at `messages` for Undecodable too.
    """
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
            unreadable = "; ".join(filter(None, (found[index].unreadable, one.unreadable)))
            found[index] = replace(found[index], answer=one.answer, unreadable=unreadable)
    return tuple(found)


def message(packet: Packet, data: bytes) -> Query | Undecodable:
    """The message in a packet's payload, or in what a TCP connection has carried up to it."""
    assert packet.source is not None
    assert packet.destination is not None
    wire = Wire(data)
    try:
        number, flags, questions, *counts = HEADER.unpack_from(data)
        if questions != 1:
            return _undecodable(packet, f"a message with {questions} questions")
        name = wire.name()
        kind, _ = wire.fields(QUESTION)
    except (dns.exception.DNSException, struct.error, IndexError) as error:
        return _undecodable(packet, f"{type(error).__name__}: {error}")
    sections = wire.sections(counts)
    is_answer = bool(flags & dns.flags.QR)
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
        type=dns.rdatatype.to_text(dns.rdatatype.RdataType.make(kind)),
        id=number,
        recursion_desired=bool(flags & dns.flags.RD),
        answer=_answer(packet.time, flags, wire.more_rcode << 4, sections) if is_answer else None,
        unreadable=printable("; ".join(wire.unreadable))[:MOST_TEXT],
    )


def _answer(time: int, flags: int, more: int, sections: list[tuple[Record, ...]]) -> Answer:
    records, authority, additional = sections
    return Answer(
        time=time,
        rcode=dns.rcode.to_text(dns.rcode.Rcode.make(more | flags & 0xF)),
        authoritative=bool(flags & dns.flags.AA),
        recursive=bool(flags & dns.flags.RA),
        truncated=bool(flags & dns.flags.TC),
        records=records,
        authority=authority,
        additional=additional,
    )


class _SkippedError(Exception):
    """Why a direction of a connection is read no further."""


@dataclass(kw_only=True, slots=True)
class _Stream:
    """One direction of a TCP connection, put together in the order of its sequence numbers."""

    start: int
    received: int = 0
    """bytes that came without a gap"""
    data: bytearray = field(default_factory=bytearray)
    """those of them that are no whole message yet: 64 KiB at most, and what came with the last segment"""
    early: dict[int, bytes] = field(default_factory=dict)
    last: Packet | None = None
    is_given_up: bool = False

    def take(self, one: Packet) -> Iterator[bytes]:
        """Add a segment; the messages that are complete with it. Raises _SkippedError."""
        sequence = one.sequence + (Flag.SYN in one.flags)
        ahead = (sequence - self.start - self.received + SEQUENCES // 2) % SEQUENCES - SEQUENCES // 2
        if not one.payload or ahead + len(one.payload) <= 0:
            return
        self.last = one
        place = self.received + ahead
        self.early[place] = max(one.payload, self.early.get(place, b""), key=len)
        if ahead > MOST_AHEAD or len(self.early) > MOST_EARLY:
            raise _SkippedError("a part of what TCP carried was not seen")
        while ready := [at for at in self.early if at <= self.received]:
            at = min(ready)
            new = self.early.pop(at)[self.received - at :]
            self.data += new
            self.received += len(new)
        while len(self.data) >= LENGTH:
            end = LENGTH + int.from_bytes(self.data[:LENGTH], "big")
            if len(self.data) < end:
                return
            whole = bytes(self.data[LENGTH:end])
            del self.data[:end]
            yield whole

    def give_up(self) -> None:
        """Hold nothing any more."""
        self.is_given_up = True
        self.data.clear()
        self.early.clear()

    @property
    def cut(self) -> Packet | None:
        """The last packet, if a message is not whole with it."""
        return self.last if self.data or self.early else None
