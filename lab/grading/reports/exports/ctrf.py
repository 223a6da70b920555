"""Records as a CTRF report (Common Test Report Format). Pure.

Source: the CTRF specification, its working draft with `specVersion` 0.0.0. Times and durations are whole milliseconds
(§4.8); what has no field of its own is in `extra` (§4.6).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lab import __version__
from lab.grading.record import Record, State, Verdict
from lab.grading.reports import plain, words
from lab.grading.reports.data import Json

SPECIFICATION = "0.0.0"
TOOL = "socketlab"
STATUS = {
    State.PASSED: "passed",
    State.FAILED: "failed",
    State.BLOCKED: "skipped",
    # Neither passed nor failed: "outcomes that cannot be mapped".
    State.ERROR: "other",
}
STATUSES = ("passed", "failed", "skipped", "pending", "other")


def ctrf(records: Sequence[tuple[str, Record]]) -> Json:
    """One report of submissions, each with its name, "" if there is but one. Each check of each is a test.

    A check that could not be carried out is `other`, its points are null, and the report is not `healthy`: so is a
    record without checks, for which there is one test that says so.
    """
    tests = [test for name, record in records for test in _tests(name, record)]
    counted = Counter(test["status"] for test in tests)
    return {
        "reportFormat": "CTRF",
        "specVersion": SPECIFICATION,
        "generatedBy": TOOL,
        "results": {
            "tool": {"name": TOOL, "version": __version__},
            "summary": {
                "tests": len(tests),
                **{status: counted[status] for status in STATUSES},
                "start": min((_milliseconds(one.started) for _, one in records), default=0),
                "stop": max((_milliseconds(one.started + one.seconds) for _, one in records), default=0),
            },
            "tests": tests,
            "environment": {"healthy": all(one.score is not None for _, one in records)},
            "extra": {"submissions": [_submission(name, record) for name, record in records]},
        },
    }


def _submission(name: str, record: Record) -> Json:
    return {
        "submission": plain.short(name),
        "exercise": plain.short(record.exercise),
        "variant": plain.short(record.variant),
        "state": record.state.value,
        "score": record.score,
        "most": record.most,
    }


def _tests(name: str, record: Record) -> list[Json]:
    suite = [plain.short(part) for part in (name, record.exercise) if part] or [TOOL]
    if not record.verdicts:
        nothing = {"name": "checks", "status": STATUS[State.ERROR], "duration": 0, "message": words.NO_CHECKS}
        return [{**nothing, "suite": suite, "rawStatus": State.ERROR.value}]
    return [_test(one, suite) for one in record.verdicts]


def _test(verdict: Verdict, suite: list[str]) -> Json:
    passed, carried_out = verdict.state is State.PASSED, verdict.state is not State.ERROR
    found = {
        "name": plain.short(f"{verdict.check.id}: {verdict.check.title}"),
        "status": STATUS[verdict.state],
        "duration": _milliseconds(verdict.seconds),
        "suite": suite,
        "rawStatus": verdict.state.value,
        "extra": {
            "points": verdict.points if carried_out else None,
            "most": verdict.check.points,
            "layer": verdict.layer.value if verdict.layer else None,
            "seen": plain.seen(verdict),
        },
    }
    return found if passed else {**found, "message": words.sentence(verdict), "trace": "\n".join(plain.told(verdict))}


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
