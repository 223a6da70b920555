"""A record for GitHub Actions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.grading.record import Record, State
from lab.grading.reports import github, words
from tests.unit.grading.examples import (
    ALL_PASSED,
    COMPARED,
    EMPTY,
    FAILED,
    HOSTILE,
    HOSTILE_TEXT,
    RECORDS,
    SCORED,
    UNSCORED,
    altered,
)
from tests.unit.grading.test_reports_markdown import Read

ELEMENTS = {
    *("h2", "h3", "p", "strong", "span", "details", "summary", "pre", "code"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
EACH_RECORD = pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)


def read_command(line: str) -> tuple[str, dict[str, str], str]:
    """A command as GitHub's runner reads it: its name, its properties, and its data."""
    assert line.startswith("::")
    info, _, data = line[2:].partition("::")
    name, _, properties = info.partition(" ")
    pairs = dict(one.split("=", 1) for one in properties.split(",") if "=" in one)

    def plain(text: str, *codes: str) -> str:
        for code in codes:
            text = text.replace(code, chr(int(code[1:], 16)))
        return text

    values = {key: plain(value, "%0D", "%0A", "%3A", "%2C", "%25") for key, value in pairs.items()}
    return name, values, plain(data, "%0D", "%0A", "%25")


# ------------------------------------------------------------------------------------------- the summary


def test_a_summary_has_the_score_and_each_check() -> None:
    """A table first, then what is to be told of what has not passed, with what was seen."""
    text = github.summary(SCORED)
    read = Read(text)
    assert "A server that tells who asks: 2 of 10 points" in read.text
    assert read.elements.count("tr") == 1 + len(SCORED.verdicts)
    assert "0/3" in read.text
    assert read.elements.count("h3") == 3
    assert read.elements.count("details") == 1
    assert "expected   a listener that serves tcp 203.0.113.80:4711\n" in read.text


def test_a_summary_without_a_score_says_so() -> None:
    """And whose fault it is not; a record without checks has not passed."""
    assert "not the submission's fault" in Read(github.summary(UNSCORED)).text
    assert "no score" in github.summary(UNSCORED).splitlines()[0]
    assert "–/10" in github.summary(UNSCORED)
    assert "There is no score: nothing was checked." in github.summary(EMPTY)


@EACH_RECORD
def test_a_summary_is_made_of_our_elements_alone(record: Record) -> None:
    """Whatever a program printed, it is text: no link, no image, no element, and no attribute but ours."""
    read = Read(github.summary(record))
    assert set(read.elements) <= ELEMENTS
    assert set(read.attributes) <= {"class", "style"}
    assert read.elements.count("tr") == (1 + len(record.verdicts) if record.verdicts else 0)


def test_a_summary_shows_what_a_program_printed() -> None:
    """As it is, line by line, in a block."""
    text = Read(github.summary(HOSTILE)).text
    assert "[link](http://a.example/) ![image](//b)" in text
    assert "           ::set-output name=score::10\n           ```\n" in text


@pytest.mark.parametrize("room", [github.MOST_BYTES, 20_000, 3_000, 100])
def test_a_summary_is_never_too_large(room: int) -> None:
    """GitHub throws away all of one that is; what is left out is counted."""
    long = "\n".join(["é" * 1000] * 50)
    flood = [replace(FAILED, observed=HOSTILE_TEXT * 10, expected=long)] * 40
    text = github.summary(replace(SCORED, verdicts=tuple(flood)), room=room)
    assert len(text.encode()) <= room
    assert bool(text) == (room > 100)
    assert not text or "parts are left out" in text
    assert set(Read(text).elements) <= {*ELEMENTS, "em"}


def test_a_long_text_leaves_room_for_the_rest() -> None:
    """2 MB of one check do not hide the others."""
    text = github.summary(altered(SCORED, observed=HOSTILE_TEXT * 400))
    assert "left out" not in text
    assert "more lines)" in text
    assert COMPARED.expected in text


# --------------------------------------------------------------------------------------- the annotations


def test_an_annotation_for_each_check_that_has_failed() -> None:
    """An error with its title, and what was expected and observed; what is blocked has its cause among them."""
    first, second = map(read_command, github.commands(SCORED))
    assert first == (
        "error",
        {"title": "0/3 It is reached from every network."},
        "listeners on server: expected a listener that serves tcp 203.0.113.80:4711, "
        "observed a listener at tcp 127.0.0.1:4711",
    )
    assert second[1] == {"title": "0/4 Each client is told its own address, as the server sees it."}
    assert github.commands(ALL_PASSED) == []


def test_a_fault_of_ours_is_a_warning() -> None:
    """It is not the submission's; so is a record in which nothing was checked."""
    assert [read_command(one)[0] for one in github.commands(UNSCORED)] == ["warning"]
    (name, _, message) = read_command(*github.commands(EMPTY))
    assert (name, message) == ("warning", "There is no score: nothing was checked.")


@pytest.mark.parametrize(("failed", "told", "last"), [(9, 9, "listeners on"), (10, 10, "1 more"), (40, 10, "31 more")])
def test_annotations_are_no_more_than_github_shows(failed: int, told: int, last: str) -> None:
    """It drops the eleventh of a kind without a word."""
    found = github.commands(replace(SCORED, verdicts=(FAILED,) * failed))
    assert len(found) == told
    assert read_command(found[-1])[2].startswith(last)


@pytest.mark.parametrize("state", [State.FAILED, State.ERROR])
def test_an_annotation_cannot_be_broken_out_of(state: State) -> None:
    """It is one line, one command with one property, and its texts are read as they were."""
    verdict = replace(HOSTILE.verdicts[1], state=state, reason="", what="a%0A::error::b\r\n::stop-commands::c,d=e")
    (line,) = github.commands(replace(HOSTILE, verdicts=(verdict,)))
    assert line.isprintable()
    assert len(line) < 5000
    _, properties, data = read_command(line)
    assert set(properties) == {"title"}
    assert properties["title"].startswith(f"{words.points(verdict)} </script></pre><b>")
    assert data.startswith("a%0A::error::b ::stop-commands::c,d=e: expected ")
