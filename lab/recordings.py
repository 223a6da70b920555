"""What is recorded of a running instance while something happens in it: packets, and events of a gateway.

    with instance.capture(["alice", "home"]) as capture:
        instance.run("alice", [...])
    capture.packets

A recording has begun when the `with` does: nothing later is missed. It ends with the block, with the instance's
connection, and with `lab down`; a reset of hosts does not end it. Over one connection a foreground program and a
look at a recording come one after the other.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.errors import LabError, UsageError
from lab.model import Lab
from lab.observe.conntrack import Event, events
from lab.observe.frames import HEADER, Frames
from lab.observe.packets import Packet
from lab.text import suggestion
from lab.wiring import CapturePoint, Recorded, Wiring

LIMIT = 64 * 1024 * 1024
"""bytes of a capture that are kept, once where it is recorded and once here; beyond it frames are counted as dropped"""
MOST_PACKETS = 300_000
"""of a capture that are kept here: of small frames each is some hundred bytes of ours"""
LATE = 10_000_000
"""nanoseconds between the moment that is noted of a frame and that at which it can be read, at most"""
PREFIXES = {"host:": False, "network:": True}


def capture_points(lab: Lab, names: Iterable[str]) -> dict[str, CapturePoint]:
    """The points of names of hosts and networks, by what Packet.point will call them. None is there twice.

    `host:NAME` or `network:NAME` where a lab has both of a name. Raises UsageError, naming those there are.
    """
    if isinstance(names, str):
        raise UsageError(f"expected a list of points, found the text {names!r}", hint=f"[{names!r}] is one")
    found = dict(_point(lab, name) for name in names)
    if not found:
        raise UsageError("expected at least one host or network to capture at, found none")
    return found


def _point(lab: Lab, given: str) -> tuple[str, CapturePoint]:
    prefix = next((one for one in PREFIXES if given.startswith(one)), "")
    name = given.removeprefix(prefix)
    hosts, networks = [one.name for one in lab.hosts], [one.name for one in lab.networks]
    kinds = [
        is_network
        for is_network, there in ((False, hosts), (True, networks))
        if name in there and PREFIXES.get(prefix, is_network) is is_network
    ]
    if not kinds:
        otherwise = f"hosts: {', '.join(hosts)}; networks: {', '.join(networks)}"
        hint = suggestion(name, [one for one in (*hosts, *networks) if one != name], otherwise=otherwise)
        raise UsageError(f"expected a host or a network of the lab, found {given!r}", hint=hint)
    if len(kinds) > 1:
        raise UsageError(
            f"expected one thing named {name}, found a host and a network", hint=f"say host:{name} or network:{name}"
        )
    both = name in hosts and name in networks
    return given if both else name, CapturePoint(name=name, is_network=kinds[0])


class _Recording:
    """A recording, read piece by piece."""

    def __init__(self, wiring: Wiring, lab: Lab) -> None:
        self._wiring = wiring
        self._lab = lab
        self._number: int | None = None
        self._at = 0

    def _begin(self) -> int:
        raise NotImplementedError

    def _take(self, piece: Recorded) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._number = self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # After a failure of the block what was recorded may still tell why; but that failure is what is raised.
        with contextlib.suppress(*([LabError] if error is not None else [])):
            self.stop()

    def stop(self) -> None:
        """Record nothing more. The block's end does it too."""
        if self._number is None:
            return
        number = self._number
        self._wiring.stop_recording(number)
        self._read(drain=False)
        self._number = None
        self._wiring.forget_recording(number)

    def _read(self, *, drain: bool) -> None:
        if self._number is None:
            return
        piece = self._wiring.recorded(self._number, at=self._at, drain=drain)
        end = piece.end  # more may come for as long as it is read
        while True:
            self._at += len(piece.data)
            self._take(piece)
            if self._at >= end:
                return
            piece = self._wiring.recorded(self._number, at=self._at)


class Capture(_Recording):
    """Packets of some points of an instance."""

    def __init__(self, wiring: Wiring, lab: Lab, points: Iterable[str], *, instance: str, limit: int = LIMIT) -> None:
        super().__init__(wiring, lab)
        self.instance = instance
        self.points = capture_points(lab, points)
        self.dropped = 0
        """frames that were seen and could not be kept; what is missing then may have happened all the same"""
        self._limit = limit
        self._frames = Frames()
        self._packets: list[Packet] = []
        self._complete = 0
        self._kept = 0
        self._unkept = 0

    def _begin(self) -> int:
        return self._wiring.capture(self._lab, self.points.values(), limit=self._limit)

    def _take(self, piece: Recorded) -> None:
        names = list(self.points)
        networks = {name for name, one in self.points.items() if one.is_network}
        interfaces = [
            (names[index], self.points[names[index]].name if names[index] in networks else device)
            for index, device in piece.interfaces
        ]
        for one in self._frames.take(piece.data, interfaces, most=MOST_PACKETS - len(self._packets)):
            if self._kept + _size(one) <= self._limit:
                self._kept += _size(one)
                self._packets.append(one)
            else:
                self._unkept += 1
        self.dropped = piece.lost + self._unkept + self._frames.passed_over
        self._complete = piece.complete

    @property
    def packets(self) -> tuple[Packet, ...]:
        """What was read so far, in the order of time; everything, once the capture has ended."""
        # Of each point they come in order, but of several points one may be read before another.
        return tuple(sorted(self._packets, key=lambda one: one.time))

    def so_far(self) -> tuple[Packet, ...]:
        """Everything that was seen before this call, in the order of time. The capture goes on."""
        self._read(drain=True)
        return self.packets

    def new(self) -> tuple[Packet, ...]:
        """What no earlier call of `new` gave, so that all of it together is in the order of time.

        Therefore, as long as the capture goes on, the last LATE nanoseconds are held back. `packets` has none of what
        was given.
        """
        self._read(drain=True)
        until = self._complete - LATE if self._number is not None else math.inf
        found = sorted((one for one in self._packets if one.time <= until), key=lambda one: one.time)
        self._packets = [one for one in self._packets if one.time > until]
        self._kept -= sum(map(_size, found))
        return tuple(found)

    def pcapng(self) -> bytes:
        """`packets` as a file for Wireshark; see lab/pcapng.py."""
        from lab.pcapng import pcapng

        return pcapng(self.packets, self._lab, instance=self.instance, dropped=self.dropped)

    def write(self, path: str | Path) -> None:
        """Write `pcapng` into a file."""
        Path(path).write_bytes(self.pcapng())


def _size(one: Packet) -> int:
    """What a packet counts against the limit, here as there."""
    return HEADER.size + len(one.frame)


class Events(_Recording):
    """What the connection tracking of a gateway did."""

    def __init__(self, wiring: Wiring, lab: Lab, gateway: str) -> None:
        super().__init__(wiring, lab)
        self.gateway = gateway
        self.lost = False
        """whether there were more events than could be kept"""
        self._text = bytearray()
        self._entries: list[Event] = []

    def _begin(self) -> int:
        return self._wiring.events(self.gateway)

    def _take(self, piece: Recorded) -> None:
        whole, end, rest = (self._text + piece.data).rpartition(b"\n")
        self._text = bytearray(rest)
        self._entries += events((whole + end).decode(errors="replace"))
        self.lost = bool(piece.lost) or piece.overrun

    @property
    def entries(self) -> tuple[Event, ...]:
        """What was read so far, in order; everything, once the recording has ended."""
        return tuple(self._entries)

    def so_far(self) -> tuple[Event, ...]:
        """Every event before this call. The recording goes on."""
        self._read(drain=True)
        return self.entries

    def new(self) -> tuple[Event, ...]:
        """The events that no earlier call of `new` gave."""
        self._read(drain=True)
        found, self._entries = self._entries, []
        return tuple(found)
