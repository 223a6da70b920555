"""A program of a host that one talks with: lines in, lines out, while other things are looked at.

It has a connection to the instance's helper of its own, because a connection serves one request at a time. Making
one takes the engine longer than most talks last, so one whose program has come to its end serves the next.
"""

from __future__ import annotations

import queue
import threading
import time

from lab.errors import LabError
from lab.model import Host
from lab.wiring import Ended, Wiring

CLOSE_SECONDS = 5.0
MOST_BYTES = 1 << 20


class Spare:
    """Connections that nobody uses; no request of theirs is open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connections: list[Wiring] = []
        self._closed = False

    def take(self) -> Wiring | None:
        """One of them, if there are any."""
        with self._lock:
            return self._connections.pop() if self._connections else None

    def give(self, connection: Wiring) -> None:
        """Keep one. It is the caller's no more."""
        with self._lock:
            if not self._closed:
                self._connections.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Hang up all of them, and what is given from now on."""
        with self._lock:
            self._closed = True
            connections, self._connections = self._connections, []
        for one in connections:
            one.close()


class Talk:
    """A program that runs until its standard input ends, or until it likes."""

    def __init__(self, wiring: Wiring, host: Host, *, argv: tuple[str, ...], cwd: str, spare: Spare) -> None:
        self._wiring = wiring
        self._spare = spare
        self._closed = False
        self._input: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._printed = bytearray()
        self._told = 0
        self.ended: Ended | None = None
        self.error: LabError | None = None
        self._thread = threading.Thread(target=self._run, args=(host, argv, cwd), daemon=True)
        self._thread.start()

    def _run(self, host: Host, argv: tuple[str, ...], cwd: str) -> None:
        ended, error = None, None
        try:
            ended = self._wiring.run(
                host, argv=argv, cwd=cwd, stdin=self._input.get, stdout=self._hear, stderr=self._hear, limit=MOST_BYTES
            )
        except LabError as problem:
            error = problem
        with self._changed:
            self.ended, self.error = ended, error
            self._changed.notify_all()
        self._input.put(b"")  # whoever waits for more input need not

    def _hear(self, data: bytes) -> None:
        with self._changed:
            self._printed += data
            self._changed.notify_all()

    @property
    def text(self) -> str:
        """All that it printed so far, on both outputs."""
        with self._changed:
            return self._printed.decode(errors="replace")

    def tell(self, line: str = "") -> None:
        """Give it a line of input."""
        self._input.put(f"{line}\n".encode())

    def line(self, *, seconds: float) -> str | None:
        """Its next line, without the end of line; None if it ended, or said nothing for that long."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                rest = self._printed[self._told :]
                end = rest.find(b"\n")
                over = self.ended is not None or self.error is not None
                if end >= 0 or (over and rest):
                    taken = rest[: end + 1] if end >= 0 else rest
                    self._told += len(taken)
                    return taken.decode(errors="replace").rstrip("\n")
                if over or not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    return None

    def close(self) -> None:
        """End its input, and the program with it if it does not take that as its own end."""
        self._input.put(b"")
        self._thread.join(CLOSE_SECONDS)
        with self._changed:
            if self._closed:
                return
            self._closed = True
        if self.ended is not None:
            self._spare.give(self._wiring)
        else:
            self._wiring.close()  # the helper ends the program with its connection

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
