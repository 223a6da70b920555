"""How a batch goes on, on standard error: a bar with rate and time left on a terminal, else a line for each result."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from lab.grading.record import State
from lab.grading.reports import words
from lab.text import printable

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from lab.grading.batch.journal import Attempt
    from lab.grading.batch.results import Result


LATELY = 30
"""Results that the rate is told of."""


class Progress:
    """For a `with`."""

    def __init__(self) -> None:
        self._total = self._done = 0
        self._when: deque[float] = deque(maxlen=LATELY)
        self._counts = dict.fromkeys(State, 0)
        self._replaced = 0
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
            self._bar = Bar(*columns, console=Console(file=sys.stderr))
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begin(self, *, total: int, done: Iterable[Result]) -> None:
        """See Watch."""
        self._total = total
        for one in done:
            self._count(one)
        self._when.clear()
        self._when.append(time.monotonic())
        if self._bar is not None:
            self._task = self._bar.add_task("starting", total=total, completed=self._done)
        elif self._done:
            sys.stderr.write(f"{self._done} of {total} have their result\n")

    def result(self, result: Result) -> None:
        """See Watch."""
        self._count(result)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done, description=self._how())
            return
        record = result.record
        score = words.score(record) if record.score is not None else record.state.value
        sys.stderr.write(f"{self._done}/{self._total} {_harmless(result.id)}: {score} · {self._rate()}\n")

    def failed(self, attempt: Attempt, *, left: int) -> None:
        """See Watch."""
        reason = _harmless(" ".join(attempt.reason.split()))[:300]
        text = f"not graded: {_harmless(attempt.id)}: {reason}; "
        text += f"tried again ({left} left)" if left else "given up"
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            sys.stderr.write(f"{text}\n")

    def _count(self, result: Result) -> None:
        self._done += 1
        self._when.append(time.monotonic())
        self._counts[result.record.state] += 1
        self._replaced += len(result.replaced)

    def _how(self) -> str:
        """What is known by now."""
        told = [f"{self._counts[state]} {state.lower()}" for state in (State.PASSED, State.FAILED)]
        told += [f"{self._counts[State.ERROR]} without a score"] if self._counts[State.ERROR] else []
        told += [f"{self._replaced} instances replaced"] if self._replaced else []
        return " · ".join([*told, self._rate()])

    def _rate(self) -> str:
        """How many in a minute lately, and the time left if it goes on so."""
        each = (self._when[-1] - self._when[0]) / max(1, len(self._when) - 1)
        left = timedelta(seconds=round(each * (self._total - self._done)))
        return f"{60 / each if each else 0:.0f} per minute, {left} left"


def _harmless(text: str) -> str:
    """A text for the middle of a line, which no runner takes for a command: some obey `##[` wherever it stands."""
    return printable(text).replace("##", "# #")
