"""Workers on this machine: jobs are graded by several processes at once."""

from __future__ import annotations

import os
import queue
import threading
from dataclasses import dataclass

from lab.engine import Engine
from lab.errors import EngineError, LabError
from lab.grading.batch.jobs import Job, Reply
from lab.grading.batch.process import Worker, remove
from lab.grading.batch.worker import Setup


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """A job, and what came of it."""

    job: Job
    reply: Reply


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0))


class Local:
    """Some workers, each with an instance of its own, for a `with`."""

    def __init__(self, *, exercise: str, prefix: str, count: int, seconds: float) -> None:
        self._prefix, self._seconds = prefix, seconds
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Done] = queue.SimpleQueue()
        self._workers = [Worker(Setup(exercise=exercise, prefix=f"{prefix}{number}-")) for number in range(count)]
        self._threads = [threading.Thread(target=self._work, args=(one,), daemon=True) for one in self._workers]
        self._over = False
        self.most = count + 1
        """jobs that are here at once: one waits, so that no worker does"""

    def _work(self, worker: Worker) -> None:
        while (job := self._jobs.get()) is not None and not self._over:
            try:
                reply = worker.grade(job, seconds=self._seconds)
            except Exception as error:  # whoever waits for the job has to hear of it
                reply = Reply(failure=f"{type(error).__name__}: {error}")
            self._done.put(Done(job=job, reply=reply))
        worker.close()

    def submit(self, job: Job) -> None:
        """Have a job graded."""
        self._jobs.put(job)

    def next(self, *, seconds: float) -> Done | None:
        """The next job that is done, in whatever order; None if there is none in time. Raises LabError."""
        try:
            done = self._done.get(timeout=seconds)
        except queue.Empty:
            return None
        if done.reply.unable:
            raise LabError(f"no worker can begin: {done.reply.unable}")
        return done

    def look(self) -> None:
        """Raise EngineError if the engine does not answer."""
        try:
            with Engine.connect():
                pass
        except EngineError as error:
            raise EngineError(f"the engine is gone: {error.message}", hint=error.hint) from error

    def __enter__(self) -> Local:
        remove(self._prefix)  # what a batch that was killed has left
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._over = True
        for _each in self._threads:
            self._jobs.put(None)
        if kind is not None:  # what is graded now is wanted no more
            for worker in self._workers:
                worker.stop()
        for thread in self._threads:
            thread.join()
