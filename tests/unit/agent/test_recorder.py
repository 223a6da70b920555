"""A recording is bounded by what is unread; a reader that keeps up is never told that frames were dropped."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator

import follower
import pytest
import recorder
from namespaces import AgentError
from recordings import Recordings
from unread import Unread

RECORD = recorder.HEADER.size + 100
LIMIT = 10 * RECORD


@pytest.fixture
def recording() -> Iterator[recorder.Recording]:
    """One without sockets, whose thread runs; frames are put into it by hand."""
    made = recorder.Recording(sockets=[], unread=Unread(LIMIT))
    made.start()
    yield made
    made.stop()


def bring(recording: recorder.Recording, count: int) -> None:
    """Frames of 100 bytes that arrive at eth0."""
    for _ in range(count):
        recording._keep((0, "eth0"), time.time_ns(), socket.PACKET_HOST, 1, 100)


def test_a_reader_that_keeps_up_has_everything(recording: recorder.Recording) -> None:
    """Many times the limit in all; each time what was read makes room."""
    known = Recordings()
    number, at = known.add(recording), 0
    for _ in range(100):
        bring(recording, 5)
        data, state = known.read(number, at, drain=False)
        at += len(data)
        assert (len(data), state["end"], state["lost"]) == (LIMIT / 2, at, 0)


def test_beyond_the_limit_the_first_are_kept(recording: recorder.Recording) -> None:
    """The rest is counted, until half of it was read: then frames are kept again."""
    known = Recordings()
    number = known.add(recording)
    bring(recording, 13)
    data, state = known.read(number, 0, drain=False)
    assert (len(data), state["lost"]) == (LIMIT, 3)
    known.read(number, RECORD, drain=False)
    bring(recording, 1)
    assert recording.lost == 4
    known.read(number, 5 * RECORD, drain=False)
    bring(recording, 1)
    assert (recording.lost, recording.unread.end) == (4, LIMIT + RECORD)


def test_reading_goes_forward() -> None:
    """What was read is gone, and what has not come yet cannot be read."""
    unread = Unread(10)
    unread.add(b"abc", b"def")
    assert (unread.first(4), unread.end, unread.has_room(4), unread.has_room(5)) == (b"abcd", 6, True, False)
    unread.let_go(4)
    assert (unread.first(4), unread.end, unread.has_room(8)) == (b"ef", 6, True)
    for at in (3, 7):
        with pytest.raises(AgentError, match="from byte 4"):
            unread.let_go(at)


def test_events_are_kept_by_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that has no room is lost as a whole; what comes after it can be read."""
    pieces = [b"one\ntw", b"o\nthree\n", b"four\n"]

    def read(*_: int) -> bytes:
        if not pieces:
            raise BlockingIOError
        return pieces.pop(0)

    monkeypatch.setattr(os, "read", read)
    events = follower.Events(process=None, unread=Unread(10))  # type: ignore[arg-type]
    assert events._take(0)
    assert (bytes(events.unread.data), events.lost, events.rest) == (b"one\nfour\n", 10, b"")
