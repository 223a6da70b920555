"""A process that grades jobs, one after the other, on an instance that stays: `python -m lab.grading.batch.worker`.

It is a process of its own because pytest has one session in each, and what goes wrong in it harms no other job. Lines
of JSON come on its standard input: first a Setup, then jobs; for each a reply goes out, of which the first says whether
it can begin. It ends with its input, or on SIGTERM, and removes its instance. It has nothing that a submission must not
know but the job's own values.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import IO, NoReturn

from lab import __version__, images
from lab.borrowing import Borrowed, borrowed
from lab.engine import Engine
from lab.errors import LabError, UsageError
from lab.grading import carrying, control, grade, library
from lab.grading.batch.jobs import Job, Reply
from lab.grading.carrying import Task
from lab.grading.library import Loaded
from lab.grading.record import State
from lab.live import Instance
from lab.model import Lab


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """What a worker is told once."""

    exercise: str
    """its folder"""
    prefix: str
    """how the names of its instances begin; no other worker's do"""
    version: str = __version__

    def as_text(self) -> str:
        """In one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str | bytes) -> Setup:
        """The other way."""
        return cls(**json.loads(text))


class Warm:
    """An instance that stays from one job to the next, for a `with`.

    Before each it is reset, which is proven; where it cannot be, a new one takes its place.
    """

    def __init__(self, engine: Engine, *, prefix: str, refs: Mapping[str, str]) -> None:
        self._engine, self._prefix, self._refs = engine, prefix, refs
        self._stack = ExitStack()
        self._lent: Borrowed | None = None
        self.replaced: list[str] = []
        """why, since somebody has asked"""

    def __enter__(self) -> Warm:
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()

    def fresh(self, lab: Lab) -> Instance:
        """An instance of a lab in which nothing was done yet. Raises LabError."""
        if self._lent is not None and self._lent.instance.lab != lab:
            self._remove()
        if self._lent is not None:
            try:
                self._lent.instance.reset()
            except LabError as error:
                self.replace(error.message)
        if self._lent is None:
            self._lent = self._stack.enter_context(
                borrowed(self._engine, lab, prefix=self._prefix, refs=self._refs, say=lambda _: None)
            )
        return self._lent.instance

    def replace(self, why: str) -> None:
        """Have the next one be new."""
        self.replaced.append(why)
        self._remove()

    def _remove(self) -> None:
        self._lent = None
        with contextlib.suppress(LabError):  # of an engine or an instance that is gone nothing is left to remove
            self._stack.close()


def graded(job: Job, loaded: Loaded, warm: Warm, *, lab: Lab) -> Reply:
    """Grade a job. What fails is told, and whatever it was, the next job is not concerned."""
    clock = grade.Clock()
    try:
        task = Task(loaded=loaded, instance=warm.fresh(lab), submission=job.submission, values=job.variant.mapping)
        verdicts = control.settled(task, carrying.carried_out(task, as_new=True))
    except LabError as error:
        warm.replace(error.message)
        return Reply(failure=str(error), replaced=_told(warm))
    record = grade.recorded(loaded, job.submission, job.variant, verdicts, clock=clock)
    if record.state is State.ERROR:
        warm.replace("a check could not be carried out")
    return Reply(record=record, replaced=_told(warm))


def _told(warm: Warm) -> tuple[str, ...]:
    told = tuple(warm.replaced)
    warm.replaced.clear()
    return told


def _stop(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what was begun is being cleaned up
    raise SystemExit(0)


def main() -> None:
    """See above."""
    # What a check, or a library, prints is no reply.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    signal.signal(signal.SIGTERM, _stop)
    # An interrupt at the terminal is for whoever started this: it then ends this process's input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = 0
    try:
        _serve(replies)
    except LabError as error:
        _say(replies, Reply(unable=str(error)))
        code = error.exit_code
    except SystemExit:
        pass
    sys.stderr.flush()
    # At once: the signal may have come when a library had just taken a lock, which finalizers would wait for.
    os._exit(code)


def _serve(replies: IO[str]) -> None:
    """Raises LabError if no engine, image or exercise is to be had."""
    setup = Setup.from_text(sys.stdin.buffer.readline())
    if setup.version != __version__:
        raise UsageError(f"expected socketlab {setup.version}, found {__version__}")
    loaded = library.load(setup.exercise)
    with Engine.connect() as engine:
        refs = images.ensure(engine, say=lambda _: None)
        lab: Lab | None = None
        _say(replies, Reply())
        with Warm(engine, prefix=setup.prefix, refs=refs) as warm:
            for line in sys.stdin.buffer:
                job = Job.from_text(line)
                if lab is None or loaded.lab_varies:
                    lab = loaded.lab(job.variant.mapping)
                _say(replies, graded(job, loaded, warm, lab=lab))


def _say(replies: IO[str], reply: Reply) -> None:
    replies.write(f"{reply.as_text()}\n")
    replies.flush()


if __name__ == "__main__":
    main()
