"""The record of a submission: its state and its score."""

from __future__ import annotations

import pytest

from lab.grading.record import Declared, Record, State, Verdict, ids

P, F, B, E = State.PASSED, State.FAILED, State.BLOCKED, State.ERROR


def record(*states: State) -> Record:
    """A record of checks that bring 1, 2, 3… points."""
    verdicts = tuple(
        Verdict(check=Declared(id=f"c{number}", title="", points=number), state=state)
        for number, state in enumerate(states, 1)
    )
    return Record(
        exercise="x", title="", variant="", values=(), files=(), ignored=(), verdicts=verdicts, started=0, seconds=0
    )


@pytest.mark.parametrize(
    ("states", "state", "score"),
    [
        ((P, P, P), P, 6),
        ((P, F, B), F, 1),
        ((F, P, P), F, 5),
        ((P, E, P), E, None),
        ((F, E, B), E, None),
        ((), E, None),
    ],
)
def test_an_error_is_never_scored(states: tuple[State, ...], state: State, score: int | None) -> None:
    """One check that could not be carried out leaves no score, and so does a record without checks."""
    found = record(*states)
    assert (found.state, found.score) == (state, score)


def test_what_there_is_to_count() -> None:
    """All points, checks by their state, and which they are."""
    found = record(P, F, B, F)
    assert (found.most, found.count(F), ids(found.verdicts, F)) == (10, 2, frozenset({"c2", "c4"}))
