"""The recordings of an instance by number: each grows until it is stopped, and is read in pieces, forward.

What is recorded (frames, events of connection tracking) is known by recorder.py and follower.py.
"""

from __future__ import annotations

import threading
from typing import Protocol

from namespaces import AgentError
from unread import Unread

MOST_RECORDINGS = 16
"""In all of an instance: each keeps up to its limit of what is unread in this container's memory."""
PIECE = 512 * 1024
"""bytes of one answer"""


class Recording(Protocol):
    """Something that is being recorded."""

    unread: Unread
    """what was kept and not yet read"""

    def let_go(self, at: int) -> None:
        """Drop what comes before the byte `at`, which makes room for more."""

    def drain(self) -> None:
        """Return when everything that came before this call is in `unread`, or is counted as lost."""

    def stop(self) -> None:
        """The same, and record nothing more. What was recorded stays. May be called twice."""

    def state(self) -> dict[str, object]:
        """What a reader must know beside the data: {lost, ...}."""

    def inodes(self) -> set[int]:
        """The inodes of its sockets in hosts' namespaces."""


class Recordings:
    """All of them."""

    def __init__(self) -> None:
        self.known: dict[int, Recording] = {}
        self.lock = threading.Lock()
        self.last = 0

    def add(self, recording: Recording) -> int:
        """Number one that has begun. Raises AgentError if there are MOST_RECORDINGS."""
        with self.lock:
            if len(self.known) < MOST_RECORDINGS:
                self.last += 1
                self.known[self.last] = recording
                return self.last
        recording.stop()
        raise AgentError(f"expected at most {MOST_RECORDINGS} recordings of an instance at once, and so many there are")

    def get(self, number: int) -> Recording:
        """Raises AgentError if it was forgotten."""
        try:
            return self.known[number]
        except KeyError:
            raise AgentError(f"no recording {number}") from None

    def read(self, number: int, at: int, *, drain: bool) -> tuple[bytes, dict[str, object]]:
        """A piece from the byte `at` on, and the state with the `end` of what there is. What comes before is let go of.

        With `drain` everything that came before this call is there.
        """
        recording = self.get(number)
        recording.let_go(at)
        if drain:
            recording.drain()
        end = recording.unread.end
        return recording.unread.first(PIECE), {"end": end, **recording.state()}

    def forget(self, number: int) -> None:
        """Stop it, and let go of what it kept. One that is forgotten already is fine."""
        with self.lock:
            recording = self.known.pop(number, None)
        if recording is not None:
            recording.stop()

    def inodes(self) -> set[int]:
        """The inodes of the sockets of all of them."""
        with self.lock:
            return {inode for recording in self.known.values() for inode in recording.inodes()}
