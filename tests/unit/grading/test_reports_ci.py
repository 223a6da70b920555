"""A record as JUnit XML."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase
from junitparser.junitparser import FinalResult

from lab.grading import reports
from lab.grading.record import Layer, Record
from tests.unit.grading.examples import EMPTY, EVERY_LAYER, HOSTILE, RECORDS, SCORED, UNSCORED

RESULT = ({"type", "message"}, set[str](), set[str]())
SHAPE = {
    # element: attributes that it must have, others that it may have, elements that may be in it
    "testsuites": ({"name", "tests", "failures", "errors"}, {"time"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors"},
        {"skipped", "time", "timestamp"},
        {"properties", "testcase"},
    ),
    "properties": (set[str](), set[str](), {"property"}),
    "property": ({"name", "value"}, set[str](), set[str]()),
    "testcase": ({"name", "classname"}, {"time"}, {"failure", "error", "skipped", "system-out"}),
    "failure": RESULT,
    "error": RESULT,
    "skipped": RESULT,
    "system-out": (set[str](), set[str](), set[str]()),
}
"""What readers have in common: a part of the schema of Jenkins' xUnit plugin."""


def faults(element: ElementTree.Element) -> list[str]:
    """Where a document is not of that shape."""
    must, may, children = SHAPE.get(element.tag, (set[str](), set[str](), set[str]()))
    found = [f"{element.tag} without {name}" for name in must - set(element.attrib)]
    found += [f"{element.tag} with {name}" for name in set(element.attrib) - must - may]
    for child in element:
        found += [f"{child.tag} in {element.tag}"] if child.tag not in children else faults(child)
    return found


def cases(record: Record) -> list[TestCase]:
    """The test cases of the document, as a reader finds them."""
    (suite,) = JUnitXml.fromstring(reports.junit(record))
    return list(suite)


def result(case: TestCase) -> FinalResult:
    """What came of one that did not pass."""
    (found,) = case.result
    return found


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_the_document_has_the_shape_that_readers_know(record: Record) -> None:
    """One suite, a test case for each check, each name once, and sums that are right."""
    root = ElementTree.fromstring(reports.junit(record))
    assert faults(root) == []
    (suite,) = root
    found = suite.findall("testcase")
    assert len({case.attrib["name"] for case in found}) == len(found) == max(1, len(record.verdicts))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.attrib[name]) == len(suite.findall(f"testcase/{tag}"))
    assert int(suite.attrib["tests"]) == len(found)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("<testcase ", "<test ", "test in testsuite"),
        (' classname="03-mirror"', "", "testcase without classname"),
        ("<skipped ", '<skipped why="" ', "skipped with why"),
    ],
)
def test_another_shape_is_seen(old: str, new: str, fault: str) -> None:
    """The check above can fail."""
    text = (
        reports.junit(SCORED)
        .replace(old, new)
        .replace("</testcase>", "</testcase>" if "test " not in new else "</test>")
    )
    assert fault in faults(ElementTree.fromstring(text))


def test_what_each_state_is_for_a_reader() -> None:
    """FAILED is a failure, BLOCKED was skipped, ERROR is an error, PASSED has nothing."""
    passed, failed, _, blocked = cases(SCORED)
    error = cases(UNSCORED)[1]
    assert passed.is_passed
    assert [type(result(one)) for one in (failed, blocked, error)] == [Failure, Skipped, Error]
    assert result(blocked).message == "it needs answers, which has failed"
    assert result(error).message == "the container of server is gone"
    assert passed.name == "listens: The server listens at its port."


def test_a_failure_tells_what_the_terminal_tells() -> None:
    """In a line, and in the element's text, which is all that some readers show."""
    found = result(cases(SCORED)[2])
    assert found.type == "wrong bytes"
    assert str(found.message).startswith("what client1 received: expected 203.0.113.1 40000, observed AssertionError: ")
    assert found.text.splitlines()[2:] == [
        "expected: 203.0.113.1 40000",
        r"observed: AssertionError: assert '10.0.0.2 5432\n' == '203.0.113.1 40000\n'",
        "      - 203.0.113.1 40000",
        "      + 10.0.0.2 5432",
    ]


def test_each_layer_is_a_type_of_failure() -> None:
    """So that a reader can sort by it."""
    assert [result(one).type for one in cases(EVERY_LAYER)] == [layer.value for layer in Layer]


def test_evidence_is_the_output_of_a_test_case() -> None:
    """As a table of text."""
    assert cases(SCORED)[0].system_out.splitlines()[:3] == [
        "what listens on server:",
        "PROTOCOL  LOCAL                                          PROGRAM",
        "tcp       127.0.0.1:4711                                 python3",
    ]


def test_a_suite_tells_score_and_variant() -> None:
    """As properties; without a score its property is empty."""
    (suite,) = JUnitXml.fromstring(reports.junit(SCORED))
    found = {one.name: one.value for one in suite.properties()}
    assert (found["score"], found["most"], found["variant"], found["value.PORT"]) == ("2", "10", "k7q", "4711")
    assert found["points.everywhere"] == "0/3"
    assert suite.timestamp == "2025-10-09T08:53:20+00:00"
    assert '<property name="score" value="" />' in reports.junit(UNSCORED)


def test_a_suite_without_checks_has_not_passed() -> None:
    """Readers take an empty one for a success, so there is a case that is an error."""
    (case,) = cases(EMPTY)
    assert case.is_error


def test_what_a_program_printed_is_text() -> None:
    """No element, no character that XML cannot hold, and no file that a reader would fetch."""
    assert {"\x00", "\x0b", "\x1b", "\ufffe", "\udc80"} <= set(HOSTILE.verdicts[0].observed)
    text = reports.junit(HOSTILE)
    assert [char for char in text if not char.isprintable() and char != "\n"] == []
    out = cases(HOSTILE)[0].system_out
    assert "</script></pre><b>�[31mred" in out
    assert "[[ATTACHMENT|" not in out
    assert "[ATTACHMENT|/etc/passwd]]" in out
