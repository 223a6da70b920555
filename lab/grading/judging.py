"""Judging: what an exercise's variables are, what must be so, and how long it may take. The first thing that is not as
asked ends the check with a FailedError; what was looked at, and how, lives in the modules that build on this one."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from lab.errors import UsageError
from lab.evidence import Table
from lab.grading.record import Layer
from lab.live import Instance
from lab.stage import PAUSE, SEEN_SECONDS, Stage
from lab.talk import Talk
from lab.text import cut, printable

LAST_LINES = 12
MOST_TEXT = 2000


class FailedError(Exception):
    """A submission does not do what was asked."""

    def __init__(
        self,
        what: str,
        *,
        expected: object,
        observed: object,
        layer: Layer | None = None,
        hint: str = "",
        evidence: Iterable[Table] = (),
    ) -> None:
        super().__init__(f"{what}: expected {expected}, observed {observed}")
        self.what = what
        self.expected = short(expected)
        self.observed = short(observed)
        self.layer = layer
        self.hint = hint
        self.evidence = tuple(evidence)


def short(value: object) -> str:
    """A value in words, cut if it is long: a submission may have made it."""
    if isinstance(value, bytes):
        value = repr(value)[1:]
    return cut(str(value), MOST_TEXT)


def lines_in(text: str) -> list[str]:
    """Its lines, without those that are empty."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def said_table(program: str, text: str) -> Table:
    """The last lines that a program printed, as evidence."""
    lines = [printable(line.expandtabs())[:200] for line in text.splitlines() if line.strip()][-LAST_LINES:]
    return Table(
        title=f"{program} printed last", columns=("line",), rows=tuple((line,) for line in lines or ["nothing"])
    )


class Judging(Stage):
    """A running lab for the time of one check, in which a submission has a limited time."""

    def __init__(
        self, instance: Instance, programs: Mapping[str, bytes], *, values: Mapping[str, str], seconds: float
    ) -> None:
        super().__init__(instance, programs)
        self.values = values
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds

    # ------------------------------------------------------------------------------------- values

    def value(self, name: str) -> str:
        """A variable of the exercise, as it is for this variant. Raises UsageError."""
        if name not in self.values:
            raise UsageError(f"expected a variable of the exercise, found {name!r}: there are {', '.join(self.values)}")
        return self.values[name]

    def number(self, name: str) -> int:
        """A variable that is a number. Raises UsageError."""
        return int(self.value(name))

    # --------------------------------------------------------------------------------- judgements

    def fail(
        self,
        what: str,
        *,
        expected: object,
        observed: object,
        layer: Layer | None = None,
        hint: str = "",
        evidence: Iterable[Table] = (),
    ) -> NoReturn:
        """End the check: the submission does not do what was asked."""
        raise FailedError(what, expected=expected, observed=observed, layer=layer, hint=hint, evidence=evidence)

    def expect(
        self, what: str, observed: object, expected: object, *, hint: str = "", layer: Layer | None = None
    ) -> None:
        """It must be equal."""
        super().expect(what, observed, expected)
        if observed != expected:
            self.fail(what, expected=expected, observed=observed, hint=hint, layer=layer)

    def expect_in(
        self, what: str, observed: int, expected: range, *, hint: str = "", layer: Layer | None = None
    ) -> None:
        """It must be a number of a range."""
        super().expect_in(what, observed, expected)
        if observed not in expected:
            named = f"from {expected.start} to {expected.stop - 1}"
            self.fail(what, expected=named, observed=observed, hint=hint, layer=layer)

    def expect_that(
        self,
        what: str,
        holds: bool,
        *,
        observed: object,
        expected: object,
        hint: str = "",
        layer: Layer | None = None,
    ) -> None:
        """It must be true; `expected` says what would make it so."""
        super().expect_that(what, holds, observed=observed, expected=expected)
        if not holds:
            self.fail(what, expected=expected, observed=observed, hint=hint, layer=layer)

    # --------------------------------------------------------------------------------------- time

    def within(self, seconds: float) -> float:
        """At most so long, and not longer than the check may take."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            self.fail(
                "the time of the check",
                expected=f"an end within {self._seconds:g} s",
                observed="it goes on",
                layer=Layer.PROGRAM,
                hint="is a socket read that nobody writes to?",
            )
        return min(seconds, left)

    def until(
        self,
        what: str,
        look: Any,
        wanted: Any,
        *,
        seconds: float = SEEN_SECONDS,
        pause: float = PAUSE,
    ) -> Any:
        """See Stage."""
        return super().until(what, look, wanted, seconds=self.within(seconds), pause=pause)

    def hear(self, talk: Talk, *, seconds: float = SEEN_SECONDS) -> str:
        """See Stage."""
        return super().hear(talk, seconds=self.within(seconds))
