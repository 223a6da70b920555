"""A program of a submission that runs while a check looks at other things: what it prints, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, TypeVar

from lab import waiting
from lab.grading.judging import lines_in, said_table
from lab.grading.record import Layer
from lab.stage import PAUSE, SEEN_SECONDS
from lab.text import printable

if TYPE_CHECKING:
    from lab.grading.programs import Programs

T = TypeVar("T")


class Running:
    """A program that was started. What it printed is that of both its outputs."""

    def __init__(self, stage: Programs, *, host: str, file: str, name: str) -> None:
        self._stage = stage
        self._name = name
        self.host = host
        self.called = f"{file} on {host}"

    @property
    def end(self) -> str:
        """How it has ended, such as `exit status 0`; "" if it runs."""
        return self._stage.instance.output(self.host, self._name).end

    @property
    def lines(self) -> list[str]:
        """What it printed so far, without empty lines."""
        return lines_in(self._stage.output(self.host, self._name))

    def until(
        self,
        what: str,
        look: Callable[[], T],
        wanted: Callable[[T], bool],
        *,
        expected: object,
        observed: Callable[[T], object] = lambda _: "nothing",
        seconds: float = SEEN_SECONDS,
        pause: float = PAUSE,
        layer: Layer | None = None,
        hint: str = "",
    ) -> T:
        """Look until it is as wanted. The check fails if the program ends before, or it does not come to be."""

        def looked() -> tuple[str, T]:
            # In this order: what it did before its end is then seen.
            return self.end, look()

        end, seen = waiting.until(
            looked, lambda both: wanted(both[1]) or bool(both[0]), seconds=self._stage.within(seconds), pause=pause
        )
        if not wanted(seen):
            if end:
                self._failed(what, expected=expected, observed=self._last(end), layer=Layer.PROGRAM, hint=hint)
            self._failed(what, expected=expected, observed=observed(seen), layer=layer, hint=hint)
        return seen

    def expect_line(self, line: str, *, what: str = "", layer: Layer = Layer.BYTES, hint: str = "") -> None:
        """It must print that line before long."""
        self.until(
            what or f"what {self.called} prints",
            lambda: self.lines,
            lambda lines: line in lines,
            expected=line,
            observed=lambda lines: "\n".join(map(printable, lines)) or "nothing",
            layer=layer,
            hint=hint,
        )

    def expect_end(self, *, seconds: float = SEEN_SECONDS, hint: str = "") -> list[str]:
        """It must end before long, with exit status 0; its lines."""
        what = f"the end of {self.called}"
        end = waiting.until(lambda: self.end, bool, seconds=self._stage.within(seconds), pause=PAUSE)
        if end != "exit status 0":
            observed = self._last(end) if end else "it goes on"
            self._failed(what, expected="exit status 0", observed=observed, layer=Layer.PROGRAM, hint=hint)
        return self.lines

    def _last(self, end: str) -> str:
        return ": ".join([f"it has ended, {end}", *map(printable, self.lines[-1:])])

    def _failed(self, what: str, *, expected: object, observed: object, layer: Layer | None, hint: str) -> NoReturn:
        tables = [said_table(self.called, "\n".join(self.lines))]
        self._stage.fail(what, expected=expected, observed=observed, layer=layer, hint=hint, evidence=tables)
