"""A batch as data. Pure. `results.schema.json` beside this file describes it, docs/grading.md explains it."""

from __future__ import annotations

import statistics
from typing import Any

from lab.grading.batch.entries import file_name
from lab.grading.batch.results import Batch, CheckCount, Result
from lab.grading.record import State

SUBMISSIONS = "submissions"
"""The folder of each submission's own reports."""
Json = dict[str, Any]


def as_json(batch: Batch) -> Json:
    """Everything of a batch but the evidence, which is in each submission's own record, for `json.dumps`."""
    scores = batch.scores
    return {
        "exercise": batch.exercise,
        "title": batch.title,
        "most": batch.most,
        "started": round(batch.started, 3),
        "summary": {
            "submissions": len(batch.results),
            "passed": batch.count(State.PASSED),
            "failed": batch.count(State.FAILED),
            "without_score": batch.count(State.ERROR),
            "mean": round(statistics.mean(scores), 2) if scores else None,
            "median": statistics.median(scores) if scores else None,
            "distribution": list(batch.distribution),
            "replaced": batch.replaced,
        },
        "checks": [_check(one) for one in batch.check_counts],
        "submissions": [_submission(one) for one in batch.results],
    }


def _check(count: CheckCount) -> Json:
    return {
        "check": count.check.id,
        "title": count.check.title,
        "most": count.check.points,
        **{state.value.lower(): count.states.get(state, 0) for state in State},
        "layers": dict(count.layers),
    }


def _submission(result: Result) -> Json:
    record = result.record
    return {
        "id": result.id,
        "name": result.name,
        "state": record.state.value,
        "score": record.score,
        "variant": record.variant,
        "checks": {one.check.id: one.state.value for one in record.verdicts},
        "reason": next((one.reason for one in record.verdicts if one.state is State.ERROR), ""),
        "attempts": result.attempts,
        "replaced": list(result.replaced),
        "seconds": record.seconds,
        "record": record_file(result.id),
        "page": page_file(result.id),
    }


def record_file(id_: str) -> str:
    """Where a submission's record is, from the folder of the results."""
    return f"{SUBMISSIONS}/{file_name(id_)}.json"


def page_file(id_: str) -> str:
    """Where its page is."""
    return f"{SUBMISSIONS}/{file_name(id_)}.html"
