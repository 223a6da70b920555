"""Each hostile submission gets its verdict, and nobody else notices: not who is graded beside it, nor who is next."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.engine import Engine
from lab.grading import carrying, grade, library
from lab.grading.batch import entries
from lab.grading.batch.jobs import Job
from lab.grading.batch.process import Worker
from lab.grading.batch.worker import Setup
from lab.grading.library import Loaded
from lab.grading.record import Record, Verdict
from lab.grading.submission import read_any
from tests.hostile import cases, generated

HERE = Path(__file__).parent
EXERCISE = HERE / "exercise"
SUBMISSIONS = HERE / "submissions"
BEFORE = "before.py"
GOOD = "good"
SECONDS = 120.0


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    """The exercise that they are handed in to."""
    return library.load(str(EXERCISE))


class Graders:
    """Two workers: one has the hostile submissions, the other a good one at the same time."""

    def __init__(self, loaded: Loaded, prefix: str) -> None:
        self._loaded = loaded
        self._hostile, self._beside = (
            Worker(Setup(exercise=str(loaded.folder), prefix=f"{prefix}{name}-")) for name in ("a", "b")
        )
        self._solution = read_any(loaded.folder / library.SOLUTION, loaded.exercise)

    def job(self, path: Path, name: str) -> Job:
        """What is graded of a submission."""
        read = read_any(path, self._loaded.exercise, given=self._loaded.files(library.STARTER))
        return Job(id=name, variant=grade.variant(self._loaded.exercise, "hostile"), submission=read)

    def good(self) -> Job:
        """The one that behaves well."""
        return Job(id=GOOD, variant=grade.variant(self._loaded.exercise, "good"), submission=self._solution)

    def both(self, job: Job) -> tuple[Record, list[Record], Record]:
        """The record of a hostile one; of a good one beside it, again and again; and of a good one after it."""
        beside: list[Record] = []
        over = threading.Event()

        def work() -> None:
            while not beside or not over.is_set():
                beside.append(self._graded(self._beside, self.good()))

        thread = threading.Thread(target=work)
        thread.start()
        try:
            record = self._graded(self._hostile, job)
        finally:
            over.set()
            thread.join()
        return record, beside, self._graded(self._hostile, self.good())

    @staticmethod
    def _graded(worker: Worker, job: Job) -> Record:
        reply = worker.grade(job, seconds=SECONDS)
        assert reply.record is not None, reply.failure or reply.unable
        return reply.record

    def close(self) -> None:
        """End both."""
        self._hostile.close()
        self._beside.close()


@pytest.fixture(scope="module")
def graders(loaded: Loaded, engine: Engine) -> Iterator[Graders]:
    """Both keep their instances from one submission to the next."""
    del engine  # that there is one is known before
    made = Graders(loaded, prefix=f"hostile-{os.getpid()}-")
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where they are handed in. It is removed by rm(1): Python's own way of doing that does not get a thousand deep."""
    made = tmp_path / "in"
    made.mkdir()
    yield made
    subprocess.run(["rm", "-rf", str(made)], check=True)


def handed_in(folder: Path, name: str, loaded: Loaded) -> Path:
    """The submission of that name, as somebody hands it in."""
    solution = loaded.files(library.SOLUTION)
    if name in cases.GENERATED:
        return generated.make(folder, name, solution)
    target = folder / name
    shutil.copytree(SUBMISSIONS / name, target)
    for file, data in solution.items():
        for before in (target / BEFORE, target / f"{file.removesuffix('.py')}.{BEFORE}"):
            if before.exists():
                (target / file).write_bytes(before.read_bytes() + b"\n" + data)
        if not (target / file).exists():
            (target / file).write_bytes(data)
    for before in target.glob(f"*{BEFORE}"):
        before.unlink()
    return target


def states(verdicts: tuple[Verdict, ...]) -> str:
    """The first letter of each."""
    return "".join(one.state[0] for one in verdicts)


def told(record: Record) -> str:
    """What a failure of a test shows of a record."""
    return "\n".join(f"{one.check.id}: {one.state} {one.observed or one.reason}" for one in record.verdicts)


@pytest.mark.parametrize(
    ("name", "expected"),
    [(name, states) for name, states in {**cases.PROGRAMS, **cases.GENERATED}.items() if states != cases.NO_FILES],
)
def test_it_gets_its_verdict_and_harms_nobody(
    name: str, expected: str, graders: Graders, loaded: Loaded, folder: Path
) -> None:
    """The good one beside it, and the good one after it on the same instance, pass all checks."""
    job = graders.job(handed_in(folder, name, loaded), entries.harmless(name))
    assert job.submission.faults == ()
    record, beside, after = graders.both(job)
    assert states(record.verdicts) == expected, told(record)
    for one in (*beside, after):
        assert states(one.verdicts) == cases.UNHARMED, told(one)


@pytest.mark.parametrize("name", [name for name, states in cases.GENERATED.items() if states == cases.NO_FILES])
def test_it_is_refused_before_anything_is_run(name: str, loaded: Loaded, folder: Path) -> None:
    """Nothing of it is read beyond what is asked for, and nothing is written anywhere."""
    path = handed_in(folder, name, loaded)
    before = sorted(folder.iterdir())
    read = read_any(path, loaded.exercise)
    assert states(carrying.without_files(read, loaded)) == cases.NO_FILES
    assert not any(b"root:" in one.data for one in read.handed)
    assert sorted(folder.iterdir()) == before


def test_every_submission_has_a_case(loaded: Loaded) -> None:
    """None lies in the folder without a verdict."""
    assert {one.name for one in SUBMISSIONS.iterdir()} == set(cases.PROGRAMS)
    assert len(cases.PROGRAMS) + len(cases.GENERATED) >= 40
    assert [one.check.id for one in loaded.checks] == ["answers", "prints", "agrees"]
