"""What a demonstration can do on a running lab: run the programs of compose/programs, look, and keep the evidence.

Its words are those of the claims. What a lab can do by itself lives in `lab.live`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Self, TypeVar

from lab import waiting
from lab.checks import covers
from lab.errors import AgentError
from lab.evidence import Evidence
from lab.live import Instance, Printed, Traced
from lab.model import Address
from lab.observe import Socket, State, Translation, listeners
from lab.observe.syscalls import Call
from lab.plan import HOME
from lab.readers import read_endpoint
from lab.recordings import Capture
from lab.talk import Talk
from lab.text import joined
from lab.wiring import Output

SEEN_SECONDS = 5.0
PAUSE = 0.01
COMMAND_SECONDS = 5.0
RUN_SECONDS = 10.0
FOLDER = "programs"

T = TypeVar("T")
End = tuple[Address, int]
"""An address and a port."""


class NotSeenError(Exception):
    """What a demonstration waited for did not come to be: the claim does not hold."""

    def __init__(self, what: str, observed: object) -> None:
        super().__init__(what)
        self.what = what
        self.observed = observed


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a client of the whoami server knows of itself, and what it was told. Without an answer: only `text`."""

    text: str
    """what the client printed: the answer, or the name of the error"""
    own: str = ""
    """its own address and port, as ADDRESS:PORT"""
    server: str = ""
    """the name of the program that answered"""
    seen: str = ""
    """the address and port that the server saw, as ADDRESS:PORT"""

    @property
    def said(self) -> str:
        """The answer in short, for a table."""
        return f"{self.server} sees {self.seen}" if self.server else self.text


_ANSWER = re.compile(r"from (?P<own>\S+ \d+) \| (?P<server>\S+) sees (?P<seen>\S+ \d+)")


def read_answer(text: str) -> Answer:
    """The answer in what whoami_client.py printed."""
    found = _ANSWER.search(text)
    if found is None:
        return Answer(text=text.strip() or "nothing")
    own, seen = (joined(*found[key].split()) for key in ("own", "seen"))
    return Answer(text=text.strip(), own=own, server=found["server"], seen=seen)


def text_of(end: End) -> str:
    """An address and a port, as ADDRESS:PORT."""
    return joined(*end)


class Stage:
    """A running lab for the time of one demonstration."""

    def __init__(self, instance: Instance, programs: Mapping[str, bytes]) -> None:
        self.instance = instance
        self.programs = programs
        self.evidence = Evidence()
        self._deployed: dict[str, str] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # ---------------------------------------------------------------------------------- evidence

    def table(self, title: str = "") -> None:
        """Begin a table; rows that follow are its own."""
        self.evidence.table(title)

    def row(self, **cells: object) -> None:
        """Add a row of evidence. The first row of a table names its columns."""
        self.evidence.row(**cells)

    def expect(self, what: str, observed: object, expected: object) -> None:
        """It must be equal."""
        self.evidence.check(what, expected=expected, observed=observed, holds=observed == expected)

    def expect_in(self, what: str, observed: int, expected: range) -> None:
        """It must be a number of a range."""
        named = f"from {expected.start} to {expected.stop - 1}"
        self.evidence.check(what, expected=named, observed=observed, holds=observed in expected)

    def expect_that(self, what: str, holds: bool, *, observed: object, expected: object) -> None:
        """It must be true; `expected` says what would make it so."""
        self.evidence.check(what, expected=expected, observed=observed, holds=holds)

    def until(
        self,
        what: str,
        look: Callable[[], T],
        wanted: Callable[[T], bool],
        *,
        seconds: float = SEEN_SECONDS,
        pause: float = PAUSE,
    ) -> T:
        """Look until it is as wanted. Raises NotSeenError: then the claim does not hold."""
        seen = waiting.until(look, wanted, seconds=seconds, pause=pause)
        if not wanted(seen):
            observed = f"{len(seen)} found" if isinstance(seen, list | tuple) else seen
            raise NotSeenError(f"{what} within {seconds:g} s", observed)
        return seen

    # ---------------------------------------------------------------------------------- programs

    def folder(self, host: str) -> str:
        """Where the programs lie in a host."""
        if host not in self._deployed:
            self._deployed[host] = self.instance.deploy(host, folder=FOLDER, files=self.programs)
        return self._deployed[host]

    def command_of(self, host: str, file: str) -> tuple[tuple[str, ...], str]:
        """How a program is called in a host, without its arguments, and in which folder."""
        return ("python3", file), self.folder(host)

    def _words(self, host: str, file: str, words: tuple[object, ...]) -> tuple[tuple[str, ...], str]:
        command, folder = self.command_of(host, file)
        return (*command, *map(str, words)), folder

    def put(self, host: str, name: str, text: str) -> None:
        """Put a changed program beside the others."""
        self.folder(host)
        self.instance.deploy(host, folder=FOLDER, files={name: text})

    def put_home(self, host: str, name: str, text: str) -> None:
        """Put a file into student's home folder of a host."""
        self.instance.run(host, ("tee", f"{HOME}/{name}"), stdin=text.encode())

    def run(self, host: str, file: str, *words: object, stdin: str = "", seconds: float = RUN_SECONDS) -> str:
        """Run a program to its end; all that it printed. Raises NotSeenError if there is no end in time."""
        argv, cwd = self._words(host, file, words)
        printed: Printed = self.instance.run(host, argv, cwd=cwd, stdin=stdin.encode(), seconds=seconds)
        text = (printed.stdout + printed.stderr).decode(errors="replace").strip()
        if printed.ended.reason:
            raise NotSeenError(f"the end of {file} on {host} within {seconds:g} s", text[-200:] or "it printed nothing")
        return text

    def talk(self, host: str, file: str, *words: object) -> Talk:
        """Start a program that waits for its standard input; it ends with the demonstration."""
        argv, cwd = self._words(host, file, words)
        return self._stack.enter_context(self.instance.talk(host, argv, cwd=cwd))

    def trace(self, host: str, file: str, *words: object) -> tuple[Call, ...]:
        """Run a program to its end; its system calls, seen from outside."""
        argv, cwd = self._words(host, file, words)
        traced = self.instance.trace(host, argv, cwd=cwd, seconds=RUN_SECONDS)
        return traced_whole(file, traced)

    def trace_server(self, host: str, file: str, *words: object, at: str) -> Future[Traced]:
        """Trace a server while others use it, from when it listens at PROTOCOL/ADDRESS:PORT; its result comes with its
        end. Raises NotSeenError."""
        argv, cwd = self._words(host, file, words)
        beside = self._stack.enter_context(self.instance.again())
        pool = self._stack.enter_context(ThreadPoolExecutor(1))
        traced = pool.submit(beside.trace, host, argv, cwd=cwd, seconds=RUN_SECONDS)
        self.until(
            f"{file} on {host} listening at {at}",
            lambda: "listening" if self._listens(host, at) else "done" if traced.done() else "",
            bool,
        )
        return traced

    def _listens(self, host: str, at: str) -> bool:
        endpoint = read_endpoint(at)
        return any(covers(one, endpoint) for one in listeners(self.sockets(host)))

    def hear(self, talk: Talk, *, seconds: float = SEEN_SECONDS) -> str:
        """The next line of such a program. Raises NotSeenError."""
        line = talk.line(seconds=seconds)
        if talk.error is not None:
            raise talk.error
        if line is None:
            raise NotSeenError("a line of the program", talk.text[-200:] or "it printed nothing")
        return line

    def serve(self, host: str, file: str, *words: object, at: str) -> str:
        """Start a server and wait until it listens at PROTOCOL/ADDRESS:PORT; its name."""
        argv, cwd = self._words(host, file, words)
        name = self.instance.start(host, argv, name=file.removesuffix(".py"), cwd=cwd)

        def silent() -> Output | None:
            return None if self._listens(host, at) else self.instance.output(host, name)

        output = waiting.until(silent, lambda one: one is None or bool(one.end), seconds=SEEN_SECONDS, pause=PAUSE)
        if output is not None:
            last = output.text.decode(errors="replace").strip().splitlines()[-1:]
            observed = ", ".join([output.end or "it runs, and listens elsewhere", *last])
            raise NotSeenError(f"{file} on {host} listening at {at}", observed)
        return name

    def output(self, host: str, name: str) -> str:
        """What a server printed so far."""
        return self.instance.output(host, name).text.decode(errors="replace").strip()

    def whoami(self, host: str, protocol: str, address: str, port: int, name: str = "", *options: str) -> str:
        """Start a server that tells each client how it is seen; the name under which it runs."""
        at = f"{protocol}/{joined(address, port)}"
        words = (*options, protocol, address, port, name or host)
        return self.serve(host, "whoami_server.py", *words, at=at)

    def ask(self, host: str, protocol: str, address: str, port: int, *source: object, wait: float = 2.0) -> Answer:
        """Ask such a server from a host; `source` is a port, or a port and an address."""
        words = ("--wait", wait, protocol, address, port, *source)
        return read_answer(self.run(host, "whoami_client.py", *words))

    def hold(self, host: str, protocol: str, address: str, port: int, *source: object) -> tuple[Talk, Answer]:
        """Ask such a server and keep the socket open; the client asks again for each line it is told."""
        client = self.talk(host, "whoami_client.py", "--hold", protocol, address, port, *source)
        return client, read_answer(self.hear(client))

    @contextmanager
    def capture(self, *points: str) -> Iterator[Capture]:
        """Packets of hosts and networks. Raises AgentError if some were seen and not kept: nothing can be said then."""
        with self.instance.capture(points) as capture:
            yield capture
        if capture.dropped:
            raise AgentError(f"{capture.dropped} packets at {', '.join(points)} were seen and could not be kept")

    @contextmanager
    def route(self, host: str, *words: str) -> Iterator[None]:
        """While it lasts a host has one more route, see ip-route(8)."""
        self.command(host, "ip", "route", "add", *words)
        try:
            yield
        finally:
            self.command(host, "ip", "route", "del", *words)

    def forget_sockets(self, host: str, port: int) -> None:
        """Close a host's TCP sockets on a port, as if it had been switched off; see ss(8), --kill."""
        self.command(host, "ss", "-K", "-H", "-n", "-a", "-t", f"sport = :{port}")
        if self.on_port(host, port):
            raise AgentError(
                f"sockets of {host} cannot be closed from outside", hint="the kernel needs INET_DIAG_DESTROY"
            )

    def command(self, host: str, *words: str) -> str:
        """Run a trusted command in a host; its output. Raises AgentError if it fails."""
        done = self.instance.wiring.command(host, words, seconds=COMMAND_SECONDS)
        if done.status:
            said = done.stderr.decode(errors="replace").strip()
            raise AgentError(f"{' '.join(words)} on {host}: {said or f'exit status {done.status}'}")
        return done.stdout.decode(errors="replace")

    # ----------------------------------------------------------------------------------- looking

    def sockets(self, host: str) -> tuple[Socket, ...]:
        """Every socket of a host, with its processes, seen from outside."""
        return self.instance.look(["owners"], [host])[host].sockets

    def on_port(self, host: str, port: int, *states: State) -> tuple[Socket, ...]:
        """A host's sockets with that local port, in those states (none given: in any)."""
        return tuple(
            one for one in self.sockets(host) if one.local.port == port and (not states or one.state in states)
        )

    def read(self, host: str, path: str) -> str:
        """A file of a host's, from outside."""
        return self.command(host, "cat", path)

    def sysctl(self, host: str, key: str) -> str:
        """A kernel setting of a host, read from the kernel."""
        return " ".join(self.command(host, "sysctl", "-n", key).split())

    def translation(self, gateway: str, protocol: str, source: str) -> Translation | None:
        """The gateway's entry for a connection that was begun from ADDRESS:PORT; None if there is none."""
        entries = self.instance.translations(gateway)
        return next((one for one in entries if one.protocol == protocol and text_of(one.source) == source), None)


def traced_whole(file: str, traced: Traced) -> tuple[Call, ...]:
    """The calls of a program that was traced to its end. Raises AgentError if it was not."""
    if traced.ended.reason:
        raise AgentError(f"{file} was traced no further: {traced.ended.reason}")
    return traced.calls
