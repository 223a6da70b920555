"""The error tree, one exit code each. Nothing else lives here.

LabError                      1   any failure that is not one of these
├── UsageError                2   the command line or a lab file is wrong; nothing was created
│   └── LabFileError          2   every problem of a lab file at once
├── EngineError               3   no Docker engine answers, or it refused
│   ├── EngineRefusedError    3   it answers, and does not do what it was asked
│   │   └── TakenError        3   because another has it
│   └── ImageError            6   an image could not be built
├── InstanceError             4   no such instance, several where one is needed, or the name is taken
├── NotUpError                5   not everything declared was observed; what was made is removed again
│   └── NoWayInError          5   the helper cannot enter the hosts
├── NotPristineError          7   a reset could not be proven
├── AgentError                8   the instance's helper could not do what it was asked
└── CheckError                9   a check could not be carried out: nothing is said of the submission

A program that is run in a host ends `lab run` and `lab exec` with its own exit status.
130 is an interrupt by the user.
"""

from __future__ import annotations

from dataclasses import dataclass


class LabError(Exception):
    """A failure that a user can be told about: what was expected, what was observed, what to try."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class UsageError(LabError):
    """The command line asks for something that does not exist or makes no sense."""

    exit_code = 2


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Problem:
    """One fault of a lab file. `line` and `column` count from 1; `key` is a dotted path, "" for the whole file."""

    line: int
    column: int
    key: str
    expected: str
    observed: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.key}: " if self.key else ""
        text = f"{where}expected {self.expected}, found {self.observed}"
        return f"{text} ({self.hint})" if self.hint else text


class LabFileError(UsageError):
    """A lab file that cannot be used; carries every problem found in it, in the order of its lines."""

    def __init__(self, source: str, problems: tuple[Problem, ...]) -> None:
        self.source = source
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(f"{source}:{p.line}:{p.column}: {p}" for p in self.problems))


class EngineError(LabError):
    """The Docker engine does not answer or refused a request."""

    exit_code = 3


class EngineRefusedError(EngineError):
    """The Docker engine answered that it does not do what it was asked."""


class TakenError(EngineRefusedError):
    """What was to be created for one is another's already."""


class ImageError(EngineError):
    """An image could not be built."""

    exit_code = 6


class InstanceError(LabError):
    """The instance that a command needs does not run, is ambiguous, or its name is taken."""

    exit_code = 4


class NotUpError(LabError):
    """A lab did not come up as declared."""

    exit_code = 5


class NoWayInError(NotUpError):
    """The instance's helper runs and cannot enter its hosts, as where it may not see the machine's processes."""


class NotPristineError(LabError):
    """After a reset a host's fingerprint differs from the one taken at up."""

    exit_code = 7


class AgentError(LabError):
    """The agent in an instance's helper could not do what it was asked; its own words."""

    exit_code = 8


class CheckError(LabError):
    """A check of an exercise could not be carried out, which is not the submission's fault."""

    exit_code = 9
