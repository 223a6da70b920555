"""A batch as a table for a spreadsheet: CSV (RFC 4180). Pure."""

from __future__ import annotations

import csv as tables
import io

from lab.grading.batch.results import Batch, Result
from lab.grading.record import State

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What begins so is computed by spreadsheets, whoever wrote it."""


def csv(batch: Batch) -> str:
    """A row for each submission: id, state, score, of how many, the points of each check. What is not known is empty.

    Text that a spreadsheet would compute begins with an apostrophe.
    """
    target = io.StringIO()
    writer = tables.writer(target)
    writer.writerow(["id", "state", "score", "most", *(one.id for one in batch.checks), "variant", "attempts"])
    for result in batch.results:
        writer.writerow(_row(batch, result))
    return target.getvalue()


def _row(batch: Batch, result: Result) -> list[str]:
    record = result.record
    points = {one.check.id: "" if one.state is State.ERROR else str(one.points) for one in record.verdicts}
    return [
        _text(result.id),
        record.state.value,
        "" if record.score is None else str(record.score),
        str(batch.most),
        *(points.get(one.id, "") for one in batch.checks),
        record.variant,
        str(result.attempts),
    ]


def _text(of: str) -> str:
    return f"'{of}" if of.startswith(FORMULA) else of
