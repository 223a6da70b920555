"""How hosts get their network: the protocol that every wiring satisfies, and nothing else.

`fabric` and `networks` are the implementations, `agent` is what both talk with. A wiring turns a Plan's links into
real ones, looks into hosts, runs programs in them and cleans them; it decides nothing about what ought to be there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from lab.model import Address, Host, Lab
from lab.plan import Plan
from lab.services import Service

TURN_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How a foreground program ended: its exit status, and why it was ended from outside.

    That is `timeout`, `output` or, where its calls are traced, `calls`.
    """

    status: int
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Terminal:
    """What a program knows of its terminal: lines, columns, and its kind (environ(7), TERM)."""

    lines: int
    columns: int
    kind: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """The last output of a program that was started to stay. `dropped` bytes before it are forgotten."""

    text: bytes
    dropped: int
    end: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """A program that was started to stay. `end` is "" as long as it runs."""

    host: str
    program: str
    pid: int
    end: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandResult:
    """What a trusted program said."""

    status: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class CapturePoint:
    """Where frames are recorded: all interfaces of a host, or a whole network."""

    name: str
    is_network: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """A piece of a recording, and what is to be known beside it."""

    data: bytes
    end: int = 0
    """how many bytes the recording had when this was read"""
    lost: int = 0
    """what was dropped: frames of a capture, bytes of text"""
    overrun: bool = False
    """whether the kernel had to drop events, nobody knows how many"""
    complete: int = 0
    """of a capture: when everything was read that had come (nanoseconds since 1970)"""
    interfaces: tuple[tuple[int, str], ...] = ()
    """of a capture: (index of the point, name of the interface)"""


class Wiring(Protocol):
    """One instance's wiring, connected."""

    def find(self, containers: Mapping[str, str]) -> None:
        """Learn which container (id) is which host (name)."""

    def wire(self, plan: Plan) -> str:
        """Make every link, address, route, rule and setting of the plan.

        Where the kernel refuses the rules that count on the segments, and nothing else needs them, there are none:
        what it said, else "".
        """

    def look(
        self, what: Iterable[str], *, hosts: Iterable[str] | None = None, sysctls: Iterable[str] = ()
    ) -> dict[str, dict[str, Any]]:
        """For every host (None: all) the text of each thing asked for; see observe.host_view."""

    def deploy(self, host: str, *, folder: str, files: Mapping[str, bytes]) -> None:
        """Put files into /home/student/<folder>."""

    def start(self, host: Host, *, program: str, argv: tuple[str, ...], cwd: str) -> str:
        """Start a program that stays; its name: `program`, or the first free `program-N` if one of that name runs."""

    def serve(self, host: str, service: Service) -> None:
        """Start a trusted daemon with its files put in place; one of that name that runs is ended before."""

    def query(self, queries: Iterable[tuple[str, Address, int, bytes]], *, seconds: float) -> tuple[bytes | None, ...]:
        """Send UDP datagrams, each from a host to an address and port; what came back of each in time.

        They are sent by the wiring's own program in the host's network namespace.
        """

    def run(
        self,
        host: Host,
        *,
        argv: tuple[str, ...],
        cwd: str,
        stdin: Callable[[], bytes | None] | None = None,
        stdout: Callable[[bytes], None],
        stderr: Callable[[bytes], None],
        seconds: float | None = None,
        limit: int | None = None,
        terminal: Terminal | None = None,
        calls: Callable[[bytes], None] | None = None,
    ) -> Ended:
        """Run a program to its end. With `calls` its system calls are traced, which is told in the words of strace(1).

        One that makes more calls than are kept is ended, for the reason `calls`.
        """

    def resize(self, terminal: Terminal) -> None:
        """Tell the program that runs now that its terminal has another size."""

    def started(self) -> tuple[Started, ...]:
        """The programs that were started to stay."""

    def output(self, host: str, program: str) -> Output:
        """What such a program printed last."""

    def stop(self, host: str, program: str) -> None:
        """Kill such a program, and all of its session."""

    def segments(self, lab: Lab) -> dict[str, str]:
        """What is carried out on the segments, as text: see segments.seen."""

    def segment_rules(self, lab: Lab) -> tuple[str, ...]:
        """What nft(8) must tell of it: every rule that counts and loses packets."""

    def clean(self, lab: Lab, hosts: Iterable[str]) -> None:
        """End every program of hosts, and empty whatever programs and traffic fill.

        With all hosts of the lab the segments too: what waits on them, and what was counted.
        """

    def command(
        self, host: str, argv: tuple[str, ...], *, seconds: float, limit: int = 1 << 20, stdin: bytes = b""
    ) -> CommandResult:
        """Run a trusted program in the host's namespaces, as its root user.

        It comes from the host's image, which no program of the host can write to. Raises LabError after `seconds`,
        or beyond `limit` bytes of output.
        """

    def capture(self, lab: Lab, points: Iterable[CapturePoint], *, limit: int) -> int:
        """Begin to record what passes points, at most `limit` bytes that are unread; the recording's number.

        When it returns, the points are watched. A recording ends with this connection at last.
        """

    def events(self, gateway: str) -> int:
        """Begin to record the events of a gateway's connection tracking; the recording's number."""

    def recorded(self, recording: int, *, at: int, drain: bool = False) -> Recorded:
        """A piece of a recording from the byte `at` on, before which it is let go; empty at the end of what there is.

        With `drain` everything that came before this call is there.
        """

    def stop_recording(self, recording: int) -> None:
        """Record nothing more than what came before this call. It can still be read."""

    def forget_recording(self, recording: int) -> None:
        """Let go of a recording."""

    def turn(self, *, seconds: float = TURN_SECONDS) -> AbstractContextManager[None]:
        """While it lasts no other client changes the instance, if it takes its turn too.

        Waits for the others at most that long; then it raises AgentError. One in the other is the same turn.
        """

    def seal(self, value: object) -> None:
        """Keep a JSON value for as long as the instance lives."""

    def sealed(self) -> Any:
        """The value kept by `seal`; None if the instance never was up."""

    def living(self) -> frozenset[str]:
        """The hosts that still are what was wired: one that was restarted has lost its network."""

    def is_sealed(self) -> bool:
        """Whether there is such a value, which may be large: whether the instance came up."""

    def close(self) -> None:
        """Hang up. The instance goes on."""
