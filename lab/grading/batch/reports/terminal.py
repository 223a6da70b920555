"""A batch as text for a terminal. Pure."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from lab import tables
from lab.grading.batch.results import Batch, CheckCount
from lab.grading.record import State
from lab.grading.reports.terminal import COLOURS
from lab.grading.reports.words import number_of
from lab.text import printable

WIDEST_BAR = 40
MOST_NAMES = 20


def text(batch: Batch) -> list[RenderableType]:
    """How many have how many points, how often each check failed and where, and who has no score."""
    parts: list[RenderableType] = [
        Text(f"{printable(batch.exercise)}: {printable(batch.title)}", style="bold"),
        Text(counts(batch)),
        Text(),
    ]
    if batch.scores:
        parts += [_distribution(batch), Text()]
    parts.append(_checks(batch))
    if batch.without_score:
        names = [printable(one.id) for one in batch.without_score]
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        text = f"without a score, which is not their fault: {', '.join(names[:MOST_NAMES])}{more}"
        parts += [Text(), Text(text, style=COLOURS[State.ERROR])]
    return parts


def counts(batch: Batch) -> str:
    """In a line."""
    told = [
        number_of(len(batch.results), "submission"),
        f"{batch.count(State.PASSED)} with all points",
        f"{batch.count(State.FAILED)} with fewer",
    ]
    told += [f"{len(batch.without_score)} without a score"] if batch.without_score else []
    told += [f"{number_of(batch.replaced, 'instance')} replaced"] if batch.replaced else []
    return ", ".join(told)


def _distribution(batch: Batch) -> RenderableType:
    most = max(batch.distribution)
    table = tables.table("", "POINTS", "SUBMISSIONS", "", numbers=("POINTS", "SUBMISSIONS"))
    for points, count in enumerate(batch.distribution):
        tables.row(table, points, count, "█" * round(WIDEST_BAR * count / most) or ("▏" if count else ""))
    return table


def _checks(batch: Batch) -> RenderableType:
    table = tables.table("", "CHECK", "PASSED", "FAILED", "BLOCKED", "ERROR", "WHERE IT BROKE", numbers=tuple(State))
    for one in batch.check_counts:
        tables.row(table, one.check.id, *(one.states.get(state, 0) for state in State), broke(one))
    return table


def broke(count: CheckCount) -> str:
    """Where a check failed, and how often."""
    return ", ".join(f"{layer} {number}" for layer, number in count.layers.items())
