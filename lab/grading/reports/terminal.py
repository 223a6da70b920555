"""A record as text for a terminal. Pure."""

from __future__ import annotations

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lab import tables
from lab.grading.record import Record, State, Verdict
from lab.grading.reports import words
from lab.text import printable

COLOURS = {State.PASSED: "green", State.FAILED: "red", State.BLOCKED: "yellow", State.ERROR: "bold magenta"}
LEAST_WIDTH = 50
INDENT = max(map(len, State)) + 2
DEEPER = INDENT + 2
LONGEST_NAME = len("looked at")
MOST_NAMES = 20


def text(record: Record, *, width: int) -> list[RenderableType]:
    """The record for a terminal of that many columns: head, checks, what was not looked at, and the score.

    Only evidence may be wider, where it would have to break what one compares.
    """
    room = max(width, LEAST_WIDTH)
    parts: list[RenderableType] = [*_head(record, room), Text()]
    wide = max((len(words.points(one)) for one in record.verdicts), default=0)
    for verdict in record.verdicts:
        told = _check(verdict, room, points_width=wide)
        parts += told if len(told) == 1 else [*told, Text()]
    if record.verdicts and record.verdicts[-1].state is State.PASSED:
        parts.append(Text())
    if record.ignored:
        names = ", ".join(map(printable, record.ignored[:MOST_NAMES]))
        more = f" and {len(record.ignored) - MOST_NAMES} more" if len(record.ignored) > MOST_NAMES else ""
        parts.append(_paragraph(f"Not asked for, and not looked at: {names}{more}", room, style="dim"))
    why = words.why_no_score(record)
    if why:
        parts.append(_paragraph(why, room))
    parts.append(Text.assemble((words.score(record), "bold"), f" · {words.counts(record)}"))
    return parts


def _head(record: Record, width: int) -> list[RenderableType]:
    title = _text([f"{printable(record.exercise)}: {printable(record.title)}"], style="bold")
    variant = [f"variant {printable(record.variant)}"] if record.variant else []
    variant += [f"on {printable(record.instance)}"] if record.instance else []
    values = [f"{printable(name)}={printable(value)}" for name, value in record.values]
    return [
        _grid(width, title),
        *([_paragraph(" · ".join([*variant, *values]), width, style="dim")] if variant or values else []),
    ]


def _check(verdict: Verdict, width: int, *, points_width: int) -> list[RenderableType]:
    """A check's line, and what is to be told of it."""
    line = _grid(
        width,
        Text(verdict.state.value.ljust(INDENT - 2), style=COLOURS[verdict.state]),
        Text(words.points(verdict).rjust(points_width)),
        _text([printable(verdict.check.title)]).append(f"  {printable(verdict.check.id)}", "dim"),
    )
    details = words.details(verdict)
    if verdict.state is State.PASSED:
        return [line]
    parts: list[RenderableType] = [line]
    if details:
        told = _grid_of(width - INDENT, columns=2)
        for one in details:
            told.add_row(Text(one.name.ljust(LONGEST_NAME), style="dim"), _text(words.bounded(one.text)))
        parts.append(Padding(told, (0, 0, 0, INDENT), expand=False))
    for table in verdict.evidence:
        if table.title:
            title = _paragraph(f"{printable(table.title)}:", width - INDENT, style="dim")
            parts.append(Padding(title, (0, 0, 0, INDENT), expand=False))
        parts.append(Padding(tables.evidence(table, width=width - DEEPER), (0, 0, 0, DEEPER), expand=False))
    return parts


def _text(of: list[str], *, style: str = "") -> Text:
    return Text("\n".join(of), style=style, overflow="fold")


def _paragraph(of: str, width: int, *, style: str = "") -> Table:
    return _grid(width, _text([of], style=style))


def _grid(width: int, *cells: Text) -> Table:
    made = _grid_of(width, columns=len(cells))
    made.add_row(*cells)
    return made


def _grid_of(width: int, *, columns: int) -> Table:
    """Cells side by side, the last of which takes what room there is and is wrapped in it."""
    made = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    made.width = width
    for _ in range(columns - 1):
        made.add_column(no_wrap=True)
    made.add_column(ratio=1, overflow="fold")
    return made
