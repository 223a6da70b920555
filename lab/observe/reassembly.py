"""IP fragments -> the packets that they are parts of (RFC 791 §3.2, RFC 8200 §4.5). Pure.

As Linux does it: a part that is there already is passed over, parts that overlap otherwise cost the packet, and so
does a time of 30 seconds. What waits is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address

from lab.observe.packets import Packet, Part, joined, part

UNIT = 8
"""Offsets count these; every part but the last is a multiple of it."""
MOST_BYTES = 65535
MOST_WAITING = 128
MOST_TIME = 30_000_000_000
"""nanoseconds"""
INCOMPLETE = "not all fragments of a packet were seen"


@dataclass(kw_only=True, slots=True)
class _Waiting:
    """A packet of which parts are there."""

    time: int
    first: Packet | None = None
    protocol: int = 0
    """of the first part, which counts in IPv6"""
    data: bytearray = field(default_factory=bytearray)
    there: int = 0
    """a bit for each unit"""
    end: int | None = None

    def add(self, one: Packet, piece: Part) -> str:
        """Take a part; why that cannot be, or nothing."""
        end = piece.offset + len(piece.data)
        if not piece.data or end > MOST_BYTES or (piece.more and end % UNIT):
            return "a fragment has an impossible length"
        units = ((1 << -(-len(piece.data) // UNIT)) - 1) << (piece.offset // UNIT)
        if units & self.there == units:
            return ""
        # One beyond the end that was told, or another end, contradicts as well.
        is_beyond = self.end is not None and (end > self.end or not piece.more)
        if units & self.there or is_beyond or (not piece.more and len(self.data) > end):
            return "fragments overlap"
        self.there |= units
        self.data.extend(bytes(max(0, end - len(self.data))))
        self.data[piece.offset : end] = piece.data
        if not piece.more:
            self.end = end
        if not piece.offset:
            self.first, self.protocol = one, piece.protocol
        return ""

    @property
    def is_whole(self) -> bool:
        return self.end is not None and self.there == (1 << -(-self.end // UNIT)) - 1


class Fragments:
    """Takes packets one after the other, and gives those that are whole."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[object, ...], _Waiting] = {}
        self._given_up: list[tuple[Packet, str]] = []

    def take(self, one: Packet) -> Packet | None:
        """The packet itself if it is whole, or the one that it completes; None of a part that waits for others."""
        piece = part(one)
        if piece is None:
            return one
        # Only in IPv4 the protocol distinguishes packets (RFC 791 §2.3, RFC 8200 §4.5).
        protocol = piece.protocol if isinstance(one.source, IPv4Address) else None
        ends = (one.source, one.destination)
        key = (one.point, one.interface, one.outgoing, ends, piece.identification, protocol)
        waiting = self._waiting.get(key)
        if waiting is None or one.time - waiting.time > MOST_TIME:
            self._drop(key, INCOMPLETE)
            if len(self._waiting) >= MOST_WAITING:
                self._drop(next(iter(self._waiting)), INCOMPLETE)
            self._waiting[key] = waiting = _Waiting(time=one.time)
        trouble = waiting.add(one, piece)
        if trouble:
            if not piece.offset:
                waiting.first = one
            self._drop(key, trouble)
        if trouble or not waiting.is_whole:
            return None
        del self._waiting[key]
        return joined(one, waiting.protocol, bytes(waiting.data))

    def _drop(self, key: tuple[object, ...], reason: str) -> None:
        waiting = self._waiting.pop(key, None)
        if waiting is not None and waiting.first is not None:
            self._given_up.append((waiting.first, reason))

    def given_up(self) -> list[tuple[Packet, str]]:
        """Since the last call: of each packet that was given up, and whose first part was seen, that part, and why."""
        found, self._given_up = self._given_up, []
        return found

    def end(self) -> list[tuple[Packet, str]]:
        """The same of all that still wait: there are no more packets."""
        for key in list(self._waiting):
            self._drop(key, INCOMPLETE)
        return self.given_up()
