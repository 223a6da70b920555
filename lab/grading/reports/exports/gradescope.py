"""A record as Gradescope's `results.json`. Pure.

Source: Gradescope, "Autograder Specifications", output format. A result without a score is none in it, so a record
without one has no result: without the file Gradescope says that the autograder failed, and whoever runs it can start
it again.
"""

from __future__ import annotations

from lab.grading.record import Record, State, Verdict
from lab.grading.reports import plain, words
from lab.grading.reports.data import Json

TEXT = "text"
"""Not HTML, not Markdown, not ANSI: what a program printed is shown as it is."""
VISIBLE = "visible"


def gradescope(record: Record) -> Json | None:
    """The result, or None if the record has no score.

    Each test has its points; there is no score above them, which would hide what they add up to. All of it is visible
    to the student, because one hidden test hides the sum.
    """
    if record.score is None:
        return None
    return {
        "execution_time": round(record.seconds, 3),
        "output": f"{words.score(record)}: {words.counts(record)}",
        "output_format": TEXT,
        "visibility": VISIBLE,
        "tests": [_test(one) for one in record.verdicts],
        "extra_data": {
            "exercise": plain.short(record.exercise),
            "variant": plain.short(record.variant),
            "state": record.state.value,
        },
    }


def _test(verdict: Verdict) -> Json:
    return {
        "name": plain.short(f"{verdict.check.id}: {verdict.check.title}"),
        "name_format": TEXT,
        "score": verdict.points,
        "max_score": verdict.check.points,
        "status": "passed" if verdict.state is State.PASSED else "failed",
        "output": plain.output(verdict),
        "output_format": TEXT,
        "visibility": VISIBLE,
        "extra_data": {"state": verdict.state.value, "layer": verdict.layer.value if verdict.layer else None},
    }
