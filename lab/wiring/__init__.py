"""How hosts get their network: the protocol that every wiring satisfies, and nothing else.

`fabric` is one implementation. A wiring turns a Plan's links into real ones, looks into hosts, runs programs in
them and cleans them; it decides nothing about what ought to be there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from lab.model import Host, Lab
from lab.plan import Plan


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How a foreground program ended: its exit status, and why it was ended from outside (`timeout`, `output`)."""

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


class Wiring(Protocol):
    """One instance's wiring, connected."""

    def find(self, containers: Mapping[str, str]) -> None:
        """Learn which container (id) is which host (name)."""

    def wire(self, plan: Plan) -> None:
        """Make every link, address, route, rule and setting of the plan."""

    def look(
        self, what: Iterable[str], *, hosts: Iterable[str] | None = None, sysctls: Iterable[str] = ()
    ) -> dict[str, dict[str, Any]]:
        """For every host (None: all) the text of each thing asked for; see observe.host_view."""

    def deploy(self, host: str, *, folder: str, files: Mapping[str, bytes]) -> None:
        """Put files into /home/student/<folder>."""

    def start(self, host: Host, *, program: str, argv: tuple[str, ...], cwd: str) -> None:
        """Start a program that stays."""

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
    ) -> Ended:
        """Run a program to its end."""

    def resize(self, terminal: Terminal) -> None:
        """Tell the program that runs now that its terminal has another size."""

    def started(self) -> tuple[Started, ...]:
        """The programs that were started to stay."""

    def output(self, host: str, program: str) -> Output:
        """What such a program printed last."""

    def stop(self, host: str, program: str) -> None:
        """Kill such a program, and its process group."""

    def segments(self) -> dict[str, str]:
        """What is carried out on the segments, as text: see segments.seen."""

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

    def turn(self) -> AbstractContextManager[None]:
        """While it lasts no other client changes the instance, if it takes its turn too. Waits for the others."""

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
