"""A claim of the note, and what a demonstration of it has shown. Pure: values only, nothing runs here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from lab.evidence import Check, Evidence, Table

if TYPE_CHECKING:
    from lab.stage import Stage


class Verdict(StrEnum):
    """What came of a demonstration."""

    HOLDS = "HOLDS"
    WITH_CARE = "HOLDS, WITH CARE"
    """It was observed as the note says, and so was where the note is imprecise."""
    DOES_NOT_HOLD = "DOES NOT HOLD"
    ERROR = "ERROR"
    """Nothing can be said: the demonstration itself could not be carried out."""


Show = Callable[["Stage"], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """One thing that the note says, and how it is shown."""

    id: str
    says: str
    """the sentence of the note; in parentheses what it only implies"""
    lab: str
    source: str
    """the RFC or man page that it comes from"""
    care: str
    """where the note is imprecise, and what is true; "" if it is not"""
    show: Show

    @property
    def did(self) -> str:
        """What the demonstration does, in a sentence or two."""
        return " ".join((self.show.__doc__ or "").split())


def claim(*, id: str, says: str, lab: str, source: str, care: str = "") -> Callable[[Show], Claim]:  # noqa: A002
    """Make a claim of a function that shows it."""
    return lambda show: Claim(id=id, says=says, lab=lab, source=source, care=care, show=show)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """A claim's demonstration: verdict, evidence, and for an ERROR the reason."""

    claim: Claim
    verdict: Verdict
    tables: tuple[Table, ...] = ()
    checks: tuple[Check, ...] = ()
    reason: str = ""
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether it was observed as claimed, with care or without."""
        return self.verdict in (Verdict.HOLDS, Verdict.WITH_CARE)


def outcome(claim: Claim, evidence: Evidence, *, reason: str = "", seconds: float = 0.0) -> Outcome:
    """The verdict on what was collected. `reason` says why the demonstration could not be carried out."""
    if not reason and not evidence.checks:
        reason = "the demonstration has checked nothing"
    if reason:
        verdict = Verdict.ERROR
    elif not all(check.holds for check in evidence.checks):
        verdict = Verdict.DOES_NOT_HOLD
    else:
        verdict = Verdict.WITH_CARE if claim.care else Verdict.HOLDS
    return Outcome(
        claim=claim,
        verdict=verdict,
        tables=evidence.tables(),
        checks=tuple(evidence.checks),
        reason=reason,
        seconds=seconds,
    )
