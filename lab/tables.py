"""Tables for a terminal, in which nothing that comes out of a lab is markup or drives the terminal. Pure."""

from __future__ import annotations

import io
from collections.abc import Iterable

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lab import evidence as seen
from lab.text import lines, printable

NO_WIDTH = 10_000
LONGEST_WHOLE = 50
"""An IPv6 address with its port is never broken."""
LEAST_WRAPPED = 24


def table(title: str, *columns: str, numbers: Iterable[str] = ()) -> Table:
    """A table without lines; columns that are `numbers` are aligned to the right."""
    above = Text(printable(title), style="table.title") if title else None
    made = Table(title=above, title_justify="left", header_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in columns:
        # What one compares, an address above all, is never broken: a terminal that is too narrow wraps whole lines.
        heading = Text(printable(column))
        made.add_column(heading, justify="right" if column in numbers else "left", no_wrap=True)
    return made


def row(to: Table, *cells: object) -> None:
    """Add a row; a cell that is a list has a line for each item."""
    to.add_row(*(_cell(cell) for cell in cells))


def evidence(of: seen.Table, *, width: int | None = None) -> Table:
    """Evidence as a table, without its title. Where it is wider than `width`, long texts in it are wrapped."""
    made = table("", *(column.upper() for column in of.columns))
    for cells in of.rows:
        row(made, *(lines(cell) for cell in cells))
    if width is not None:
        _fit(made, width)
    return made


def plain(of: Table) -> list[str]:
    """The lines of a table, for what is no terminal."""
    console = Console(width=NO_WIDTH, color_system=None, highlight=False, file=io.StringIO())
    with console.capture() as captured:
        console.print(of)
    return [line.rstrip() for line in captured.get().splitlines()]


def _fit(made: Table, width: int) -> None:
    widths = [
        2 + max(cell_len(line) for cell in (column.header, *column.cells) for line in str(cell).split("\n"))
        for column in made.columns
    ]
    long = [number for number, one in enumerate(widths) if one > LONGEST_WHOLE]
    if not long or sum(widths) <= width:
        return
    for number in long:
        made.columns[number].no_wrap, made.columns[number].overflow = False, "fold"
    made.width = max(width, sum(min(one, LEAST_WRAPPED) if one > LONGEST_WHOLE else one for one in widths))


def _cell(value: object) -> Text:
    # A Text is what rich takes as it is: what comes out of a lab is no markup, no emoji code, no control code.
    each = value if isinstance(value, list) else [value]
    return Text("\n".join(printable(str(line)) for line in each))
