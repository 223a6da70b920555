"""From a folder of submissions to one result for each, in parallel, with nothing lost and nothing graded twice."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from collections import deque
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lab.errors import LabError, UsageError
from lab.grading import carrying, grade, library, submission
from lab.grading.batch import entries as folder_entries
from lab.grading.batch import journal as journals
from lab.grading.batch.entries import Entry
from lab.grading.batch.jobs import Job
from lab.grading.batch.journal import Attempt, Head, Journal, Read
from lab.grading.batch.local import Done
from lab.grading.batch.reports.data import SUBMISSIONS
from lab.grading.batch.results import Batch, Result
from lab.grading.formats import Format
from lab.grading.grade import Clock, Variant
from lab.grading.library import Loaded
from lab.grading.record import Record, State, Verdict
from lab.grading.submission import Submission
from lab.text import printable

ATTEMPTS = 3
OURS = frozenset({SUBMISSIONS, *Format})
"""Folders among the results in which there are files of each submission."""
LOOK_SECONDS = 0.5
"""Nothing has to happen for an interrupt to be noticed."""
LEAST_SECONDS = 60.0
TIMES = 3
"""A check that could not be carried out is carried out again, and with the solution; see control.py."""


class Crew(Protocol):
    """Whoever grades jobs, here or elsewhere, for a `with`."""

    most: int

    def submit(self, job: Job) -> None:
        """Have a job graded."""

    def next(self, *, seconds: float) -> Done | None:
        """The next job that is done, in whatever order; None if there is none in time."""

    def look(self) -> None:
        """Raise EngineError if nobody can grade any more: that is the reason for all that fails, then."""


class Watch(Protocol):
    """Hears how it goes on."""

    def begin(self, *, total: int, done: Iterable[Result]) -> None:
        """How many submissions there are, and those that have a result already."""

    def result(self, result: Result) -> None:
        """A submission has its result."""

    def failed(self, attempt: Attempt, *, left: int) -> None:
        """A submission could not be graded; how many attempts are left."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A batch that is to be graded, or to be gone on with."""

    loaded: Loaded
    head: Head
    entries: tuple[Entry, ...]
    out: Path
    given: frozenset[str]
    """files that come with the starter, of which nobody is told that they are not looked at"""
    is_new: bool


# -------------------------------------------------------------------------------------- what is asked


def planned(loaded: Loaded, folder: Path, out: Path, *, variant: str = "", attempts: int = ATTEMPTS) -> Plan:
    """A new batch. Where each variant would have another lab, all of its submissions get the same one.

    Raises UsageError.
    """
    found = folder_entries.entries(folder)
    if out.resolve() == folder.resolve() or folder.resolve() in out.resolve().parents:
        raise UsageError(
            f"expected a folder for the results beside the submissions, found {out}, which is in {folder}",
            hint="what lies there is taken for submissions",
        )
    within = folder.resolve().relative_to(out.resolve()).parts if out.resolve() in folder.resolve().parents else ()
    if within and within[0] in OURS:
        raise UsageError(
            f"expected a folder for the results in which they do not get among the submissions, found {out}",
            hint=f"its folder {within[0]} would hold both; name another folder",
        )
    journals.check_new(out)
    if not variant and loaded.lab_varies:
        variant = grade.variant(loaded.exercise).name
    if variant:
        grade.variant(loaded.exercise, variant)
    head = Head(
        batch=secrets.token_hex(3),
        exercise=str(loaded.folder.resolve()),
        checks=digest(loaded),
        submissions=str(folder.resolve()),
        variant=variant,
        key=_known_again(loaded),
        attempts=attempts,
        started=round(time.time(), 3),
    )
    return Plan(loaded=loaded, head=head, entries=found, out=out, given=_given(loaded), is_new=True)


def resumed(out: Path) -> Plan:
    """The batch whose results are in a folder. Raises UsageError if it cannot be gone on with in the same way."""
    plan = begun(out)
    if has_changed(plan):
        raise UsageError(
            f"expected the exercise {plan.head.exercise} as it was, but it has changed since",
            hint="submissions graded before and after would not compare; grade all of them into another folder",
        )
    return plan


def begun(out: Path) -> Plan:
    """The same, but with the exercise as it is now. Raises UsageError."""
    head = journals.read(out).head
    loaded = library.load(head.exercise)
    if _known_again(loaded) != head.key:
        raise UsageError(
            f"expected the key with which {out} was begun, found another one in {grade.KEY_VARIABLE}",
            hint="with another key the submissions get other values",
        )
    found = folder_entries.entries(Path(head.submissions))
    return Plan(loaded=loaded, head=head, entries=found, out=out, given=_given(loaded), is_new=False)


def _given(loaded: Loaded) -> frozenset[str]:
    return frozenset(loaded.files(library.STARTER))


def has_changed(plan: Plan) -> bool:
    """Whether the exercise is another one than when the batch was begun."""
    return digest(plan.loaded) != plan.head.checks


def digest(loaded: Loaded) -> str:
    """Of the exercise's files."""
    made = hashlib.sha256()
    for name, data in library.packed(loaded.folder).items():
        made.update(f"{name}\0{len(data)}\0".encode() + data)
    return made.hexdigest()


def _known_again(loaded: Loaded) -> str:
    """By which a key is known again, and cannot be found out."""
    return hmac.digest(grade.key(), f"{loaded.exercise.name}\0journal".encode(), "sha256").hex()[:16]


def variant_of(plan: Plan, id_: str) -> Variant:
    """A submission's variant, which is the same each time, and not known to whoever has not the key."""
    name = plan.head.variant
    if not name:
        seed = hmac.digest(grade.key(), f"{plan.loaded.exercise.name}\0{id_}\0variant".encode(), "sha256")
        name = f"v{seed.hex()[:10]}"
    return grade.variant(plan.loaded.exercise, name)


def handed_in(plan: Plan, entry: Entry) -> Submission:
    """What a submission holds of the files that are asked for. Raises LabError if it cannot be looked at any more."""
    if not os.path.lexists(entry.path):
        raise LabError(
            f"expected {printable(entry.path.name)} among the submissions, but it has gone since they were listed",
            hint="is the folder still there?",
        )
    return submission.read_any(entry.path, plan.loaded.exercise, given=plan.given)


# ------------------------------------------------------------------------------------------- grading


def graded(plan: Plan, crew: AbstractContextManager[Crew], watch: Watch) -> Batch:
    """Grade what has no result yet. Returns when each submission has its result.

    Raises EngineError if the engine is gone, LabError if a result cannot be written: nothing is lost then, and a batch
    goes on where it was.
    """
    if plan.is_new:
        journal, found = journals.begin(plan.out, plan.head), Read(head=plan.head, results={}, places={}, failed={})
    else:
        journal, found = journals.go_on(plan.out)
    with journal:
        wanted = [one for one in plan.entries if one.id not in found.results]
        results = dict(found.results)
        watch.begin(total=len(plan.entries), done=results.values())
        grading = _Grading(plan, journal, watch, results, failed=dict(found.failed))
        grading.all(wanted, crew)
    return batch(plan, results.values())


def prefix(head: Head) -> str:
    """How the names of a batch's instances begin."""
    return f"grade-{head.batch}-"


def batch(plan: Plan, results: Iterable[Result]) -> Batch:
    """What a batch has come to."""
    return Batch(
        exercise=plan.loaded.exercise.name,
        title=plan.loaded.exercise.title,
        results=tuple(sorted(results, key=lambda one: one.id)),
        started=plan.head.started,
        most=plan.loaded.exercise.points,
        checks=tuple(one.check for one in plan.loaded.checks),
    )


def seconds_for(loaded: Loaded) -> float:
    """What a submission may take, with all that can go wrong: then something hangs that is not the submission."""
    each = loaded.exercise.seconds + carrying.GRACE_SECONDS
    return LEAST_SECONDS + TIMES * each * len(loaded.checks)


class _Grading:
    def __init__(
        self, plan: Plan, journal: Journal, watch: Watch, results: dict[str, Result], *, failed: dict[str, int]
    ) -> None:
        self._plan, self._journal, self._watch = plan, journal, watch
        self._results, self._failed = results, failed
        self._replaced: dict[str, tuple[str, ...]] = {}
        self._entries = {one.id: one for one in plan.entries}

    def all(self, wanted: Iterable[Entry], crew: AbstractContextManager[Crew]) -> None:
        """Until each has its result."""
        waiting = deque(wanted)
        if not waiting:
            return
        with crew as engaged:
            under_way = 0
            while waiting or under_way:
                while waiting and under_way < engaged.most:
                    job = self._job(waiting.popleft())
                    if job is not None:
                        engaged.submit(job)
                        under_way += 1
                done = engaged.next(seconds=LOOK_SECONDS) if under_way else None
                if done is not None and self._settled(done, engaged):
                    under_way -= 1
                elif done is not None:
                    engaged.submit(done.job)

    def _job(self, entry: Entry) -> Job | None:
        """What is to be graded; None if nothing is, because files are missing: it then has its result."""
        clock = Clock()
        read = handed_in(self._plan, entry)
        job = Job(id=entry.id, variant=variant_of(self._plan, entry.id), submission=read)
        if not read.faults:
            return job
        verdicts = carrying.without_files(read, self._plan.loaded)
        self._keep(job, grade.recorded(self._plan.loaded, read, job.variant, verdicts, clock=clock))
        return None

    def _settled(self, done: Done, crew: Crew) -> bool:
        """Whether a job has its result: what failed is tried again, up to a limit. Raises EngineError."""
        job, reply = done.job, done.reply
        failure = reply.why_none
        if failure:
            crew.look()
            attempt = Attempt(id=job.id, reason=failure)
            self._journal.failed(attempt)
            self._failed[job.id] = self._failed.get(job.id, 0) + 1
            left = self._plan.head.attempts - self._failed[job.id]
            self._watch.failed(attempt, left=max(0, left))
            if left > 0:
                self._replaced[job.id] = (*self._replaced.get(job.id, ()), *reply.replaced)
                return False
        self._keep(job, reply.record or self._without_record(job, failure), replaced=reply.replaced)
        return True

    def _without_record(self, job: Job, why: str) -> Record:
        """What is said of a submission that could not even be begun with."""
        verdicts = tuple(
            Verdict(check=one.check, state=State.ERROR, reason=printable(why)) for one in self._plan.loaded.checks
        )
        return grade.recorded(self._plan.loaded, job.submission, job.variant, verdicts, clock=Clock())

    def _keep(self, job: Job, record: Record, *, replaced: tuple[str, ...] = ()) -> None:
        failed = self._failed.pop(job.id, 0)
        result = Result(
            id=job.id,
            name=printable(self._entries[job.id].path.name),
            record=record,
            attempts=max(1, failed + (record.state is not State.ERROR)),
            replaced=(*self._replaced.pop(job.id, ()), *replaced),
        )
        self._journal.result(result)
        self._results[job.id] = result.without_evidence()
        self._watch.result(result)
