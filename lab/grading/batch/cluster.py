"""Workers on other machines: a dask.distributed cluster places jobs on its workers, each of which has a Docker engine.

The exercise travels to every worker, those that come later too; jobs and replies travel as text. What a worker loses
with its end is placed on another by dask. A worker that cannot grade, as without an engine, is sent away, and its job
placed on another.
"""

from __future__ import annotations

import contextlib
import queue
import shutil
import tempfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed import Client, Future, get_worker
from distributed.diagnostics.plugin import WorkerPlugin

from lab.engine import Engine
from lab.errors import EngineError, UsageError
from lab.grading.batch.jobs import Job, Reply
from lab.grading.batch.local import Done
from lab.grading.batch.process import Worker
from lab.grading.batch.worker import Setup

CONNECT_SECONDS = 5.0
NOBODY_SECONDS = 60.0
"""A cluster may be without a worker for a while, as when one is replaced."""
PLUGIN = "socketlab"


# --------------------------------------------------------------------------------- on a dask worker


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What came of a job, and where; without a reply, why none can come of any job there."""

    worker: str
    reply: str
    why: str = ""


class Grader(WorkerPlugin):
    """What a dask worker has for a batch: the exercise, and a grading process for each job that it does at once."""

    def __init__(self, *, name: str, exercise: str, files: Mapping[str, bytes], prefix: str, seconds: float) -> None:
        self.name = name
        self._exercise, self._files = exercise, dict(files)
        self._prefix, self._seconds = prefix, seconds

    def setup(self, worker: Any) -> None:
        """Called by dask as a worker gets to know of it."""
        # Dask removes what a worker that was killed has left there.
        self._folder = Path(tempfile.mkdtemp(prefix="socketlab-", dir=worker.local_directory))
        self._idle: queue.LifoQueue[Worker] = queue.LifoQueue()
        self._all: list[Worker] = []
        for name, data in self._files.items():
            path = self._folder / self._exercise / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def teardown(self, worker: Any) -> None:  # noqa: ARG002  # what dask calls it with
        """Called by dask as the worker ends, or the batch."""
        for one in self._all:
            one.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def grade(self, text: str) -> tuple[Reply, str]:
        """What comes of a job; and, if nothing comes of any, why."""
        worker = self._worker()
        try:
            reply = worker.grade(Job.from_text(text), seconds=self._seconds)
        finally:
            self._idle.put(worker)
        return reply, reply.unable or (_no_engine() if reply.why_none else "")

    def _worker(self) -> Worker:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            prefix = f"{self._prefix}{uuid.uuid4().hex[:6]}-"
            self._all.append(Worker(Setup(exercise=str(self._folder / self._exercise), prefix=prefix)))
            return self._all[-1]


def _no_engine() -> str:
    try:
        with Engine.connect():
            return ""
    except EngineError as error:
        return error.message


def _graded(plugin: str, text: str) -> Answer:
    """The task that dask places."""
    worker = get_worker()
    grader = worker.plugins[plugin]
    assert isinstance(grader, Grader)
    reply, why = grader.grade(text)
    return Answer(worker=worker.address, reply="" if why else reply.as_text(), why=why)


# ------------------------------------------------------------------------------------ on this machine


class Cluster:
    """A cluster's workers, for a `with`. Raises UsageError if there is no scheduler."""

    def __init__(self, address: str, *, exercise: str, files: Mapping[str, bytes], prefix: str, seconds: float) -> None:
        self._address = address
        self._plugin = f"{PLUGIN}-{prefix}{uuid.uuid4().hex[:6]}"
        self._grader = Grader(
            name=self._plugin,
            exercise=exercise,
            files=files,
            prefix=prefix,
            seconds=seconds,
        )
        self._done: queue.SimpleQueue[tuple[Job, Future[Answer]]] = queue.SimpleQueue()
        self._nobody_since: float | None = None
        self._unable = ""
        self.most = 1

    def __enter__(self) -> Cluster:
        try:
            self._client = Client(self._address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"expected a dask scheduler at {self._address}, found none: {error}",
                hint="`dask scheduler` starts one, and `dask worker ADDRESS` its workers; see docs/scaling.md",
            ) from error
        self._client.register_plugin(self._grader)
        self._count()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            self._client.unregister_worker_plugin(self._plugin)
        self._client.close()

    def submit(self, job: Job) -> None:
        """Have a job graded somewhere. Raises EngineError."""
        self._look_for_the_scheduler()
        future = self._client.submit(_graded, self._plugin, job.as_text(), pure=False)
        future.add_done_callback(lambda done: self._done.put((job, done)))

    def next(self, *, seconds: float) -> Done | None:
        """The next job that is done, in whatever order; None if there is none in time. Raises EngineError."""
        self._count()
        try:
            job, future = self._done.get(timeout=seconds)
        except queue.Empty:
            return None
        if future.status != "finished":
            self._look_for_the_scheduler(future)
            return Done(job=job, reply=Reply(failure=f"dask gave it up: {future.exception()}"))
        answer = future.result()
        if answer.why:
            self._unable = f"{answer.worker} {answer.why}"
            self._client.retire_workers([answer.worker])
            self.submit(job)
            return None
        try:
            return Done(job=job, reply=Reply.from_text(answer.reply))
        except (LookupError, TypeError, ValueError):
            return Done(job=job, reply=Reply(failure=f"{answer.worker} said something else than a reply"))

    def look(self) -> None:
        """Raise EngineError if there has been no worker for a while, or there is no scheduler."""
        self._count()

    def _look_for_the_scheduler(self, future: Future[Answer] | None = None) -> None:
        """Without it nothing comes of any job, and all that were handed out are cancelled. Raises EngineError."""
        lost = future is not None and future.status in ("cancelled", "lost")
        if lost or self._client.status != "running":
            raise EngineError(f"the scheduler {self._address} is gone", hint="start it again, and workers")

    def _count(self) -> None:
        """How many jobs the workers can have. Raises EngineError."""
        self._look_for_the_scheduler()
        workers = self._client.scheduler_info()["workers"]
        self.most = max(1, 2 * sum(one["nthreads"] for one in workers.values()))
        if workers:
            self._nobody_since = None
            return
        self._nobody_since = self._nobody_since or time.monotonic()
        if time.monotonic() - self._nobody_since > NOBODY_SECONDS:
            raise EngineError(
                f"expected workers at the scheduler {self._address}, found none for {NOBODY_SECONDS:.0f} s"
                + (f"; the last that was sent away: {self._unable}" if self._unable else ""),
                hint="`dask worker ADDRESS` starts one on each machine that has a Docker engine",
            )
