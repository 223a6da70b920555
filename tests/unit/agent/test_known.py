"""What a tool told is told again as long as nothing has changed, and no longer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from known import Known


class Kernel:
    """States, one for each time that it is asked, and a tool that counts how often it runs."""

    def __init__(self, states: Iterable[bytes]) -> None:
        self.states = list(states)
        self.runs = 0

    def state(self) -> bytes:
        """The next state."""
        return self.states.pop(0)

    def tell(self) -> str:
        """A text that is another one each time."""
        self.runs += 1
        return f"text {self.runs}"


def told(kernel: Kernel, times: int, *, keep: bool = True) -> list[str]:
    """What is told, one time after the other."""
    known = Known()
    return [known.told("it", kernel.state, kernel.tell, keep=keep) for _ in range(times)]


def test_a_tool_runs_again_when_something_has_changed() -> None:
    """Before and after a run the state is asked for; then once each time, until it is another one."""
    assert told(Kernel([b"a", b"a", b"a", b"a", b"b", b"b", b"b"]), 5) == [
        *("text 1", "text 1", "text 1"),
        *("text 2", "text 2"),
    ]


def test_a_state_that_comes_back_is_not_known() -> None:
    """Only the last one is."""
    assert told(Kernel([b"a", b"a", b"b", b"b", b"a", b"a"]), 3) == ["text 1", "text 2", "text 3"]


def test_what_changes_while_a_tool_runs_is_not_kept() -> None:
    """It may have told of either state."""
    assert told(Kernel([b"a", b"b", b"a", b"a"]), 2) == ["text 1", "text 2"]


def test_nothing_is_kept_where_it_may_change_back() -> None:
    """Whoever asks says so."""
    assert told(Kernel([b"a", b"a"]), 2, keep=False) == ["text 1", "text 2"]


def test_a_state_that_cannot_be_asked_for_is_like_no_other() -> None:
    """The tool runs each time, and an OSError is nobody's business."""

    def refused() -> NoReturn:
        raise OSError("no such module")

    known, kernel = Known(), Kernel([])
    assert [known.told("it", refused, kernel.tell, keep=True) for _ in range(2)] == ["text 1", "text 2"]


def test_each_thing_is_known_by_itself() -> None:
    """Equal states of two hosts are not one."""
    known, kernel = Known(), Kernel([b"a"] * 4)
    assert [known.told(host, kernel.state, kernel.tell, keep=True) for host in ("alice", "bob")] == ["text 1", "text 2"]
