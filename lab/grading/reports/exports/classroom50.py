"""A record as Classroom 50's `result.json`, `classroom50/result/v1`. Pure.

Source: Classroom 50, "Advanced autograding", the `result.json` contract, and its `result-v1.schema.json`.

A record without a score has no result. Without the file, and at an exit status other than 0, Classroom 50's runner
writes a result of its own that says "error"; a result of 0 of 0 points without tests would be a success there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from lab.errors import UsageError
from lab.grading.record import Record, State, Verdict
from lab.grading.reports import plain, words
from lab.grading.reports.data import Json

SCHEMA = "classroom50/result/v1"
TYPES = ("individual", "group", "team")
TAG = "submit/"
VARIABLES = {
    "classroom": ("CLASSROOM",),
    "assignment": ("ASSIGNMENT",),
    # A shell may have a USERNAME of its own.
    "owner": ("OWNER", "USERNAME"),
    "assignment_type": ("ASSIGNMENT_TYPE", "MODE"),
    "submission": ("SUBMISSION_TAG",),
    "commit": ("COMMIT_URL",),
    "release": ("RELEASE_URL",),
    "review": ("REVIEW_URL",),
}
"""What each field is taken from: the first that is set of what Classroom 50's runner gives to an autograder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """Whose submission it is, and of what. The fields are those of the result."""

    classroom: str
    assignment: str
    owner: str
    assignment_type: str
    submission: str
    """the tag, `submit/…`"""
    commit: str
    release: str
    review: str
    """URLs"""


def submission(environment: Mapping[str, str]) -> Submission:
    """The submission that Classroom 50's runner asks about. Raises UsageError that names all that is missing."""
    found = {
        field: next((environment[name] for name in names if environment.get(name)), "")
        for field, names in VARIABLES.items()
    }
    missing = [" or ".join(VARIABLES[field]) for field, value in found.items() if not value]
    if missing:
        raise UsageError(
            f"expected the environment variables of Classroom 50's runner, found no {', '.join(missing)}",
            hint="call it from autograder.py, whose environment has them",
        )
    if found["assignment_type"] not in TYPES:
        raise UsageError(f"expected ASSIGNMENT_TYPE or MODE as {', '.join(TYPES)}, found {found['assignment_type']!r}")
    if not found["submission"].startswith(TAG):
        raise UsageError(f"expected a SUBMISSION_TAG that begins with {TAG}, found {found['submission']!r}")
    return Submission(**found)


def classroom50(record: Record, of: Submission) -> Json | None:
    """The result, or None if the record has no score.

    `datetime` is when it was checked: of when the commit was made, which belongs there, the record knows nothing.
    Classroom 50's runner replaces it.
    """
    if record.score is None:
        return None
    return {
        "schema": SCHEMA,
        **{field: plain.line(getattr(of, field)) for field in VARIABLES},
        "datetime": _time(record.started),
        "graded_at": _time(record.started + record.seconds),
        "score": record.score,
        "max-score": record.most,
        "tests": [_test(one) for one in record.verdicts],
    }


def _test(verdict: Verdict) -> Json:
    passed = verdict.state is State.PASSED
    return {
        "test-name": plain.short(f"{verdict.check.id}: {verdict.check.title}"),
        "passed": passed,
        "score": verdict.points,
        "max-score": verdict.check.points,
        # What follows is ours: further fields of a test are kept.
        "state": verdict.state.value,
        "layer": verdict.layer.value if verdict.layer else "",
        "message": "" if passed else words.sentence(verdict),
    }


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
