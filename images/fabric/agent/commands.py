"""Trusted commands in a host: bounded in time and output, and run with nothing that a student could have written.

A command runs in all of the host's namespaces, the mount namespace too, so it sees the host's files as the host
does. What it executes comes from the host's image, whose root is read-only and owned by root; the search path
names no folder that a program of the host can write to. The one file of a program's that the C library would read,
gai.conf(5), is not there: in a mount namespace of the command's own, what leads to it is covered by an empty folder.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass, field

from namespaces import TOOL_ENVIRONMENT, AgentError, Place

NAMESPACES = ("mnt", "net", "uts", "ipc", "pid")
CHUNK = 65536
MOST_MEMORY = 512 * 1024
"""KiB, of addresses (getrlimit(2), RLIMIT_AS): what a command reads of a program's cannot fill the machine's memory."""
LEADS_TO_STUDENT = "/etc/socketlab"
EMPTY = "/mnt"
APART = (
    *("unshare", "--mount", "--", "sh", "-c"),
    f'mount -n --bind {EMPTY} {LEADS_TO_STUDENT} && ulimit -v {MOST_MEMORY} || exit 125; exec "$@"',
    "sh",
)
"""What stands before a command's words: see above."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a command ended and what it printed."""

    status: int
    stdout: bytes
    stderr: bytes


def run(place: Place, argv: list[str], *, stdin: bytes, seconds: float, limit: int) -> Done:
    """Run a command in a host as its root user. Raises AgentError after `seconds`, or beyond `limit` bytes printed."""
    enter = [f"--{'mount' if kind == 'mnt' else kind}=/proc/{place.pid}/ns/{kind}" for kind in NAMESPACES]
    process = subprocess.Popen(
        ["nsenter", *enter, "--", *APART, *argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=TOOL_ENVIRONMENT,
        start_new_session=True,
    )
    try:
        return _Exchange(process, stdin, limit).until(time.monotonic() + seconds)
    except _TooMuchError as error:
        raise AgentError(f"{place.name}: {' '.join(argv)[:200]}: {error} ({seconds} s, {limit} bytes)") from None
    finally:
        # nsenter's child is in its process group; killing nsenter alone would leave it.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


class _TooMuchError(Exception):
    """More time or more output than allowed."""


@dataclass(kw_only=True)
class _Printed:
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)


class _Exchange:
    """A process' input on its way in and its output on its way out."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes, limit: int) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self.waiting = bytearray(stdin)
        self.left = limit
        self.printed = _Printed()
        self.ends = selectors.DefaultSelector()
        self.input = process.stdin
        os.set_blocking(self.input.fileno(), False)
        self.ends.register(self.input, selectors.EVENT_WRITE, None)
        self.ends.register(process.stdout, selectors.EVENT_READ, self.printed.stdout)
        self.ends.register(process.stderr, selectors.EVENT_READ, self.printed.stderr)

    def until(self, deadline: float) -> Done:
        """To the end of output and process."""
        with self.ends:
            while self.ends.get_map():
                ready = self.ends.select(max(0.0, deadline - time.monotonic()))
                if not ready:
                    raise _TooMuchError("no end in time")
                for key, _ in ready:
                    if key.data is None:
                        self._write()
                    elif not self._read(key.fd, key.data):
                        self.ends.unregister(key.fileobj)
        try:
            status = self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise _TooMuchError("no end in time") from None
        return Done(status=status, stdout=bytes(self.printed.stdout), stderr=bytes(self.printed.stderr))

    def _write(self) -> None:
        try:
            if self.waiting:
                del self.waiting[: os.write(self.input.fileno(), self.waiting)]
        except BrokenPipeError:
            self.waiting.clear()
        if not self.waiting:
            self.ends.unregister(self.input)
            self.input.close()

    def _read(self, descriptor: int, kept: bytearray) -> bool:
        data = os.read(descriptor, CHUNK)
        self.left -= len(data)
        if self.left < 0:
            raise _TooMuchError("too much output")
        kept += data
        return bool(data)
