"""What a batch has come to: one result for each submission, and what they are together. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lab.grading import reports
from lab.grading.record import Declared, Record, State


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What came of one submission."""

    id: str
    name: str
    """of the folder or archive, as far as it is printable"""
    record: Record
    attempts: int = 1
    """how often it was tried; more than once only if something was wrong that was not its fault"""
    replaced: tuple[str, ...] = ()
    """why instances had to be replaced by new ones for it or after it"""

    def without_evidence(self) -> Result:
        """The same, small enough to keep thousands of."""
        verdicts = tuple(replace(one, evidence=()) for one in self.record.verdicts)
        return replace(self, record=replace(self.record, verdicts=verdicts))

    def as_json(self) -> dict[str, Any]:
        """For a journal."""
        return {
            "id": self.id,
            "name": self.name,
            "attempts": self.attempts,
            "replaced": list(self.replaced),
            "record": reports.as_json(self.record),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Result:
        """The other way. Raises LookupError, TypeError or ValueError."""
        return cls(
            id=value["id"],
            name=value["name"],
            attempts=value["attempts"],
            replaced=tuple(value["replaced"]),
            record=reports.from_json(value["record"]),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckCount:
    """How often a check ended in which state, and where it broke if it failed."""

    check: Declared
    states: Mapping[State, int]
    layers: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Every submission of a folder, graded."""

    exercise: str
    title: str
    results: tuple[Result, ...]
    """by id"""
    started: float
    """seconds since the epoch"""
    most: int
    """the points that there are"""
    checks: tuple[Declared, ...]

    @property
    def scores(self) -> tuple[int, ...]:
        """Of those that have one."""
        return tuple(one.record.score for one in self.results if one.record.score is not None)

    @property
    def without_score(self) -> tuple[Result, ...]:
        """Those that could not be graded, which is not their fault."""
        return tuple(one for one in self.results if one.record.score is None)

    @property
    def replaced(self) -> int:
        """How many instances were replaced by new ones, because a reset could not be proven or a check not be made."""
        return sum(len(one.replaced) for one in self.results)

    def count(self, state: State) -> int:
        """How many submissions ended so."""
        return sum(one.record.state is state for one in self.results)

    @property
    def distribution(self) -> tuple[int, ...]:
        """How many have 0 points, 1 point, and so on to all of them."""
        counted = Counter(self.scores)
        return tuple(counted[points] for points in range(self.most + 1))

    @property
    def check_counts(self) -> tuple[CheckCount, ...]:
        """Of each check, in their order; before them whether the files are there, if they are not always."""
        found = []
        declared = {one.id for one in self.checks}
        others = {
            v.check.id: v.check for one in self.results for v in one.record.verdicts if v.check.id not in declared
        }
        for check in (*others.values(), *self.checks):
            verdicts = [v for one in self.results for v in one.record.verdicts if v.check.id == check.id]
            layers = Counter(v.layer.value for v in verdicts if v.state is State.FAILED and v.layer)
            found.append(
                CheckCount(check=check, states=Counter(v.state for v in verdicts), layers=dict(layers.most_common()))
            )
        return tuple(found)
