"""A worker's process, held by another one: jobs in, replies out, whatever becomes of the process."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import tempfile
import time
from typing import IO

from lab import instances
from lab.engine import Engine
from lab.errors import LabError
from lab.grading.batch.jobs import Job, Reply
from lab.grading.batch.worker import Setup
from lab.plan import LABEL_INSTANCE

END_SECONDS = 20.0
"""What a worker may take to remove its instance."""
MOST_REPLY = 64 << 20
MOST_SAID = 2000


class Worker:
    """It is started with its first job, and again after it has ended."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._process: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None
        self._buffer = bytearray()
        self._stopped = False

    def grade(self, job: Job, *, seconds: float) -> Reply:
        """What comes of a job within so many seconds; else, or if the process ends, that is told as a failure."""
        deadline = time.monotonic() + seconds
        try:
            process = self._process
            if process is None:
                process = self._start()
                begun = self._answer(process, self._setup.as_text(), deadline)
                if begun.unable:
                    self._end("")
                    return begun
            return self._answer(process, job.as_text(), deadline)
        except TimeoutError:
            return Reply(failure=self._end(f"it was not graded within {seconds:.0f} s"))
        except OSError:
            return Reply(failure=self._end("its worker has ended"))
        except (LookupError, TypeError, ValueError):
            return Reply(failure=self._end("its worker said something else than a reply"))

    def _answer(self, process: subprocess.Popen[bytes], line: str, deadline: float) -> Reply:
        """What the process answers to a line. Raises OSError, TimeoutError; LookupError, TypeError, ValueError."""
        assert process.stdin is not None
        process.stdin.write(line.encode() + b"\n")
        process.stdin.flush()
        return Reply.from_text(self._line(process, deadline))

    def _start(self) -> subprocess.Popen[bytes]:
        if self._stopped:
            raise BrokenPipeError
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # it is closed in _end
        self._buffer.clear()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "lab.grading.batch.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            # So that no signal reaches it that is meant for others at a terminal.
            start_new_session=True,
        )
        return self._process

    def _line(self, process: subprocess.Popen[bytes], deadline: float) -> bytes:
        """Its next line. Raises OSError if there is none, TimeoutError if there is none in time."""
        assert process.stdout is not None
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
                raise TimeoutError
            piece = os.read(process.stdout.fileno(), 1 << 20)
            if not piece or len(self._buffer) > MOST_REPLY:
                raise BrokenPipeError("it has ended" if not piece else "it says too much")
            self._buffer += piece
        line, _, rest = self._buffer.partition(b"\n")
        self._buffer = bytearray(rest)
        return bytes(line)

    def _end(self, why: str) -> str:
        """Kill the process, remove its instances; why, and what it said."""
        process, self._process = self._process, None
        said, self._said = self._said, None
        text = why
        if process is not None:
            process.kill()
            status = process.wait()
            _hang_up(process)
            text = f"{why} (exit status {status})" if status >= 0 else why
        if said is not None:
            said.seek(0, 2)
            said.seek(max(0, said.tell() - MOST_SAID))
            tail = said.read().decode(errors="replace").strip()
            text = f"{text}: {tail}" if tail else text
            said.close()
        with contextlib.suppress(LabError):
            remove(self._setup.prefix)
        return text

    def stop(self) -> None:
        """Have it end in the midst of a job, and begin none. To be called while another thread waits for it."""
        self._stopped = True
        process = self._process
        if process is not None:
            process.terminate()

    def close(self) -> None:
        """End the process, which removes its instance."""
        self.stop()
        process = self._process
        if process is None:
            return
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._end("")
            return
        _hang_up(process)
        self._process = None
        if self._said is not None:
            self._said.close()


def _hang_up(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def remove(prefix: str) -> int:
    """Remove the instances whose names begin so; how many that were. Raises LabError."""
    with Engine.connect() as engine:
        found = [one.name for one in instances.running(engine) if one.name.startswith(prefix)]
        for name in found:
            instances.remove(engine, {LABEL_INSTANCE: name})
        return len(found)
