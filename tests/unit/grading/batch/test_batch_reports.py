"""A batch as data, a table of grades, JUnit XML, a page, and text for a terminal."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from copy import deepcopy
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from jsonschema import Draft202012Validator, ValidationError
from rich.console import Console

from lab.errors import UsageError
from lab.grading import reports as each
from lab.grading.batch import reports
from lab.grading.batch.reports import files
from lab.grading.batch.reports.others import Others
from lab.grading.batch.results import Batch, Result
from lab.grading.formats import Format
from lab.grading.record import Declared, Record, State
from lab.grading.reports import exports
from lab.grading.reports.github import MOST_BYTES
from tests.unit.grading.examples import ALL_PASSED, HOSTILE, SCORED, UNSCORED

VALIDATOR = Draft202012Validator(
    json.loads(resources.files("lab.grading.batch.reports").joinpath("results.schema.json").read_text(encoding="utf-8"))
)
EVIL = "=cmd|' /C calc'!A0 <script>alert(1)</script> ::error::x"


def result(id_: str, record: Record, *, attempts: int = 1, replaced: tuple[str, ...] = ()) -> Result:
    """One of a batch."""
    return Result(id=id_, name=id_, record=record, attempts=attempts, replaced=replaced)


def checks(*records: Record) -> tuple[Declared, ...]:
    """Every check that there is in records."""
    return tuple({v.check.id: v.check for one in records for v in one.verdicts}.values())


RESULTS = (
    result(EVIL, HOSTILE),
    result("alice", SCORED),
    result("bob", ALL_PASSED, attempts=2, replaced=("not as it was",)),
    result("carol", UNSCORED, attempts=3),
)
BATCH = Batch(
    exercise="03-mirror",
    title="Mirror <b>",
    results=RESULTS,
    started=1_700_000_000.0,
    most=max(one.record.most for one in RESULTS),
    checks=checks(*(one.record for one in RESULTS)),
)
EMPTY = replace(BATCH, results=())


@pytest.mark.parametrize("batch", [BATCH, EMPTY, replace(BATCH, results=(RESULTS[3],))])
def test_data_is_as_its_schema_says(batch: Batch) -> None:
    """As a reader gets it."""
    VALIDATOR.validate(json.loads(json.dumps(reports.as_json(batch))))


@pytest.mark.parametrize("path", [("summary",), ("submissions", 0), ("checks", 0), ()])
def test_the_schema_refuses_more_and_less(path: tuple[str | int, ...]) -> None:
    """Each object has exactly the keys that are described."""
    for change in ("more", "less"):
        told = deepcopy(reports.as_json(BATCH))
        inner: Any = told
        for key in path:
            inner = inner[key]
        if change == "more":
            inner["unknown"] = 1
        else:
            inner.popitem()
        with pytest.raises(ValidationError):
            VALIDATOR.validate(told)


def test_data_counts() -> None:
    """Scores are of those that have one; each check is counted by state, and by where it broke."""
    told = reports.as_json(BATCH)
    assert told["summary"]["without_score"] == 1
    assert sum(told["summary"]["distribution"]) == 3
    assert told["summary"]["replaced"] == 1
    everywhere = next(one for one in told["checks"] if one["check"] == "everywhere")
    failed = [
        v for one in RESULTS for v in one.record.verdicts if v.check.id == "everywhere" and v.state is State.FAILED
    ]
    assert everywhere["failed"] == len(failed) > 0
    assert sum(everywhere["layers"].values()) == len([v for v in failed if v.layer])
    assert told["submissions"][3]["reason"]


def test_grades_are_a_table() -> None:
    """A row for each, and no score is no zero."""
    rows = list(csv.DictReader(io.StringIO(reports.csv(BATCH))))
    assert [one["score"] for one in rows[1:]] == [str(SCORED.score), str(ALL_PASSED.score), ""]
    assert [one["attempts"] for one in rows] == ["1", "1", "2", "3"]
    assert rows[1]["listens"] == "2"


@pytest.mark.parametrize("id_", ["=1+1", "+1", "-1", "@x", "\tx", "a,b", 'a"b', "a;b"])
def test_no_name_is_computed_by_a_spreadsheet(id_: str) -> None:
    """It is text, and one cell."""
    (row,) = csv.DictReader(io.StringIO(reports.csv(replace(BATCH, results=(result(id_, SCORED),)))))
    assert row["id"].removeprefix("'") == id_
    assert not re.match(r"[=+\-@\t\r]", row["id"])


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember it."""
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name == "href" and value]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        """Remember it."""
        self.text += data


def page(batch: Batch) -> _Page:
    """The page, read."""
    read = _Page()
    read.feed(reports.html(batch, when=1_700_000_100.0))
    return read


def test_the_page_shows_names_as_text() -> None:
    """Nothing in them is markup, and no script is on the page."""
    read = page(BATCH)
    assert "script" not in read.tags
    assert "<script>alert(1)</script>" in read.text
    assert "Mirror <b>" in read.text


def test_an_empty_page() -> None:
    """Nothing is divided by nothing."""
    assert "0 submissions" in page(EMPTY).text


def test_files_are_written_and_lead_to_each_other(tmp_path: Path) -> None:
    """Every link of the page and every path of the data is a file."""
    files.write(tmp_path, BATCH, RESULTS, Others((), {}))
    links = [unquote(one) for one in page(BATCH).links]
    assert len(links) == len(RESULTS)
    told = json.loads((tmp_path / files.RESULTS).read_text())
    paths = [one[key] for one in told["submissions"] for key in ("record", "page")]
    assert set(links) <= set(paths)
    assert all((tmp_path / one).is_file() for one in paths)
    record = json.loads((tmp_path / told["submissions"][1]["record"]).read_text())
    assert record == each.as_json(SCORED)
    there = {str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*") if one.is_file()}
    assert there == {files.RESULTS, files.GRADES, files.JUNIT, files.OVERVIEW, *paths}


def test_a_suite_for_each_submission(tmp_path: Path) -> None:
    """Under its id, with each of its checks."""
    files.write(tmp_path, BATCH, RESULTS, Others((), {}))
    root = ElementTree.parse(tmp_path / files.JUNIT).getroot()  # our own
    assert [one.get("name") for one in root] == [one.id for one in RESULTS]
    assert [len(one.findall("testcase")) for one in root] == [len(one.record.verdicts) for one in RESULTS]
    assert root[1][1].get("classname") == "alice"


ENVIRONMENT = {
    "CLASSROOM": "networks",
    "ASSIGNMENT": "who",
    "OWNER": "{id}",
    "ASSIGNMENT_TYPE": "individual",
    "SUBMISSION_TAG": "submit/{id}",
    "COMMIT_URL": "https://example.org/{id}/commit/1",
    "RELEASE_URL": "https://example.org/{id}/release",
    "REVIEW_URL": "https://example.org/{id}/review",
}


def test_results_for_other_systems(tmp_path: Path) -> None:
    """A file for each submission that has a score, as one alone would have; and one report of all."""
    files.write(tmp_path, BATCH, RESULTS, Others(tuple(Format), ENVIRONMENT))
    assert files.formats(tmp_path) == set(Format)
    read = {one.name: json.loads(one.read_text()) for one in (tmp_path / "gradescope").iterdir()}
    assert read["alice.json"] == exports.gradescope(SCORED)
    assert "carol.json" not in read
    owners = {one["owner"] for one in map(json.loads, (f.read_text() for f in (tmp_path / "classroom50").iterdir()))}
    assert {"alice", "bob"} <= owners
    carol = json.loads((tmp_path / "prairielearn" / "carol.json").read_text())
    assert carol["gradable"] is False
    ctrf = json.loads((tmp_path / "ctrf.json").read_text())
    assert [one["submission"] for one in ctrf["results"]["extra"]["submissions"]][1:] == ["alice", "bob", "carol"]


def test_a_result_that_is_none_any_more_goes(tmp_path: Path) -> None:
    """It would be taken for the one that there is not."""
    files.write(tmp_path, BATCH, RESULTS, Others([Format.GRADESCOPE], {}))
    assert (tmp_path / "gradescope" / "alice.json").is_file()
    files.write(tmp_path, BATCH, [result("alice", UNSCORED)], Others([Format.GRADESCOPE], {}))
    assert not (tmp_path / "gradescope" / "alice.json").exists()


def test_what_another_system_needs_is_asked_for_before_anything_is_graded() -> None:
    """All that is missing at once."""
    with pytest.raises(UsageError, match="CLASSROOM, ASSIGNMENT"):
        Others([Format.CLASSROOM50], {})


def test_a_job_on_github_is_told() -> None:
    """A row for each; a warning only where there is no score; no name is a command, markup, or more than a cell."""
    made = reports.summary(BATCH)
    rows = [line for line in made.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(BATCH.checks) + 2 + len(RESULTS)
    assert {line.count("|") for line in rows[: 2 + len(BATCH.checks)]} == {7}
    assert "<script>" not in made
    (warning,) = reports.commands(BATCH)
    assert warning.startswith("::warning title=carol has no score::")


def test_a_job_on_github_has_limits() -> None:
    """Of bytes, and of annotations."""
    many = replace(BATCH, results=tuple(result(f"s{number:05}", UNSCORED) for number in range(40_000)))
    made = reports.summary(many)
    assert len(made.encode()) <= MOST_BYTES
    assert "parts are left out" in made
    assert len(reports.commands(many)) == 10


def test_text_for_a_terminal() -> None:
    """Counts, the distribution, each check, and who has no score."""
    console = Console(width=200, file=io.StringIO(), color_system=None)
    with console.capture() as captured:
        for one in reports.text(BATCH):
            console.print(one)
    text = captured.get()
    assert "4 submissions, 1 with all points, 2 with fewer, 1 without a score, 1 instance replaced" in text
    assert "without a score, which is not their fault: carol" in text
    assert "\x1b" not in text
