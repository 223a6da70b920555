"""What came of a check, and of all checks of a submission: the one record that every report is made of. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from lab.evidence import Table


class State(StrEnum):
    """What came of a check."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    BLOCKED = "BLOCKED"
    """Nothing can be said, because a check that it needs has failed."""
    ERROR = "ERROR"
    """Nothing can be said, and it is not the submission's fault: the check itself could not be carried out."""


class Layer(StrEnum):
    """Where something broke first, on the way that a packet goes: from the file to the bytes that arrive."""

    SUBMISSION = "submission"
    """files are missing, or are none that can be run"""
    PROGRAM = "program"
    """the program ended, or did not end, or printed what it should not"""
    NO_LISTENER = "no listener"
    """nothing listens at that port"""
    WRONG_ADDRESS = "listener on the wrong address"
    NAME = "name not resolved"
    """a name led to no address, or to another"""
    NO_ROUTE = "no route"
    """the sender has no way to the address"""
    REFUSED = "refused"
    """the answer was a reset, or an ICMP message"""
    FILTERED = "filtered"
    """no answer came back"""
    TRANSLATED = "translated otherwise"
    """the client's, the gateway's and the server's view of a connection do not fit"""
    BYTES = "wrong bytes"
    """it arrived, and is not what was asked for"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Declared:
    """A check as its author declared it."""

    id: str
    """the function's name without `test_`"""
    title: str
    points: int
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What came of one check."""

    check: Declared
    state: State
    layer: Layer | None = None
    what: str = ""
    """what was looked at; with `expected` and `observed` a sentence"""
    expected: str = ""
    observed: str = ""
    hint: str = ""
    evidence: tuple[Table, ...] = ()
    reason: str = ""
    """of BLOCKED and ERROR: why nothing can be said"""
    seconds: float = 0.0

    @property
    def points(self) -> int:
        """What it brings."""
        return self.check.points if self.state is State.PASSED else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class SubmittedFile:
    """A file of a submission."""

    name: str
    size: int
    """bytes"""
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A submission, checked. `verdicts` holds every declared check once, in their order."""

    exercise: str
    title: str
    variant: str
    values: tuple[tuple[str, str], ...]
    """the variables of the exercise, as they were for this variant"""
    files: tuple[SubmittedFile, ...]
    ignored: tuple[str, ...]
    """what else lay in the folder and was not looked at"""
    verdicts: tuple[Verdict, ...]
    started: float
    """seconds since the epoch"""
    seconds: float
    instance: str = ""
    """the kept instance that it was checked on; "" if it was one of its own, or none"""

    @property
    def state(self) -> State:
        """PASSED if every check is; ERROR if one could not be carried out: then there is no score."""
        states = {one.state for one in self.verdicts}
        if State.ERROR in states or not states:
            return State.ERROR
        return State.PASSED if states == {State.PASSED} else State.FAILED

    @property
    def most(self) -> int:
        """The points that there are."""
        return sum(one.check.points for one in self.verdicts)

    @property
    def score(self) -> int | None:
        """The points of the checks that passed; None if one could not be carried out."""
        return None if self.state is State.ERROR else sum(one.points for one in self.verdicts)

    def count(self, state: State) -> int:
        """How many checks ended so."""
        return sum(one.state is state for one in self.verdicts)


def ids(verdicts: Iterable[Verdict], state: State) -> frozenset[str]:
    """The checks that ended so."""
    return frozenset(one.check.id for one in verdicts if one.state is state)
