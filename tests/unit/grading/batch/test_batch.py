"""From submissions to results: each has exactly one, whatever those who grade do."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from lab.errors import EngineError, LabError, UsageError
from lab.grading import grade, library
from lab.grading.batch import batch, journal
from lab.grading.batch.batch import Crew
from lab.grading.batch.jobs import Job, Reply
from lab.grading.batch.journal import Attempt
from lab.grading.batch.local import Done
from lab.grading.batch.results import Result
from lab.grading.library import Loaded
from lab.grading.record import State, Verdict

PASSED = State.PASSED
Replies = Callable[[Job, int], Reply]


class Heard:
    """What a watch is told."""

    def __init__(self) -> None:
        self.before: list[str] = []
        self.results: list[Result] = []
        self.attempts: list[tuple[str, int]] = []

    def begin(self, *, total: int, done: Iterable[Result]) -> None:
        """See Watch."""
        self.total = total
        self.before = [one.id for one in done]

    def result(self, result: Result) -> None:
        """See Watch."""
        self.results.append(result)

    def failed(self, attempt: Attempt, *, left: int) -> None:
        """See Watch."""
        self.attempts.append((attempt.id, left))


class Pretended:
    """A crew that answers at once, the newest first, as it is told to."""

    most = 3

    def __init__(self, replies: Replies, *, gone_after: int | None = None) -> None:
        self._replies, self._gone_after = replies, gone_after
        self._jobs: deque[Job] = deque()
        self.tried: dict[str, int] = {}
        self.most_at_once = 0

    def submit(self, job: Job) -> None:
        """See Crew."""
        self._jobs.append(job)
        self.most_at_once = max(self.most_at_once, len(self._jobs))

    def next(self, *, seconds: float) -> Done | None:  # noqa: ARG002  # it never makes anybody wait
        """See Crew."""
        job = self._jobs.pop()
        self.tried[job.id] = self.tried.get(job.id, 0) + 1
        return Done(job=job, reply=self._replies(job, self.tried[job.id]))

    def look(self) -> None:
        """See Crew."""
        if self._gone_after is not None and sum(self.tried.values()) > self._gone_after:
            raise EngineError("the engine is gone")


@contextmanager
def engaged(crew: Pretended) -> Iterator[Crew]:
    """For the time of a batch."""
    yield crew


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    """An exercise."""
    return library.load(str(library.make_new(str(tmp_path / "77-greeter"))))


@pytest.fixture
def submissions(tmp_path: Path, loaded: Loaded) -> Path:
    """Five right answers and an empty one."""
    folder = tmp_path / "handed-in"
    for name in ("ann", "bob", "cid", "dot", "eve"):
        (folder / name).mkdir(parents=True)
        for file, data in loaded.files(library.SOLUTION).items():
            (folder / name / file).write_bytes(data)
    (folder / "nil").mkdir()
    return folder


def replied(loaded: Loaded, job: Job, state: State = PASSED) -> Reply:
    """A reply with a record."""
    verdicts = tuple(Verdict(check=one.check, state=state, reason="odd") for one in loaded.checks)
    return Reply(record=grade.recorded(loaded, job.submission, job.variant, verdicts, clock=grade.Clock()))


def test_each_has_one_result(tmp_path: Path, loaded: Loaded, submissions: Path) -> None:
    """In the order of their ids; whoever grades never has more at once than it wants, and nothing without files."""
    plan = batch.planned(loaded, submissions, tmp_path / "out")
    crew, heard = Pretended(lambda job, _: replied(loaded, job)), Heard()
    found = batch.graded(plan, engaged(crew), heard)
    assert [(one.id, one.record.state, one.attempts) for one in found.results] == [
        *((name, State.PASSED, 1) for name in ("ann", "bob", "cid", "dot", "eve")),
        ("nil", State.FAILED, 1),
    ]
    assert (heard.total, len(heard.results), crew.most_at_once) == (6, 6, 3)
    assert sorted(crew.tried) == ["ann", "bob", "cid", "dot", "eve"]


def test_values_are_ones_own_and_the_same_again(tmp_path: Path, loaded: Loaded, submissions: Path) -> None:
    """Each submission has a variant, which follows from its name and the key."""
    first, second = (batch.planned(loaded, submissions, tmp_path / out) for out in ("one", "two"))
    variants = [batch.variant_of(first, one.id) for one in first.entries]
    assert variants == [batch.variant_of(second, one.id) for one in second.entries]
    assert len({one.name for one in variants}) == len(variants)
    same = batch.planned(loaded, submissions, tmp_path / "three", variant="exam")
    assert {batch.variant_of(same, one.id).name for one in same.entries} == {"exam"}


def test_another_key_gives_other_values(
    tmp_path: Path, loaded: Loaded, submissions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And cannot go on with a batch."""
    plan = batch.planned(loaded, submissions, tmp_path / "out")
    before = batch.variant_of(plan, "ann")
    batch.graded(plan, engaged(Pretended(lambda job, _: replied(loaded, job))), Heard())
    monkeypatch.setenv(grade.KEY_VARIABLE, "another")
    assert batch.variant_of(plan, "ann").values != before.values
    with pytest.raises(UsageError, match="expected the key with which"):
        batch.resumed(tmp_path / "out")


@pytest.mark.parametrize("reply", ["no record", "an error"])
def test_what_fails_is_tried_again(tmp_path: Path, loaded: Loaded, submissions: Path, reply: str) -> None:
    """Whether there is no record, or a check in it could not be carried out."""

    def replies(job: Job, attempt: int) -> Reply:
        if job.id != "cid" or attempt == 3:
            return replied(loaded, job)
        failed = Reply(failure="no room") if reply == "no record" else replied(loaded, job, State.ERROR)
        return replace(failed, replaced=("not as it was",))

    heard = Heard()
    plan = batch.planned(loaded, submissions, tmp_path / "out", attempts=3)
    found = batch.graded(plan, engaged(Pretended(replies)), heard)
    cid = next(one for one in found.results if one.id == "cid")
    assert (cid.record.state, cid.attempts, len(cid.replaced)) == (State.PASSED, 3, 2)
    assert heard.attempts == [("cid", 2), ("cid", 1)]
    assert found.replaced == 2


@pytest.mark.parametrize("reply", ["no record", "an error"])
def test_what_fails_for_ever_has_a_result_with_the_reason(
    tmp_path: Path, loaded: Loaded, submissions: Path, reply: str
) -> None:
    """No points are given or taken: there is no score."""

    def replies(job: Job, _: int) -> Reply:
        if job.id != "cid":
            return replied(loaded, job)
        return Reply(failure="no room\n\x1b[2J") if reply == "no record" else replied(loaded, job, State.ERROR)

    crew = Pretended(replies)
    plan = batch.planned(loaded, submissions, tmp_path / "out", attempts=2)
    found = batch.graded(plan, engaged(crew), Heard())
    (cid,) = found.without_score
    assert (cid.id, cid.record.score, cid.attempts, crew.tried["cid"]) == ("cid", None, 2, 2)
    assert cid.record.verdicts[0].reason in ("no room\ufffd\ufffd[2J", "odd")


def test_a_batch_that_was_ended_goes_on(tmp_path: Path, loaded: Loaded, submissions: Path) -> None:
    """Where the engine goes, no attempt is counted, and nothing is graded twice."""

    def replies(job: Job, _: int) -> Reply:
        return Reply(failure="connection lost") if sum(crew.tried.values()) > 2 else replied(loaded, job)

    crew = Pretended(replies, gone_after=2)
    plan = batch.planned(loaded, submissions, tmp_path / "out")
    with pytest.raises(EngineError):
        batch.graded(plan, engaged(crew), Heard())
    assert len(journal.read(tmp_path / "out").results) == 2
    assert journal.read(tmp_path / "out").failed == {}
    again, heard = Pretended(lambda job, _: replied(loaded, job)), Heard()
    found = batch.graded(batch.resumed(tmp_path / "out"), engaged(again), heard)
    assert [one.id for one in found.results] == ["ann", "bob", "cid", "dot", "eve", "nil"]
    assert len(heard.before) == 2
    assert set(heard.before).isdisjoint(again.tried)


def test_attempts_count_from_one_run_to_the_next(tmp_path: Path, loaded: Loaded, submissions: Path) -> None:
    """What ends its grader each time is given up at last."""

    class EndedError(Exception):
        pass

    def replies(_: Job, attempt: int) -> Reply:
        if attempt > 1:
            raise EndedError
        return Reply(failure="no room")

    plan = batch.planned(loaded, submissions, tmp_path / "out", attempts=3)
    for expected in (1, 2):
        with pytest.raises(EndedError):
            batch.graded(plan, engaged(Pretended(replies)), Heard())
        plan = batch.resumed(tmp_path / "out")
        assert set(journal.read(tmp_path / "out").failed.values()) == {expected}
    found = batch.graded(plan, engaged(Pretended(lambda *_: Reply(failure="no room"))), Heard())
    assert [one.attempts for one in found.without_score] == [3] * 5


def test_a_changed_exercise_does_not_go_on(tmp_path: Path, loaded: Loaded, submissions: Path) -> None:
    """Submissions graded before and after would not compare."""
    plan = batch.planned(loaded, submissions, tmp_path / "out")
    batch.graded(plan, engaged(Pretended(lambda job, _: replied(loaded, job))), Heard())
    assert not batch.has_changed(batch.resumed(tmp_path / "out"))
    file = loaded.folder / "README.md"
    file.write_text(file.read_text() + "\nmore\n")
    with pytest.raises(UsageError, match="it has changed since"):
        batch.resumed(tmp_path / "out")


def test_results_are_not_put_among_submissions(loaded: Loaded, submissions: Path) -> None:
    """They would be graded."""
    for out in (submissions, submissions / "out"):
        with pytest.raises(UsageError, match="expected a folder for the results beside the submissions"):
            batch.planned(loaded, submissions, out)


def test_results_of_another_batch_are_not_gone_on_with(tmp_path: Path, loaded: Loaded, submissions: Path) -> None:
    """Not unless that is asked for."""
    batch.graded(
        batch.planned(loaded, submissions, tmp_path), engaged(Pretended(lambda job, _: replied(loaded, job))), Heard()
    )
    with pytest.raises(UsageError, match="expected a folder without results"):
        batch.planned(loaded, submissions, tmp_path)


@pytest.mark.parametrize("within", ["submissions", "gradescope/in"])
def test_reports_are_not_put_among_submissions(tmp_path: Path, loaded: Loaded, submissions: Path, within: str) -> None:
    """They would be graded the next time."""
    folder = tmp_path / within
    folder.parent.mkdir(exist_ok=True)
    submissions.rename(folder)
    with pytest.raises(UsageError, match="do not get among the submissions"):
        batch.planned(loaded, folder, tmp_path)


def test_a_submission_that_goes_while_others_are_graded_is_no_empty_one(
    tmp_path: Path, loaded: Loaded, submissions: Path
) -> None:
    """Where the folder is gone, the batch stops, and nobody has no points for it."""
    plan = batch.planned(loaded, submissions, tmp_path / "out")
    submissions.rename(tmp_path / "gone")
    with pytest.raises(LabError, match="has gone since they were listed"):
        batch.graded(plan, engaged(Pretended(lambda job, _: replied(loaded, job))), Heard())
    assert journal.read(tmp_path / "out").results == {}


def test_a_job_travels_as_a_line(tmp_path: Path, loaded: Loaded, submissions: Path) -> None:
    """And so does a reply; neither holds the key."""
    plan = batch.planned(loaded, submissions, tmp_path / "out")
    job = Job(id="a\nb", variant=batch.variant_of(plan, "ann"), submission=batch.handed_in(plan, plan.entries[0]))
    assert Job.from_text(job.as_text()) == job
    assert "\n" not in job.as_text()
    assert grade.DEFAULT_KEY not in job.as_text()
    reply = replied(loaded, job)
    assert Reply.from_text(reply.as_text()).as_text() == reply.as_text()
