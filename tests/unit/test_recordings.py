"""Which points a capture has, and how much it keeps."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import pytest

from lab.errors import UsageError
from lab.model import Lab, Network
from lab.observe.frames import HEADER
from lab.recordings import Capture, capture_points
from lab.wiring import CapturePoint, Recorded
from lab.wiring.fabric import Fabric
from tests.unit.examples import small_lab


def test_points_are_hosts_and_networks() -> None:
    """By their names; with what they are before it if one wants; none twice."""
    lab = small_lab()
    network = lab.networks[0].name
    found = capture_points(lab, ["alice", network, "host:alice"])
    assert found == {"alice": CapturePoint(name="alice"), network: CapturePoint(name=network, is_network=True)}


def test_one_name_of_two_things() -> None:
    """Must be said with what it is."""
    lab = small_lab()
    lab = dataclasses.replace(lab, networks=(*lab.networks, Network(name="alice", subnets=())))
    with pytest.raises(UsageError, match="host:alice or network:alice"):
        capture_points(lab, ["alice"])
    assert capture_points(lab, ["network:alice", "host:alice"]) == {
        "network:alice": CapturePoint(name="alice", is_network=True),
        "host:alice": CapturePoint(name="alice"),
    }


@pytest.mark.parametrize("names", [[], ["alcie"], ["host:home"], ["network:alice"], "alice"])
def test_what_is_no_point(names: list[str]) -> None:
    """Nothing, a name that there is not, one of the other kind, and a text."""
    with pytest.raises(UsageError):
        capture_points(small_lab(), names)


class Silent:
    """A connection that nobody uses. Satisfies fabric.Stream."""

    def send(self, data: bytes) -> None:
        """See Stream."""

    def receive(self, *, patient: bool = False) -> bytes:
        """See Stream."""
        del patient
        return b""

    def close(self) -> None:
        """See Stream."""


class Recorder(Fabric):
    """A wiring that records one frame of 60 bytes whenever it is asked."""

    def __init__(self) -> None:
        super().__init__(Silent())

    def capture(self, lab: Lab, points: Iterable[CapturePoint], *, limit: int) -> int:
        """See Wiring."""
        del lab, points, limit
        return 1

    def recorded(self, recording: int, *, at: int, drain: bool = False) -> Recorded:
        """See Wiring."""
        del recording
        data = HEADER.pack(at, 0, 0, 60, 60) + bytes(60) if drain else b""
        return Recorded(data=data, end=at + len(data), complete=1 << 62, interfaces=((0, "eth0"),))

    def stop_recording(self, recording: int) -> None:
        """See Wiring."""

    def forget_recording(self, recording: int) -> None:
        """See Wiring."""


def test_what_is_kept_here_has_the_limit_too() -> None:
    """However often it is read: the first packets are kept, and the others are told of as dropped."""
    with Capture(Recorder(), small_lab(), ["alice"], instance="x", limit=3 * (HEADER.size + 60)) as capture:
        for number in range(1, 6):
            assert len(capture.so_far()) == min(3, number)
        assert capture.dropped == 2


def test_who_takes_what_is_new_is_never_full() -> None:
    """What was given is kept no longer."""
    with Capture(Recorder(), small_lab(), ["alice"], instance="x", limit=HEADER.size + 60) as capture:
        assert [len(capture.new()) for _ in range(5)] == [1] * 5
        assert capture.dropped == 0


def test_the_number_of_packets_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small ones too are no more than we can hold; the others are told of as dropped."""
    monkeypatch.setattr("lab.recordings.MOST_PACKETS", 2)
    with Capture(Recorder(), small_lab(), ["alice"], instance="x") as capture:
        for _ in range(5):
            capture.so_far()
        assert (len(capture.packets), capture.dropped) == (2, 3)
        assert len(capture.new()) == 2
        assert len(capture.new()) == 1
