"""A finding as people and scripts see it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.table import Table

from lab import tables
from lab.doctor.facts import Failure, Feature
from lab.doctor.judgement import Finding, judge
from lab.doctor.report import MOST_WIDTH, as_json, summary, text
from tests.unit.doctor.examples import WELL, lacking, unreachable, without_container

FINDINGS = {
    "all is well": judge(WELL),
    "degraded": judge(lacking(Feature.NETEM, Feature.INGRESS, said="tc: Error: Specified qdisc kind is unknown.")),
    "no engine": judge(unreachable()),
    "no container": judge(without_container("a word\nwith\tcontrols \x1b[31m and no end " + "x" * 300)),
    "a failure": judge(replace(WELL, trial=Failure(message="expected\n| a\n| b", hint="", exit_code=5))),
}


def shown(finding: Finding, width: int) -> list[str]:
    """The lines as they are printed."""
    return [
        line
        for part in text(finding, width=width)
        for line in (tables.plain(part) if isinstance(part, Table) else part.splitlines())
    ]


@pytest.mark.parametrize("width", [60, 80, MOST_WIDTH])
@pytest.mark.parametrize("finding", FINDINGS.values(), ids=FINDINGS)
def test_it_fits_a_terminal(finding: Finding, width: int) -> None:
    """No line is longer, whatever was said, and none of it drives the terminal."""
    lines = shown(finding, width)
    assert max(map(len, lines)) <= width
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("finding", FINDINGS.values(), ids=FINDINGS)
def test_every_row_is_told_whole(finding: Finding) -> None:
    """With its state, and with what follows and what to do, in their order."""
    flat = " ".join(" ".join(shown(finding, MOST_WIDTH)).split())
    for row in finding.rows:
        assert f" {row.name} {row.state.value if row.state == 'ok' else row.state.value.upper()} " in flat
        for said in (row.follows, row.do):
            assert " ".join(said.split()) in flat


def test_what_is_not_well_can_be_seen_without_colours() -> None:
    """In capitals."""
    assert "DEGRADED" in " ".join(shown(FINDINGS["degraded"], MOST_WIDTH))
    assert not any(word in " ".join(shown(FINDINGS["all is well"], 80)) for word in ("DEGRADED", "MISSING", "UNTRIED"))


def test_a_sentence_says_what_it_comes_to() -> None:
    """Whether labs work, by which wiring, and what to look at."""
    assert summary(FINDINGS["all is well"]) == "labs work here, by the wiring fabric; nothing degraded"
    assert summary(FINDINGS["degraded"]) == "labs work here, by the wiring fabric; 2 degraded (ingress, netem)"
    assert summary(FINDINGS["no engine"]) == "labs do not work here: missing engine; nothing degraded"


@pytest.mark.parametrize("finding", FINDINGS.values(), ids=FINDINGS)
def test_data_has_the_keys_that_are_documented(finding: Finding) -> None:
    """Of the whole, and of each row."""
    told = as_json(finding)
    assert list(told) == ["works", "exit_status", "wiring", "rows"]
    assert {tuple(row) for row in told["rows"]} == {("row", "about", "state", "observed", "follows", "do")}
    assert {row["state"] for row in told["rows"]} <= {"ok", "degraded", "missing", "untried"}
    assert [row["row"] for row in told["rows"]] == [row.name for row in finding.rows]
    assert (told["exit_status"] == 0) is told["works"]
