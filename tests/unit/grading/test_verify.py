"""What an exercise's own submissions say of its checks."""

from __future__ import annotations

import pytest

from lab.grading.exercise import Mistake
from lab.grading.record import Declared, State, Verdict
from lab.grading.verify import judged

A = Declared(id="a", title="A", points=2)
B = Declared(id="b", title="B", points=2, needs=("a",))
C = Declared(id="c", title="C", points=0, needs=("b",))
D = Declared(id="d", title="D", points=2)


def verdicts(text: str) -> tuple[Verdict, ...]:
    """`pfbe` are the states of a, b, c and d."""
    states = {"p": State.PASSED, "f": State.FAILED, "b": State.BLOCKED, "e": State.ERROR}
    return tuple(Verdict(check=check, state=states[one]) for check, one in zip((A, B, C, D), text, strict=True))


@pytest.mark.parametrize(
    ("part", "states", "fails"),
    [
        ("solution", "pppp", None),
        ("starter", "fbbf", None),
        ("starter", "ffpf", None),  # c brings nothing
        ("wrong/x", "pfbp", ("b",)),
        ("wrong/x", "fbbp", ("a",)),
        ("wrong/x", "fbbf", ("a", "d")),
    ],
)
def test_what_proves_the_checks(part: str, states: str, fails: tuple[str, ...] | None) -> None:
    """The solution passes all, the starter gets no points, a wrong answer fails what it names."""
    mistake = Mistake(name="x", fails=fails) if fails else None
    assert judged(part, verdicts(states), mistake) == []


@pytest.mark.parametrize(
    ("part", "states", "fails", "text"),
    [
        ("solution", "pppf", None, "d: expected PASSED, observed FAILED"),
        ("solution", "pbpp", None, "b: expected PASSED, observed BLOCKED"),
        ("solution", "pppe", None, "d is an ERROR"),
        ("starter", "fbbp", None, "d: expected no points for the starter, observed PASSED"),
        ("starter", "fbbe", None, "d is an ERROR"),
        ("wrong/x", "pppp", ("b",), "b: expected FAILED, observed PASSED"),
        ("wrong/x", "fbbp", ("b",), "b: expected FAILED, observed BLOCKED"),
        ("wrong/x", "pfbf", ("b",), "d: expected PASSED, observed FAILED"),
        ("wrong/x", "pppb", ("b",), "d: expected PASSED, observed BLOCKED"),
        ("wrong/x", "pfbe", ("b",), "d is an ERROR"),
    ],
)
def test_what_disproves_them(part: str, states: str, fails: tuple[str, ...] | None, text: str) -> None:
    """Anything else is a problem of the exercise, and says which."""
    mistake = Mistake(name="x", fails=fails) if fails else None
    assert any(text in one for one in judged(part, verdicts(states), mistake))
