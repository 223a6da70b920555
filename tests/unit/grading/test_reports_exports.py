"""A record as the result files of other systems."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from lab.errors import UsageError
from lab.grading.record import Record, State
from lab.grading.reports import dumped
from lab.grading.reports.exports import classroom50, ctrf, gradescope, prairielearn
from lab.grading.reports.exports.classroom50 import Submission, submission
from tests.unit.grading.examples import ALL_PASSED, EMPTY, HOSTILE, PASSED, RECORDS, SCORED, UNSCORED, altered

Json = dict[str, Any]

ENVIRONMENT = {
    "CLASSROOM": "networks",
    "ASSIGNMENT": "mirror",
    "OWNER": "alice",
    "USERNAME": "runner",
    "ASSIGNMENT_TYPE": "individual",
    "SUBMISSION_TAG": "submit/2026-06-01T14-32-05Z-a1b2c3d",
    "COMMIT_URL": "https://git.example/alice/commit/1",
    "RELEASE_URL": "https://git.example/alice/release/1",
    "REVIEW_URL": "https://git.example/alice/compare/0...1",
}
OF = submission(ENVIRONMENT)
MEBIBYTE = 1024 * 1024
LARGE = replace(SCORED, verdicts=tuple(replace(one, observed=HOSTILE.title * 350) for one in SCORED.verdicts))
"""More than 2 MB in each observation."""
MADE: dict[str, Callable[[Record], Json | None]] = {
    "gradescope": gradescope,
    "prairielearn": prairielearn,
    "classroom50": lambda record: classroom50(record, OF),
    "ctrf": lambda record: ctrf([("alice", record)]),
}
EACH_FORMAT = pytest.mark.parametrize("name", MADE)
EACH_RECORD = pytest.mark.parametrize("record", [*RECORDS.values(), LARGE], ids=[*RECORDS, "large"])


def faults(name: str, value: Json) -> list[str]:
    """Where a result is not what its system takes."""
    schema = json.loads((Path(__file__).parent / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    found = [part for one in Draft202012Validator(schema).iter_errors(value) for part in (one, *(one.context or ()))]
    return [f"{one.json_path}: {one.message[:200]}" for one in found]


def made(name: str, record: Record) -> Json:
    """The result of a record that has one, as a reader finds it."""
    found = MADE[name](record)
    assert found is not None
    read: Json = json.loads(dumped(found))
    return read


def texts(value: Any) -> list[str]:
    """Every text in a result."""
    if isinstance(value, dict):
        return [text for one in value.values() for text in texts(one)]
    if isinstance(value, list):
        return [text for one in value for text in texts(one)]
    return [value] if isinstance(value, str) else []


@EACH_RECORD
@EACH_FORMAT
def test_a_result_is_what_its_system_takes(name: str, record: Record) -> None:
    """By the schema of its documented fields, whatever a program printed."""
    found = MADE[name](record)
    assert found is None or faults(name, json.loads(dumped(found))) == []


@pytest.mark.parametrize(
    ("name", "change", "fault"),
    [
        ("gradescope", {"tests": [{"name": "x"}]}, "$.tests[0]: 'score' is a required property"),
        ("gradescope", {"visibility": "secret"}, "$.visibility: 'secret' is not one of"),
        ("prairielearn", {"score": 2}, "$.score: 2 is greater than the maximum of 1"),
        ("prairielearn", {"tests": [{"name": "x", "points": 1}]}, "'max_points' is a required property"),
        ("classroom50", {"score": 1.5}, "$.score: 1.5 is not of type 'integer'"),
        ("classroom50", {"usernames": ["alice"]}, "Additional properties are not allowed"),
        ("ctrf", {"specVersion": "1"}, "$.specVersion: '1' does not match"),
        ("ctrf", {"score": 3}, "Additional properties are not allowed"),
    ],
)
def test_another_result_is_refused(name: str, change: Json, fault: str) -> None:
    """The schemas can fail."""
    value = {**made(name, SCORED), **change}
    schema = json.loads((Path(__file__).parent / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8"))
    errors = [
        one for error in Draft202012Validator(schema).iter_errors(value) for one in (error, *(error.context or ()))
    ]
    assert any(fault in f"{one.json_path}: {one.message}" for one in errors)


@EACH_RECORD
@EACH_FORMAT
def test_texts_of_a_result_are_harmless(name: str, record: Record) -> None:
    """No control character, no NUL, no half of a surrogate pair: readers store and show them."""
    found = MADE[name](record)
    assert [text for text in texts(found) if not text.replace("\n", "").isprintable()] == []


@pytest.mark.parametrize("record", [UNSCORED, EMPTY], ids=["not carried out", "no checks"])
@EACH_FORMAT
def test_without_a_score_there_are_no_0_points(name: str, record: Record) -> None:
    """No result holds a score of a record that has none, and none says that something has passed or failed."""
    found = MADE[name](record)
    if name in ("gradescope", "classroom50"):
        assert found is None
        return
    assert found is not None
    assert "score" not in found
    if name == "prairielearn":
        assert found["gradable"] is False
    else:
        assert found["results"]["environment"]["healthy"] is False
        assert found["results"]["summary"]["failed"] == 0
        assert found["results"]["summary"]["other"] == 1
        assert found["results"]["extra"]["submissions"][0]["score"] is None


# ------------------------------------------------------------------------------------------- Gradescope


def test_gradescope_has_the_points_of_each_test() -> None:
    """As they are in the record; nothing beside them stands for their sum."""
    found = made("gradescope", SCORED)
    assert [(one["score"], one["max_score"]) for one in found["tests"]] == [(2, 2), (0, 3), (0, 4), (0, 1)]
    assert "score" not in found


def test_gradescope_shows_everything_as_text() -> None:
    """Nothing is hidden, which would hide the sum from the student; nothing is HTML, Markdown or ANSI."""
    found = made("gradescope", HOSTILE)
    for one in found["tests"]:
        assert (one["visibility"], one["name_format"], one["output_format"]) == ("visible", "text", "text")
    assert (found["visibility"], found["output_format"]) == ("visible", "text")


def test_gradescope_tells_what_was_expected_and_seen() -> None:
    """The details, then the tables; of a check that has passed what was seen."""
    passed, failed, *_ = made("gradescope", SCORED)["tests"]
    assert (passed["status"], failed["status"]) == ("passed", "failed")
    assert failed["output"].startswith("layer: listener on the wrong address\nlooked at: listeners on server\n")
    assert "\n\nwhat listens on server:\nPROTOCOL  LOCAL" in failed["output"]
    assert passed["output"].startswith("what listens on server:\n")


# ----------------------------------------------------------------------------------------- PrairieLearn


def test_prairielearn_has_a_share() -> None:
    """The score is from 0 to 1, the points of each test are there too."""
    found = made("prairielearn", SCORED)
    assert found["score"] == 0.2
    assert [(one["points"], one["max_points"]) for one in found["tests"]] == [(2, 2), (0, 3), (0, 4), (0, 1)]
    assert made("prairielearn", ALL_PASSED)["score"] == 1


def test_prairielearn_has_a_share_of_no_points_too() -> None:
    """An exercise without points is passed or not."""
    free = replace(PASSED, check=replace(PASSED.check, points=0))
    assert made("prairielearn", replace(SCORED, verdicts=(free,)))["score"] == 1
    assert made("prairielearn", replace(SCORED, verdicts=(replace(free, state=State.FAILED),)))["score"] == 0


def test_prairielearn_says_whose_fault_it_is_not() -> None:
    """Not gradable is what it says of malformed submissions, so the reason is told."""
    found = made("prairielearn", UNSCORED)
    assert "not the submission's fault" in found["message"]
    assert found["format_errors"][1:] == ["ends: the container of server is gone"]


def test_prairielearn_takes_no_more_than_1_mb() -> None:
    """What was seen is cut, and all tests are there; what has room is whole."""
    assert len(dumped(prairielearn(LARGE))) <= 1_000_000
    cut = made("prairielearn", LARGE)["tests"]
    assert len(cut) == len(LARGE.verdicts)
    assert "characters)" in cut[1]["output"][-50:]
    assert "characters)" not in "".join(one["output"] for one in made("prairielearn", SCORED)["tests"])


@pytest.mark.parametrize(("characters", "whole"), [(900_000, True), (999_000, False), (1_500_000, False)])
def test_prairielearn_cuts_what_has_no_room_and_nothing_else(characters: int, whole: bool) -> None:
    """A megabyte is 1,000,000 bytes, with everything else that is in the file."""
    found = prairielearn(altered(SCORED, observed="y" * characters))
    assert len(dumped(found)) <= 1_000_000
    assert ("y" * characters in found["tests"][1]["output"]) == whole


# ----------------------------------------------------------------------------------------- Classroom 50


def test_classroom50_has_whose_submission_it_is() -> None:
    """From the environment: of two names for the same the one that is Classroom 50's alone."""
    found = made("classroom50", SCORED)
    assert (found["owner"], found["assignment_type"], found["review"]) == ("alice", "individual", OF.review)
    older = {name: value for name, value in ENVIRONMENT.items() if name not in ("OWNER", "ASSIGNMENT_TYPE")}
    wanted = replace(OF, owner="runner", assignment_type="group")
    assert submission({**older, "MODE": "group"}) == wanted
    assert submission({**older, "OWNER": "", "MODE": "group"}) == wanted


def test_classroom50_has_whole_points() -> None:
    """Of each test and of all, and none is more than it may be."""
    found = made("classroom50", SCORED)
    assert (found["score"], found["max-score"]) == (2, 10)
    assert [(one["passed"], one["score"], one["max-score"]) for one in found["tests"]] == [
        (True, 2, 2),
        (False, 0, 3),
        (False, 0, 4),
        (False, 0, 1),
    ]
    assert (found["datetime"], found["graded_at"]) == ("2025-10-09T08:53:20Z", "2025-10-09T08:53:24Z")


def test_classroom50_takes_no_more_than_10_mib() -> None:
    """The evidence is not in it."""
    assert len(dumped(made("classroom50", LARGE))) < 10 * MEBIBYTE // 100


def test_classroom50_names_all_that_is_missing() -> None:
    """In one message; a variable that is empty is missing."""
    with pytest.raises(UsageError) as raised:
        submission({**ENVIRONMENT, "CLASSROOM": "", "OWNER": "", "USERNAME": ""})
    assert "found no CLASSROOM, OWNER or USERNAME" in raised.value.message
    with pytest.raises(UsageError, match="CLASSROOM, ASSIGNMENT, OWNER or USERNAME, ASSIGNMENT_TYPE or MODE, SUBMI"):
        submission({})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ASSIGNMENT_TYPE", "pair", "as individual, group, team, found 'pair'"),
        ("SUBMISSION_TAG", "v1", "that begins with submit/, found 'v1'"),
    ],
)
def test_classroom50_refuses_what_its_collector_would(name: str, value: str, message: str) -> None:
    """Before anything is checked."""
    with pytest.raises(UsageError, match=message):
        submission({**ENVIRONMENT, name: value})


def test_classroom50_takes_names_as_they_are_given() -> None:
    """Its collector compares them with those of the repository."""
    of = Submission(**{**dict.fromkeys(Submission.__dataclass_fields__, "x"), "classroom": "Netze & Dienste"})
    found = classroom50(SCORED, of)
    assert found is not None
    assert found["classroom"] == "Netze & Dienste"


# -------------------------------------------------------------------------------------------------- CTRF


def test_ctrf_status_of_each_state() -> None:
    """BLOCKED was skipped; ERROR is neither passed nor failed."""
    record = replace(SCORED, verdicts=(*SCORED.verdicts, UNSCORED.verdicts[1]))
    results = made("ctrf", record)["results"]
    assert [one["status"] for one in results["tests"]] == ["passed", "failed", "failed", "skipped", "other"]
    assert [one["rawStatus"] for one in results["tests"]] == ["PASSED", "FAILED", "FAILED", "BLOCKED", "ERROR"]
    assert results["summary"] == {
        "tests": 5,
        "passed": 1,
        "failed": 2,
        "skipped": 1,
        "pending": 0,
        "other": 1,
        "start": 1_760_000_000_123,
        "stop": 1_760_000_004_691,
    }


def test_ctrf_has_points_beside_the_status() -> None:
    """Points that cannot be said are null, not 0."""
    (passed, error) = made("ctrf", UNSCORED)["results"]["tests"]
    assert (passed["extra"]["points"], passed["extra"]["most"], passed["duration"]) == (2, 2, 250)
    assert (error["extra"]["points"], error["extra"]["most"]) == (None, 10)


def test_ctrf_of_several_submissions() -> None:
    """One report, in which each test says whose it is; one that has no score makes it unhealthy."""
    found = ctrf([("alice", SCORED), ("bob", replace(UNSCORED, started=1_759_999_999.0))])
    assert faults("ctrf", found) == []
    results = found["results"]
    assert [one["suite"][0] for one in results["tests"]] == ["alice"] * 4 + ["bob"] * 2
    assert results["summary"]["start"] == 1_759_999_999_000
    assert results["summary"]["stop"] == 1_760_000_004_691
    assert results["environment"]["healthy"] is False
    assert [(one["submission"], one["score"]) for one in results["extra"]["submissions"]] == [
        ("alice", 2),
        ("bob", None),
    ]
    assert ctrf([("alice", SCORED), ("bob", altered(SCORED))])["results"]["environment"]["healthy"] is True


def test_ctrf_of_a_hostile_name() -> None:
    """Whoever hands in may choose how a submission is called."""
    found = ctrf([(HOSTILE.title, replace(SCORED, exercise=HOSTILE.title))])
    assert faults("ctrf", found) == []
    assert [text for text in texts(found) if not text.replace("\n", "").isprintable()] == []


def test_ctrf_of_no_checks_is_not_empty() -> None:
    """A report without tests would be taken for a success."""
    (test,) = made("ctrf", EMPTY)["results"]["tests"]
    assert (test["status"], test["message"]) == ("other", "There is no score: nothing was checked.")
