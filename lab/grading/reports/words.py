"""What every report of a record says in the same words. Pure."""

from __future__ import annotations

from typing import NamedTuple

from lab.grading.record import Record, State, Verdict
from lab.text import lines

COUNTED = {
    State.PASSED: "passed",
    State.FAILED: "failed",
    State.BLOCKED: "blocked",
    State.ERROR: "not carried out",
}
NO_CHECKS = "There is no score: nothing was checked."
NOT_CARRIED_OUT = (
    "There is no score: not every check could be carried out, which is not the submission's fault. Check it again; "
    "if it happens again, the fault is the lab's or the exercise's."
)
LONGEST = 300
MOST_LINES, MOST_CHARACTERS = 40, 1000
"""What of a text is shown where there is little room; the other reports have all of it."""


class Detail(NamedTuple):
    """One thing that is to be told of a verdict, maybe in several lines."""

    name: str
    text: str


def number_of(count: int, what: str) -> str:
    """`1 point`, `2 points`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def score(record: Record) -> str:
    """`7 of 10 points`."""
    if record.score is None:
        return "no score"
    return f"{record.score} of {number_of(record.most, 'point')}"


def counts(record: Record) -> str:
    """`3 passed, 1 failed`: how many checks ended in each state."""
    counted = [f"{record.count(state)} {word}" for state, word in COUNTED.items() if record.count(state)]
    return ", ".join(counted) or "no checks"


def why_no_score(record: Record) -> str:
    """Whose fault it is not that there is no score; "" if there is one."""
    if record.score is not None:
        return ""
    return NOT_CARRIED_OUT if record.verdicts else NO_CHECKS


def points(verdict: Verdict) -> str:
    """`2/2`: what a check has brought, of what it may bring; `–/2` if that cannot be said."""
    got = "–" if verdict.state is State.ERROR else verdict.points
    return f"{got}/{verdict.check.points}"


def details(verdict: Verdict) -> list[Detail]:
    """What is to be told of a check that has not passed, in the order in which one wants to know it."""
    if verdict.state is State.PASSED:
        return []
    found = [
        Detail("reason", verdict.reason),
        Detail("layer", verdict.layer.value if verdict.layer else ""),
        Detail("looked at", verdict.what),
        Detail("expected", verdict.expected),
        Detail("observed", verdict.observed),
        Detail("hint", verdict.hint),
    ]
    return [one for one in found if one.text.strip()]


def sentence(verdict: Verdict) -> str:
    """A verdict in a line: why it cannot be given, or what was expected and observed."""
    if verdict.reason:
        return _short(verdict.reason)
    parts = [
        f"{name} {_short(text)}"
        for name, text in (("expected", verdict.expected), ("observed", verdict.observed))
        if text
    ]
    return ": ".join(one for one in (_short(verdict.what), ", ".join(parts)) if one) or verdict.state.value


def block(text: str) -> list[str]:
    """A text's printable lines, without empty ones around them."""
    found = [line.rstrip() for line in lines(text)]
    while len(found) > 1 and not found[0]:
        del found[0]
    while len(found) > 1 and not found[-1]:
        del found[-1]
    return found


def bounded(text: str) -> list[str]:
    """So many of a text's printable lines, and of each line so much, that the rest of a report is found after them."""
    found = block(text)
    left = len(found) - MOST_LINES
    shown = [
        line if len(line) <= MOST_CHARACTERS else f"{line[:MOST_CHARACTERS]} … ({len(line)} characters in this line)"
        for line in found[:MOST_LINES]
    ]
    return [*shown, f"… ({left} more lines)"] if left > 0 else shown


def _short(text: str) -> str:
    found = " ".join(" ".join(lines(text)).split())
    # textwrap.shorten would leave nothing of a long word.
    return found if len(found) <= LONGEST else f"{found[: LONGEST - 2]} …"
