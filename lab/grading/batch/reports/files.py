"""A batch's reports as files in the folder of its results."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path

from lab.grading import reports as each
from lab.grading.batch.journal import unwritable
from lab.grading.batch.reports.data import as_json, page_file, record_file
from lab.grading.batch.reports.grades import csv
from lab.grading.batch.reports.overview import html
from lab.grading.batch.results import Batch, Result
from lab.grading.reports.ci import Suites

RESULTS, GRADES, JUNIT, OVERVIEW = "results.json", "grades.csv", "junit.xml", "index.html"


def write(folder: Path, batch: Batch, whole: Iterable[Result]) -> tuple[str, ...]:
    """Write everything: of each submission its record and page, of all of them the rest; what was written of all.

    `whole` gives each result with its evidence, one at a time. Raises LabError.
    """
    when = time.time()
    suites = Suites(batch.title)
    for result in whole:
        _write(folder, record_file(result.id), _json(each.as_json(result.record)))
        _write(folder, page_file(result.id), each.html(result.record, when=when))
        suites.add(result.record, name=result.id)
    content = {
        RESULTS: _json(as_json(batch)),
        GRADES: csv(batch),
        JUNIT: suites.xml(),
        OVERVIEW: html(batch, when=when),
    }
    for name, text in content.items():
        _write(folder, name, text)
    return tuple(content)


def _json(value: object) -> str:
    return json.dumps(value, indent=1) + "\n"


def _write(folder: Path, name: str, text: str) -> None:
    """All of a file or nothing: whoever reads it meanwhile finds the one before."""
    path = folder / name
    beside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(exist_ok=True)
        # A lone surrogate is nothing that can be encoded.
        beside.write_text(text, encoding="utf-8", errors="replace", newline="")
        beside.replace(path)
    except OSError as error:
        raise unwritable(path, error, out=folder) from error
