"""The bytes of a DNS message (RFC 1035 §4.1) -> its names and records. Pure.

How much is read is bounded, whatever the bytes are, and one record that cannot be read costs no other.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

HEADER = struct.Struct("!HHHHHH")
QUESTION = struct.Struct("!HH")
RECORD = struct.Struct("!HHIH")
POINTER = 0xC0
"""the two bits of a name's compression (RFC 1035 §4.1.4)"""
MOST_RECORDS = 256
MOST_DATA = 8192
"""Of one message: records that are told, and bytes of their data that are told in words."""
MOST_TEXT = 1000
SECTIONS = ("answer", "authority", "additional")


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A resource record: `text` is its data as in a zone file (RFC 1035 §5.1; what is not told: RFC 3597 §5)."""

    name: str
    ttl: int
    type: str
    text: str


class Wire:
    """A message that is read from its question on."""

    def __init__(self, data: bytes) -> None:
        self.unreadable: list[str] = []
        """what was not read, in words"""
        self.more_rcode = 0
        """the upper bits of the RCODE (RFC 6891 §6.1.3)"""
        self._data = data
        self._at = HEADER.size
        self._names: dict[int, str] = {}
        self._told = 0
        self._is_cut = False

    def name(self) -> str:
        """The name that is next. Raises DNSException and IndexError."""
        at = self._at
        if self._data[at] >= POINTER:
            self._at += 2
            # To the same place many records may point.
            at = int.from_bytes(self._data[at : at + 2], "big") & 0x3FFF
            if at >= self._at - 2:
                raise dns.name.BadPointer
        known = self._names.get(at)
        if known is None or at == self._at:
            name, size = dns.name.from_wire(self._data, at)
            known = self._names[at] = name.to_text()
            self._at += size if at == self._at else 0
        return known

    def fields(self, form: struct.Struct) -> tuple[int, ...]:
        """The numbers that are next. Raises struct.error."""
        found = form.unpack_from(self._data, self._at)
        self._at += form.size
        return found

    def sections(self, counts: Sequence[int]) -> list[tuple[Record, ...]]:
        """The records of the three sections, of which the header says how many there are."""
        sections: list[list[Record]] = [[], [], []]
        places = ((index, number) for index, count in enumerate(counts) for number in range(count))
        for done, (index, number) in enumerate(places):
            if done == MOST_RECORDS:
                self.unreadable.append(f"of {sum(counts)} records the first {MOST_RECORDS} are read")
                break
            try:
                sections[index] += self._record()
            except (dns.exception.DNSException, struct.error, IndexError) as error:
                self.unreadable.append(f"{SECTIONS[index]} record {number + 1} of {counts[index]}: {_words(error)}")
                break
        return [tuple(one) for one in sections]

    def _record(self) -> list[Record]:
        name = self.name()
        kind, group, ttl, length = self.fields(RECORD)
        start = self._at
        self._at += length
        if self._at > len(self._data):
            raise dns.exception.FormError
        # These are about the message and not about a name (RFC 6891 §6.1.1, RFC 8945 §4).
        if kind == dns.rdatatype.OPT:
            self.more_rcode = ttl >> 24
        if kind in (dns.rdatatype.OPT, dns.rdatatype.TSIG):
            return []
        word = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(kind))
        return [Record(name=name, ttl=ttl, type=word, text=self._text(kind, group, start, length)[:MOST_TEXT])]

    def _text(self, kind: int, group: int, start: int, length: int) -> str:
        if self._told + length <= MOST_DATA:
            self._told += length
            try:
                words: str = dns.rdata.from_wire(*_numbers(group, kind), self._data, start, length).to_text()
                # Two bytes may point to a name of 255 (RFC 1035 §4.1.4), and take as long as that to be told.
                self._told += max(0, len(words) - length)
                return words
            # A record of a type that dnspython knows may fail in ways of its own.
            except (
                dns.exception.DNSException,
                ArithmeticError,
                AttributeError,
                LookupError,
                TypeError,
                ValueError,
            ) as e:
                self.unreadable.append(f"a record's data: {_words(e)}")
        elif not self._is_cut:
            self._is_cut = True
            self.unreadable.append(f"of the records' data the first {MOST_DATA} bytes are told in words")
        return f"\\# {length} {self._data[start : start + min(length, MOST_TEXT)].hex()}"


def _numbers(group: int, kind: int) -> tuple[dns.rdataclass.RdataClass, dns.rdatatype.RdataType]:
    return dns.rdataclass.RdataClass.make(group), dns.rdatatype.RdataType.make(kind)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
