"""System calls of a program, seen from outside: strace(1) runs here, attached to a program that waits for it.

The program is held by its host's PID 1 before it has given up that process' privilege (images/host/init.c, `hold`), so
no other program of the host can continue it; from its first instruction on it is traced.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from namespaces import TOOL_ENVIRONMENT, AgentError, Place, pid_here

LIMIT = 16 * 1024 * 1024
"""bytes of text that are kept; a program that makes more calls than that is ended"""
ATTACH_SECONDS = 10.0
FINISH_SECONDS = 5.0
CHUNK = 65536
MOST_SAID = 4096
CALLS = (
    "%network,%process,?open,openat,openat2,?creat,read,readv,pread64,preadv,preadv2,write,writev,pwrite64,pwritev,"
    "pwritev2,sendfile,copy_file_range,splice,vmsplice,tee,close,close_range,?pipe,pipe2,dup,?dup2,dup3,pidfd_getfd,"
    "fcntl,ioctl,?poll,ppoll,?select,pselect6,?epoll_create,epoll_create1,epoll_ctl,?epoll_wait,epoll_pwait,epoll_pwait2"
)
"""What is traced: whatever makes, uses or closes a descriptor, but for what asks about files and maps memory. Those
with a question mark are not there on every processor (strace(1))."""
COMMAND = [
    *("strace", "-f", "-ttt", "-T", "-s", "200", "-qq", "--decode-pids=pidns"),
    *("-e", "signal=none", "-e", f"trace={CALLS}", "-o", "/dev/stdout", "-p"),
]


@dataclass(kw_only=True)
class Tracer:
    """One program's strace."""

    process: subprocess.Popen[bytes]
    pid: int
    """the program's, as seen here"""
    pid_inside: int
    """the program's, as seen in its host"""
    data: bytearray = field(default_factory=bytearray)
    full: bool = False
    said: bytearray = field(default_factory=bytearray)
    readers: list[threading.Thread] = field(default_factory=list)

    @classmethod
    def attach(cls, place: Place, pid: int) -> Tracer:
        """Trace a program that is held, given by its pid in the host; then let it go on. Raises AgentError."""
        here = pid_here(place, pid)
        deadline = time.monotonic() + ATTACH_SECONDS
        _until(lambda: _status(here).get("State", "")[:1] == "T", deadline, f"{place.name}: the program does not stop")
        process = subprocess.Popen(
            [*COMMAND, str(here)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=TOOL_ENVIRONMENT,
        )
        tracer = cls(process=process, pid=here, pid_inside=pid)
        tracer.readers = [threading.Thread(target=one, daemon=True) for one in (tracer._read, tracer._hear)]
        for one in tracer.readers:
            one.start()
        try:
            # From then on it goes nowhere without strace (ptrace(2), PTRACE_SEIZE).
            _until(
                lambda: _status(here).get("TracerPid") == str(process.pid) or process.poll() is not None,
                deadline,
                f"{place.name}: strace does not attach",
            )
            if process.poll() is not None:
                said = tracer.said.decode(errors="replace").strip()
                raise AgentError(f"{place.name}: strace: {said or 'ended'}")
            os.kill(here, signal.SIGCONT)
        except BaseException:
            tracer.finish()
            raise
        return tracer

    def _read(self) -> None:
        assert self.process.stdout is not None
        while piece := os.read(self.process.stdout.fileno(), CHUNK):
            room = max(0, LIMIT - len(self.data))
            self.data += piece[:room]
            if len(piece) > room and not self.full:
                self.full = True
                with contextlib.suppress(ProcessLookupError):
                    # It is a child of its host's PID 1, or traced, until strace has told of its end: still the same.
                    os.kill(self.pid, signal.SIGKILL)

    def _hear(self) -> None:
        assert self.process.stderr is not None
        while piece := os.read(self.process.stderr.fileno(), CHUNK):
            self.said += piece[: max(0, MOST_SAID - len(self.said))]

    def finish(self) -> bytes:
        """Let go of what still runs; everything that was traced, whole lines."""
        self.process.terminate()
        try:
            self.process.wait(FINISH_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for one in self.readers:
            one.join(FINISH_SECONDS)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
        # Of the others strace tells both numbers where they are born.
        return f"{self.pid} is {self.pid_inside}\n".encode() + self.data[: self.data.rfind(b"\n") + 1]


def _status(pid: int) -> dict[str, str]:
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    except OSError:
        return {}


def _until(wanted: Callable[[], bool], deadline: float, otherwise: str) -> None:
    while not wanted():
        if time.monotonic() > deadline:
            raise AgentError(otherwise)
        time.sleep(0.001)
