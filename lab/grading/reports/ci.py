"""A record as JUnit XML, which GitLab, Jenkins and actions of GitHub show as test results. Pure.

There is no standard. What is written here keeps to the schema of Jenkins' xUnit plugin, the strictest in use: it allows
properties of a suite only. GitLab shows an element's text and not its attribute `message`, so both are given.
"""

from __future__ import annotations

from datetime import UTC, datetime

from junitparser import Error, Failure, Skipped, TestCase, xunit2
from junitparser.junitparser import FinalResult

from lab.grading.record import Record, State, Verdict
from lab.grading.reports import plain, words
from lab.grading.reports.plain import line

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
        self._found = xunit2.JUnitXml(line(title))

    def add(self, record: Record, *, name: str) -> None:
        """The suite of a record."""
        suite = xunit2.TestSuite(line(name))
        suite.timestamp = datetime.fromtimestamp(record.started, UTC).isoformat(timespec="seconds")
        for key, value in _properties(record):
            suite.add_property(line(key), line(value))
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
    case = TestCase(line(name), classname=line(suite), time=round(verdict.seconds, 3))
    result = _result(verdict)
    if result is not None:
        case.result = result
    if verdict.evidence:
        case.system_out = plain.seen(verdict).replace(ATTACHMENT, f"[ {ATTACHMENT[1:]}")
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
    result.text = "\n".join(plain.told(verdict)) or message
    return result


def _nothing(suite: str) -> TestCase:
    # A suite without cases is taken for one that passed.
    case = TestCase("checks", classname=line(suite))
    error = Error(words.NO_CHECKS, "error")
    error.text = words.NO_CHECKS
    case.result = error
    return case
