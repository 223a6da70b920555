"""A row of a finding, and how one is made. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lab.doctor.facts import Facts

MIB, GIB = 1 << 20, 1 << 30


class State(StrEnum):
    """How it stands with one thing."""

    OK = "ok"
    DEGRADED = "degraded"
    """some labs, keys or commands need it"""
    MISSING = "missing"
    """no lab can do without it"""
    UNTRIED = "untried"
    """it could not be looked at because of another row"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One thing: what was observed, what follows from it, and what to do."""

    name: str
    state: State
    observed: str
    follows: str = ""
    do: str = ""
    code: int = 0
    """of what is missing: the exit code (lab/errors.py)"""


def untried_because(facts: Facts) -> str:
    """Why nothing was seen inside a container; "" if it was."""
    if facts.engine is None:
        return "no engine answers"
    if facts.images is None or facts.images.missing:
        return "images are missing"
    if facts.grants is None or facts.grants.inside is None:
        return "no container runs"
    return ""


def size(count: int) -> str:
    """Bytes for people."""
    return f"{count / GIB:.1f} GiB" if count >= GIB else f"{count // MIB} MiB"


def ok(name: str, observed: str) -> Row:
    """A thing that is as it should be."""
    return Row(name=name, state=State.OK, observed=observed)


def untried(name: str, why: str) -> Row:
    """A thing that could not be looked at."""
    return Row(name=name, state=State.UNTRIED, observed=why)


def degraded(name: str, observed: str, *, follows: str, do: str) -> Row:
    """A thing that some labs, keys or commands need."""
    return Row(name=name, state=State.DEGRADED, observed=observed, follows=follows, do=do)


def missing(name: str, observed: str, *, follows: str, do: str, code: int) -> Row:
    """A thing that no lab can do without."""
    return Row(name=name, state=State.MISSING, observed=observed, follows=follows, do=do, code=code)
