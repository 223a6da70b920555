"""Programs in hosts: started by each host's own PID 1, their output kept here, out of their reach.

The protocol with PID 1 is described in images/host/init.c.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import selectors
import signal
import socket
import struct
import termios
import threading
import time
from dataclasses import dataclass, field
from typing import Protocol

from namespaces import AgentError, Place, pids_of
from tracer import Tracer

KEPT_BYTES = 256 * 1024
"""How much of a program's output is kept: the end of it."""
INIT_SECONDS = 30
REFUSALS = {
    "failed": "no more processes are allowed",
    "too": "the command and its environment are too long",
}
"""What it means when a host's PID 1 starts no program, by the first word of its answer."""
CHUNK = 65536
AT_ONCE_BYTES = 1024 * 1024
BYTES_PER_SECOND = 4 * 1024 * 1024
"""What a program that stays may print at full speed, and how fast what comes after it is read, most of it for nobody.

A writer and a reader that wake each other without a pause can keep all others from a processor for minutes.
"""
PIECE = 512 * 1024
STUDENT = 1000
TTY_GROUP = 5
TIOCSPTLCK = 0x40045431
TIOCGPTPEER = 0x5441
"""ioctl_tty(2); Python's termios has them only from 3.13 on"""


@dataclass(kw_only=True)
class Running:
    """A program that was started to stay: what it printed last and how it ended."""

    name: str
    pid: int
    init: socket.socket | None = None
    """the connection over which PID 1 reports the end; without it, the program is killed"""
    output: bytearray = field(default_factory=bytearray)
    dropped: int = 0
    end: str = ""
    ended: threading.Event = field(default_factory=threading.Event)

    def keep(self, data: bytes) -> None:
        """Add output, forgetting the oldest beyond KEPT_BYTES."""
        self.output += data
        excess = len(self.output) - KEPT_BYTES
        if excess > 0:
            self.dropped += excess
            del self.output[:excess]

    def stop(self) -> None:
        """Have PID 1 kill it, and return when that is done. Raises AgentError if it is not done in time."""
        if self.ended.is_set() or self.init is None:
            return
        self.end = "stopped"
        with contextlib.suppress(OSError):  # it has ended this moment, and its socket is closed
            self.init.shutdown(socket.SHUT_WR)
        if not self.ended.wait(INIT_SECONDS):
            raise AgentError(f"{self.name}: cannot be ended")


def _connect(place: Place) -> socket.socket:
    init = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    init.settimeout(INIT_SECONDS)
    deadline = time.monotonic() + 5
    while True:
        try:
            init.connect(f"{place.root}/run/socketlab/init.sock")
            return init
        except (FileNotFoundError, ConnectionRefusedError) as error:
            # A container counts as started before its first process has opened its socket.
            if time.monotonic() > deadline:
                init.close()
                raise AgentError(f"{place.name}: its first process does not answer ({error.strerror})") from error
            time.sleep(0.002)


def kill_all(place: Place, *, verb: str = "kill") -> None:
    """End every process of a host but its first. Raises AgentError if some are left."""
    with _connect(place) as init:
        init.send(f"{verb}\0".encode())
        said = init.recv(64).decode()
    if said != "none left":
        raise AgentError(f"{place.name}: processes could not be ended ({said or 'no answer'})")


def end_all(place: Place) -> None:
    """The same, from among the host's processes: those of this container go on. Raises AgentError."""
    kill_all(place, verb="end")
    deadline = time.monotonic() + INIT_SECONDS
    while entered := [one for one in pids_of(place) if one != place.pid]:
        # What is left is root's: somebody entered (docker-exec(1)).
        for pid in entered:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise AgentError(f"{place.name}: processes could not be ended: {', '.join(map(str, entered))}")
        time.sleep(0.001)


def _spawn(
    place: Place,
    argv: list[str],
    environment: dict[str, str],
    cwd: str,
    descriptors: tuple[int, int, int],
    *,
    verb: str = "run",
) -> tuple[socket.socket, int]:
    """Start a program; the connection that reports its end, and its pid as seen in the host."""
    if not argv:
        raise AgentError("no command was given")
    words = [verb, cwd, str(len(argv)), *argv, *(f"{name}={value}" for name, value in environment.items())]
    if any("\0" in word for word in words):
        raise AgentError("a word of the command holds a NUL byte")
    init = _connect(place)
    try:
        socket.send_fds(init, ["\0".join(words).encode(errors="surrogateescape") + b"\0"], list(descriptors))
        said = init.recv(64).decode()
    except OSError as error:
        init.close()
        reason = REFUSALS["too"] if error.errno == errno.EMSGSIZE else error.strerror
        raise AgentError(f"{place.name}: cannot start {argv[0]}: {reason}") from error
    if not said.startswith("pid "):
        init.close()
        reason = REFUSALS.get(said.partition(" ")[0], said or "no answer")
        raise AgentError(f"{place.name}: cannot start {argv[0]}: {reason}")
    return init, int(said.split()[1])


def start(
    place: Place, name: str, argv: list[str], environment: dict[str, str], cwd: str, *, trusted: bool = False
) -> Running:
    """Start a program that stays. Its output is read by a thread of its own until nobody holds the pipe.

    A `trusted` one runs as the user service and not as student.
    """
    reading, writing = os.pipe()
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    try:
        init, pid = _spawn(place, argv, environment, cwd, (null, writing, writing), verb="serve" if trusted else "run")
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(null)
        os.close(writing)
    running = Running(name=name, pid=pid, init=init)
    threading.Thread(target=_follow, args=(running, init, reading), daemon=True).start()
    return running


def _follow(running: Running, init: socket.socket, reading: int) -> None:
    printed = 0
    with init, selectors.DefaultSelector() as ends:
        ends.register(reading, selectors.EVENT_READ)
        ends.register(init, selectors.EVENT_READ)
        while ends.get_map():
            # What it printed comes before its end: whoever sees the one has the other.
            for key, _ in sorted(ends.select(), key=lambda one: one[0].fileobj is init):
                if key.fileobj is init:
                    ends.unregister(init)
                    running.end = running.end or _end(_receive(init))
                    running.ended.set()
                    continue
                data = os.read(reading, CHUNK)
                running.keep(data)
                printed += len(data)
                if not data:
                    ends.unregister(reading)
                    os.close(reading)
                elif printed > AT_ONCE_BYTES:
                    time.sleep(len(data) / BYTES_PER_SECOND)


def _receive(init: socket.socket) -> str:
    try:
        return init.recv(64).decode()
    except OSError:
        return ""  # the host is gone


def _end(said: str) -> str:
    """How a program ended, for people: `exit status 1`, `killed by SIGKILL`."""
    word, _, number = said.partition(" ")
    if word == "exit":
        return f"exit status {number}"
    if word == "signal":
        try:
            return f"killed by {signal.Signals(int(number)).name}"
        except ValueError:  # most real-time signals have no name (signal(7))
            return f"killed by signal {number}"
    return "ended with its host"


def _status(said: str) -> int:
    """As a shell would give it: 128 + N for signal N."""
    word, _, number = said.partition(" ")
    return int(number) if word == "exit" else 128 + int(number or 9)


Size = tuple[int, int]
"""A terminal's lines and columns."""


class Client(Protocol):
    """Whoever asked for a program to be run, at the other end of a connection."""

    def fileno(self) -> int:
        """The descriptor that is readable when `receive` has something to give."""

    def receive(self) -> list[bytes | Size] | None:
        """Pieces for the program's standard input; an empty one closes it. Or a terminal's new size.

        None: the client went.
        """

    def send(self, stream: str, data: bytes) -> None:
        """Pass on what the program printed to `stdout` or `stderr`, or its `calls`."""


def run(
    place: Place,
    argv: list[str],
    environment: dict[str, str],
    cwd: str,
    *,
    client: Client,
    early: list[bytes | Size],
    seconds: float | None,
    limit: int | None,
    terminal: Size | None = None,
    traced: bool = False,
) -> tuple[int, str]:
    """Run a program to its end, passing its input and output on. `early` is input that is there already.

    With the size of a `terminal` it gets one of its host's, where both outputs come together.

    `traced`: its system calls follow as `calls`, in the words of strace(1), when it has ended.

    Returns the exit status (128 + N for a signal) and a reason, which is "" unless it was ended from here:
    `timeout` after `seconds`, `output` beyond `limit` bytes, `calls` if it made more calls than are kept, `client` if
    nobody listens any more.
    """
    theirs, stdin, outputs = _pipes() if terminal is None else _terminal(place, terminal)
    try:
        try:
            init, pid = _spawn(place, argv, environment, cwd, theirs, verb="hold" if traced else "run")
        finally:
            for descriptor in set(theirs):
                os.close(descriptor)
    except BaseException:
        for descriptor in (stdin, *outputs):
            os.close(descriptor)
        raise
    conversation = _Conversation(client, init, stdin, outputs, limit)
    tracer: Tracer | None = None
    try:
        if traced:
            tracer = Tracer.attach(place, pid)
        conversation.take_input(early)
        status, reason = conversation.go_on(None if seconds is None else time.monotonic() + seconds)
    finally:
        conversation.close()
        calls = b"" if tracer is None else tracer.finish()
    with contextlib.suppress(OSError):  # the client went; nobody wants to know
        for start in range(0, len(calls), PIECE):
            client.send("calls", calls[start : start + PIECE])
    return status, "calls" if tracer is not None and tracer.full else reason


Ends = tuple[tuple[int, int, int], int, dict[int, str]]
"""The program's three descriptors; ours for its input; ours for its outputs, with their names."""


def _pipes() -> Ends:
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()
    err_read, err_write = os.pipe()
    return (in_read, out_write, err_write), in_write, {out_read: "stdout", err_read: "stderr"}


def _terminal(place: Place, size: Size) -> Ends:
    """A new terminal of the host's (pts(4)), which belongs to student."""
    try:
        ours = os.open(f"{place.root}/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        fcntl.ioctl(ours, TIOCSPTLCK, struct.pack("i", 0))
        theirs = fcntl.ioctl(ours, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        os.fchown(theirs, STUDENT, TTY_GROUP)
        _resize(ours, size)
        return (theirs, theirs, theirs), ours, {os.dup(ours): "stdout"}
    except OSError as error:
        raise AgentError(f"{place.name}: no terminal can be had: {error.strerror}") from error


def _resize(terminal: int, size: Size) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", *size, 0, 0))


class _Conversation:
    """One foreground program: input flows in, output flows out, until it ends or is ended."""

    def __init__(
        self, client: Client, init: socket.socket, stdin: int, outputs: dict[int, str], limit: int | None
    ) -> None:
        self.client = client
        self.init = init
        self.stdin: int | None = stdin
        self.waiting = bytearray()  # input that the program has not taken yet
        self.last_input = False
        self.outputs = outputs
        self.left = limit
        self.status: int | None = None
        self.reason = ""
        os.set_blocking(stdin, False)
        self.ends = selectors.DefaultSelector()
        self.ends.register(client, selectors.EVENT_READ, self._from_client)
        self.ends.register(init, selectors.EVENT_READ, self._from_init)
        for descriptor in outputs:
            self.ends.register(descriptor, selectors.EVENT_READ, self._from_program)

    def go_on(self, deadline: float | None) -> tuple[int, str]:
        """Until the program ended and its pipes are drained, or there is a reason to end it."""
        while not self.reason:
            if self.status is not None:
                wait: float | None = 0  # a daemon may hold the pipes; only what already lies in them counts
            else:
                wait = None if deadline is None else max(0.0, deadline - time.monotonic())
            ready = self.ends.select(wait)
            if self.status is not None and not any(key.fd in self.outputs for key, _ in ready):
                return self.status, ""
            if not ready:
                return 124, "timeout"
            for key, _ in ready:
                key.data(key.fd)
        return 137, self.reason

    def close(self) -> None:
        """Let go of everything; a program that still runs is killed by its PID 1."""
        self.ends.close()
        self.init.close()
        for descriptor in [*self.outputs, *([] if self.stdin is None else [self.stdin])]:
            os.close(descriptor)

    def _from_init(self, _: int) -> None:
        self.ends.unregister(self.init)
        self.status = _status(_receive(self.init))

    def _from_program(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, CHUNK)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            data = b""  # nobody holds the other end of the terminal any more
        if not data:
            self.ends.unregister(descriptor)
            os.close(descriptor)
            del self.outputs[descriptor]
            return
        if self.left is not None:
            data = data[: self.left]
            self.left -= len(data)
            if not data:
                self.reason = "output"
                return
        try:
            self.client.send(self.outputs[descriptor], data)
        except OSError:
            self.reason = "client"

    def _from_client(self, _: int) -> None:
        pieces = self.client.receive()
        if pieces is None:
            self.reason = "client"
            return
        self.take_input(pieces)

    def take_input(self, pieces: list[bytes | Size]) -> None:
        """Input for the program. Nothing more is read from the client until it has taken this."""
        if self.stdin is None:
            return
        for piece in pieces:
            if isinstance(piece, tuple):
                _resize(self.stdin, piece)
            elif not self.last_input:
                self.waiting += piece
                self.last_input = not piece
        if self.waiting or self.last_input:
            self.ends.unregister(self.client)
            self.ends.register(self.stdin, selectors.EVENT_WRITE, self._to_program)

    def _to_program(self, stdin: int) -> None:
        try:
            if self.waiting:
                del self.waiting[: os.write(stdin, self.waiting)]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self.waiting.clear()
            self.last_input = True
        if self.waiting:
            return
        self.ends.unregister(stdin)
        self.ends.register(self.client, selectors.EVENT_READ, self._from_client)
        if self.last_input:
            os.close(stdin)
            self.stdin = None
