"""A batch's reports as files in the folder of its results."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from lab.grading import reports as each
from lab.grading.batch.journal import unwritable
from lab.grading.batch.reports.data import as_json, page_file, record_file
from lab.grading.batch.reports.grades import csv
from lab.grading.batch.reports.others import Others
from lab.grading.batch.reports.overview import html
from lab.grading.batch.results import Batch, Result
from lab.grading.formats import Format
from lab.grading.reports import dumped
from lab.grading.reports.ci import Suites

RESULTS, GRADES, JUNIT, OVERVIEW = "results.json", "grades.csv", "junit.xml", "index.html"


def write(folder: Path, batch: Batch, whole: Iterable[Result], others: Others) -> tuple[str, ...]:
    """Write everything: of each submission its record and page, of all of them the rest; what was written of all.

    `whole` gives each result with its evidence, one at a time. Raises LabError.
    """
    when = time.time()
    suites = Suites(batch.title)
    for result in whole:
        _write(folder, record_file(result.id), dumped(each.as_json(result.record)))
        _write(folder, page_file(result.id), each.html(result.record, when=when))
        suites.add(result.record, name=result.id)
        for name, text in others.of(result):
            _write(folder, name, text)
    content = {
        RESULTS: dumped(as_json(batch)),
        GRADES: csv(batch),
        JUNIT: suites.xml(),
        OVERVIEW: html(batch, when=when),
        **dict(others.of_all()),
    }
    for name, text in content.items():
        _write(folder, name, text)
    return tuple(content)


def formats(folder: Path) -> frozenset[Format]:
    """For which other systems there are results in a folder already."""
    return frozenset(one for one in Format if (folder / one).is_dir() or (folder / f"{one}.json").is_file())


def _write(folder: Path, name: str, text: str | None) -> None:
    """All of a file or nothing: whoever reads it meanwhile finds the one before. With None there is none."""
    path = folder / name
    beside = path.with_name(f".{path.name}.new")
    try:
        if text is None:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(exist_ok=True)
        # A lone surrogate is nothing that can be encoded.
        beside.write_text(text, encoding="utf-8", errors="replace", newline="")
        beside.replace(path)
    except OSError as error:
        raise unwritable(path, error, out=folder) from error
