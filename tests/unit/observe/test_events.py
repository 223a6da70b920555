"""The recorded events of a gateway's connection tracking."""

from __future__ import annotations

import pytest

from lab.observe import EventKind, UnreadableError, events
from tests.unit.frames import DATA


def test_every_recorded_line_is_an_event() -> None:
    """A connection comes, changes and goes; its translation is the same all the time."""
    found = events((DATA / "conntrack_events.txt").read_text())
    assert len(found) == 12
    tcp = [one for one in found if one.translation.protocol == "tcp"]
    assert [(one.kind, one.translation.state) for one in tcp] == [
        (EventKind.NEW, "SYN_SENT"),
        (EventKind.UPDATE, "SYN_RECV"),
        (EventKind.UPDATE, "ESTABLISHED"),
        (EventKind.UPDATE, "FIN_WAIT"),
        (EventKind.UPDATE, "LAST_ACK"),
        (EventKind.UPDATE, "TIME_WAIT"),
        (EventKind.DESTROY, "TIME_WAIT"),
    ]
    assert len({(one.translation.inside, one.translation.outside, one.translation.peer) for one in tcp}) == 1
    assert tcp[0].translation.flags == ("UNREPLIED",)
    assert [one.time for one in found] == sorted(one.time for one in found)
    assert tcp[0].time % 1_000_000_000 == 14_659_000


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("tcp      6 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1", ""),
        (
            "tcp      6 CLOSE src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1",
            "CLOSE",
        ),
        ("udp      17 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1", ""),
    ],
)
def test_an_entry_whose_time_is_over_has_none_left(text: str, state: str) -> None:
    """conntrack(8) says nothing of it then."""
    (found,) = events(f"[1700000000.000001]\t[DESTROY] ipv4     2 {text}\n")
    assert (found.translation.seconds_left, found.translation.state) == (0, state)
    assert found.translation.source[1] == 1


@pytest.mark.parametrize(
    "line", ["nonsense", "[1.000000] [NEW] ipv4 2 tcp", "[NEW] ipv4     2 tcp      6 120 SYN_SENT"]
)
def test_an_event_that_is_not_understood_is_an_error(line: str) -> None:
    """Nothing is skipped silently."""
    with pytest.raises(UnreadableError):
        events(line)
