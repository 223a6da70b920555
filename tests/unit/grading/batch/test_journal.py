"""A journal loses nothing that was written, whatever ended the one who wrote it."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lab.errors import LabError, UsageError
from lab.grading.batch import journal
from lab.grading.batch.journal import NAME, Attempt, Head
from lab.grading.batch.results import Result
from lab.grading.record import Record
from tests.unit.grading.examples import RECORDS, SCORED, UNSCORED

HEAD = Head(
    batch="abc123",
    exercise="/exercises/06-who",
    checks="d1",
    submissions="/handed-in",
    variant="",
    key="k1",
    attempts=3,
    started=1_700_000_000.5,
)


def result(id_: str, *, attempts: int = 1) -> Result:
    """A result with evidence."""
    return Result(id=id_, name=f"{id_}.zip", record=SCORED, attempts=attempts, replaced=("a reason",))


def written(folder: Path, *ids: str) -> Path:
    """A journal with some results."""
    with journal.begin(folder, HEAD) as made:
        for id_ in ids:
            made.result(result(id_))
    return folder / NAME


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """The head, each result without its evidence, and with it one at a time."""
    written(tmp_path / "out", "bob", "alice")
    found = journal.read(tmp_path / "out")
    assert found.head == HEAD
    assert [one.as_json() for one in found.results.values()] == [
        result(id_).without_evidence().as_json() for id_ in ("bob", "alice")
    ]
    whole = [one.as_json() for one in journal.whole(tmp_path / "out", found)]
    assert whole == [result(id_).as_json() for id_ in ("alice", "bob")]


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_every_record_comes_back(tmp_path: Path, record: Record) -> None:
    """Whatever programs printed."""
    one = replace(result("alice"), record=record)
    with journal.begin(tmp_path, HEAD) as made:
        made.result(one)
    assert [each.as_json() for each in journal.whole(tmp_path, journal.read(tmp_path))] == [one.as_json()]


def test_of_a_submission_that_was_graded_again_the_last_counts(tmp_path: Path) -> None:
    """There is never more than one result."""
    written(tmp_path, "alice")
    with journal.go_on(tmp_path)[0] as made:
        made.result(result("alice", attempts=2))
    found = journal.read(tmp_path)
    assert [one.attempts for one in found.results.values()] == [2]
    assert [one.attempts for one in journal.whole(tmp_path, found)] == [2]


def test_attempts_are_counted_until_there_is_a_result(tmp_path: Path) -> None:
    """So that what cannot be graded is not tried for ever."""
    with journal.begin(tmp_path, HEAD) as made:
        for id_ in ("alice", "bob", "bob"):
            made.failed(Attempt(id=id_, reason="no room"))
        made.result(replace(result("alice"), record=UNSCORED))
    assert journal.read(tmp_path).failed == {"bob": 2}


@pytest.mark.parametrize("kept", range(1, 60, 7))
def test_a_line_that_breaks_off_is_left_out(tmp_path: Path, kept: int) -> None:
    """And what comes next stands after the last whole line."""
    path = written(tmp_path, "alice", "bob")
    data = path.read_bytes()
    place = data.rindex(b"\n", 0, -1) + 1
    path.write_bytes(data[: place + kept])
    made, found = journal.go_on(tmp_path)
    with made:
        assert list(found.results) == ["alice"]
        made.result(result("carol"))
    assert list(journal.read(tmp_path).results) == ["alice", "carol"]
    assert all(json.loads(line) for line in path.read_bytes().splitlines())


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written stays readable, and the message says how to go on. See also tests/live/test_grade.py."""
    written(tmp_path, "alice")
    made, _ = journal.go_on(tmp_path)
    real = os.pwrite

    room = 10

    def filled(descriptor: int, data: bytes, place: int) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        count, room = real(descriptor, data[:room], place), 0
        return count

    monkeypatch.setattr(os, "pwrite", filled)
    with made, pytest.raises(LabError) as caught:
        made.result(result("bob"))
    assert "no space left on device" in str(caught.value)
    assert "--resume" in caught.value.hint
    monkeypatch.undo()
    with journal.go_on(tmp_path)[0] as again:
        again.result(result("carol"))
    assert list(journal.read(tmp_path).results) == ["alice", "carol"]


def test_a_folder_with_results_is_not_begun_again(tmp_path: Path) -> None:
    """It says what to do."""
    written(tmp_path)
    with pytest.raises(UsageError) as caught:
        journal.begin(tmp_path, HEAD)
    assert "--resume" in caught.value.hint


def test_two_never_write(tmp_path: Path) -> None:
    """Not even another process; and it is free when the first ends, whatever ended it."""
    written(tmp_path)
    script = (
        "import sys; from pathlib import Path; from lab.grading.batch import journal; journal.go_on(Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with journal.go_on(tmp_path)[0]:
        other = subprocess.run(command, capture_output=True, check=False)
        assert b"another `lab grade` writes to it" in other.stderr
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("data", [b"", b"{}\n", b"[]\n", b"nonsense\n", b'{"head": {"form": 1}}\n', b'{"head": 3}\n'])
def test_what_is_no_journal(tmp_path: Path, data: bytes) -> None:
    """It is not written to."""
    (tmp_path / NAME).write_bytes(data)
    with pytest.raises(UsageError, match="expected a journal of `lab grade`"):
        journal.go_on(tmp_path)
    assert (tmp_path / NAME).read_bytes() == data


def test_no_journal(tmp_path: Path) -> None:
    """It says what makes one."""
    for work in (journal.go_on, journal.read):
        with pytest.raises(UsageError, match="expected a folder with results"):
            work(tmp_path)
