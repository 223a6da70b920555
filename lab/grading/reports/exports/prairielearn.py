"""A record as PrairieLearn's `results.json`. Pure.

Source: PrairieLearn, "External grading", grading results.

A record without a score is `gradable: false`. That is what PrairieLearn says of a malformed submission, but all else
would be worse: a job without a result counts as 0 points there, and so does one that says that it failed. Not gradable
means no points won or lost and no attempt used, and the message says whose fault it is not.
"""

from __future__ import annotations

from collections.abc import Sequence

from lab.grading.record import Record, State, Verdict
from lab.grading.reports import plain, words
from lab.grading.reports.data import Json, dumped
from lab.text import cut

MOST_BYTES = 1_000_000
"""Of the file."""
MOST_CHARACTERS = (1_000_000, 20_000, 2_000, 200, 0)
"""Of the output of a test: the first of them with which the file is not too large."""


def prairielearn(record: Record) -> Json:
    """The result, whose JSON has at most 1 MB: what was seen is cut, each check's alike.

    Its score is from 0 to 1. Where there is nothing to be won, it is 1 if everything has passed.
    """
    if record.score is None:
        why = words.why_no_score(record)
        return {"gradable": False, "message": why, "format_errors": [why, *_not_carried_out(record)]}
    outputs = [plain.output(one) for one in record.verdicts]
    found: Json = {}
    for most in MOST_CHARACTERS:
        found = _scored(record, [cut(one, most) if most else "" for one in outputs])
        if len(dumped(found)) <= MOST_BYTES:
            break
    return found


def _not_carried_out(record: Record) -> list[str]:
    return [
        plain.short(f"{one.check.id}: {words.sentence(one)}") for one in record.verdicts if one.state is State.ERROR
    ]


def _scored(record: Record, outputs: Sequence[str]) -> Json:
    got = record.score or 0
    return {
        "gradable": True,
        "score": got / record.most if record.most else float(record.state is State.PASSED),
        "message": f"{words.score(record)}: {words.counts(record)}",
        "tests": [_test(one, output) for one, output in zip(record.verdicts, outputs, strict=True)],
    }


def _test(verdict: Verdict, output: str) -> Json:
    return {
        "name": plain.short(verdict.check.title),
        "description": plain.short(verdict.check.id),
        "points": verdict.points,
        "max_points": verdict.check.points,
        "message": "" if verdict.state is State.PASSED else f"{verdict.state.value}: {words.sentence(verdict)}",
        "output": output,
    }
