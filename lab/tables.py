"""Tables for a terminal, in which nothing that comes out of a lab is markup or drives the terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from lab import evidence as seen
from lab.text import lines, printable


def table(title: str, *columns: str, numbers: Iterable[str] = ()) -> Table:
    """A table without lines; columns that are `numbers` are aligned to the right."""
    heading = Text(printable(title), style="table.title") if title else None
    made = Table(title=heading, title_justify="left", header_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in columns:
        # What one compares, an address above all, is never broken: a terminal that is too narrow wraps whole lines.
        made.add_column(column, justify="right" if column in numbers else "left", no_wrap=True)
    return made


def row(to: Table, *cells: object) -> None:
    """Add a row; a cell that is a list has a line for each item."""
    to.add_row(*(_cell(cell) for cell in cells))


def evidence(of: seen.Table) -> Table:
    """Evidence as a table, without its title."""
    made = table("", *(column.upper() for column in of.columns))
    for cells in of.rows:
        row(made, *(lines(cell) for cell in cells))
    return made


def _cell(value: object) -> Text:
    # A Text is what rich takes as it is: what comes out of a lab is no markup, no emoji code, no control code.
    each = value if isinstance(value, list) else [value]
    return Text("\n".join(printable(str(line)) for line in each))
