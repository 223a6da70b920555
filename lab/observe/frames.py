"""A recording's bytes -> Packets. Pure; the format is described in images/fabric/agent/recorder.py."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from lab.observe.packets import Packet, packet

HEADER = struct.Struct("<QHBII")
_OUTGOING = {0: False, 1: True}


class Frames:
    """Takes a recording piece by piece, wherever it was cut, and gives Packets."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self.passed_over = 0
        """frames of which no Packet was made"""

    def take(self, data: bytes, interfaces: Sequence[tuple[str, str]], *, most: float = math.inf) -> tuple[Packet, ...]:
        """The Packets that are whole with this piece, the first so many. `interfaces`: (point, interface) by number."""
        self._rest += data
        found: list[Packet] = []
        at = 0
        while len(self._rest) - at >= HEADER.size:
            time, number, direction, length, kept = HEADER.unpack_from(self._rest, at)
            end = at + HEADER.size + kept
            if len(self._rest) < end:
                break
            if len(found) >= most:
                self.passed_over += 1
                at = end
                continue
            frame = bytes(self._rest[at + HEADER.size : end])
            point, interface = interfaces[number]
            outgoing = _OUTGOING.get(direction)
            found.append(packet(frame, time=time, point=point, interface=interface, outgoing=outgoing, length=length))
            at = end
        del self._rest[:at]
        return tuple(found)
