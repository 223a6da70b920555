"""A record as JUnit XML, which GitLab, Jenkins and actions of GitHub show as test results. Pure.

There is no standard. What is written here keeps to the schema of Jenkins' xUnit plugin, the strictest in use: it allows
properties of a suite only. GitLab shows an element's text and not its attribute `message`, so both are given.
"""

from __future__ import annotations

from datetime import UTC, datetime

from junitparser import Error, Failure, Skipped, TestCase, xunit2
from junitparser.junitparser import FinalResult

from lab import tables
from lab.evidence import Table
from lab.grading.record import Record, State, Verdict
from lab.grading.reports import words
from lab.text import lines

WIDTH = 160
"""Of evidence, in columns."""
ATTACHMENT = "[[ATTACHMENT|"
"""GitLab and Jenkins take what follows it in an output for a file's name."""


def junit(record: Record) -> str:
    """The record as JUnit XML: a suite, in it a test case for each check. Without checks there is one that is an error.

    Characters that XML cannot hold (XML 1.0 §2.2), and all others that drive a terminal, are replaced by U+FFFD.
    """
    suites = Suites(record.title)
    suites.add(record, name=record.exercise)
    return suites.xml()


class Suites:
    """JUnit XML with a suite for each of several records; see `junit`."""

    def __init__(self, title: str) -> None:
        self._found = xunit2.JUnitXml(_line(title))

    def add(self, record: Record, *, name: str) -> None:
        """The suite of a record."""
        suite = xunit2.TestSuite(_line(name))
        suite.timestamp = datetime.fromtimestamp(record.started, UTC).isoformat(timespec="seconds")
        for key, value in _properties(record):
            suite.add_property(_line(key), _line(value))
        suite.add_testcases([_case(name, one) for one in record.verdicts] or [_nothing(name)])
        self._found.add_testsuite(suite)

    def xml(self) -> str:
        """All of them."""
        self._found.update_statistics()
        text: bytes = self._found.tostring()
        return text.decode() + "\n"


def _properties(record: Record) -> list[tuple[str, str]]:
    return [
        ("state", record.state.value),
        ("score", "" if record.score is None else str(record.score)),
        ("most", str(record.most)),
        ("variant", record.variant),
        *((f"value.{name}", value) for name, value in record.values),
        *((f"points.{one.check.id}", words.points(one)) for one in record.verdicts),
        *((f"file.{one.name}", f"sha256:{one.sha256}") for one in record.files),
    ]


def _case(suite: str, verdict: Verdict) -> TestCase:
    # Its name comes first: GitLab drops all but one of several cases whose names are the same.
    name = f"{verdict.check.id}: {verdict.check.title}"
    case = TestCase(_line(name), classname=_line(suite), time=round(verdict.seconds, 3))
    result = _result(verdict)
    if result is not None:
        case.result = result
    if verdict.evidence:
        case.system_out = "\n\n".join(map(_evidence, verdict.evidence)).replace(ATTACHMENT, f"[ {ATTACHMENT[1:]}")
    return case


def _result(verdict: Verdict) -> FinalResult | None:
    message = words.sentence(verdict)
    match verdict.state:
        case State.PASSED:
            return None
        case State.FAILED:
            result: FinalResult = Failure(message, verdict.layer.value if verdict.layer else "failed")
        case State.BLOCKED:
            result = Skipped(message, "blocked")
        case State.ERROR:
            result = Error(message, "error")
    result.text = "\n".join(_told(verdict)) or message
    return result


def _told(verdict: Verdict) -> list[str]:
    told = []
    for name, text in words.details(verdict):
        first, *others = words.block(text)
        told += [f"{name}: {first}", *(f"    {line}" for line in others)]
    return told


def _nothing(suite: str) -> TestCase:
    # A suite without cases is taken for one that passed.
    case = TestCase("checks", classname=_line(suite))
    error = Error(words.NO_CHECKS, "error")
    error.text = words.NO_CHECKS
    case.result = error
    return case


def _evidence(table: Table) -> str:
    title = [f"{_line(table.title)}:"] if table.title else []
    return "\n".join([*title, *tables.plain(tables.evidence(table, width=WIDTH))])


def _line(text: str) -> str:
    return " ".join(lines(text))
