"""What was seen, as tables of text, and what must be so: evidence that people read. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lab.text import cut


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Evidence: what was seen, as rows of text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints of it."""
        return {"title": self.title, "columns": list(self.columns), "rows": [list(row) for row in self.rows]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Table:
        """The other way."""
        return cls(title=value["title"], columns=tuple(value["columns"]), rows=tuple(map(tuple, value["rows"])))

    def bounded(self, *, rows: int, characters: int) -> Table:
        """The same, with so many rows and characters in each cell at most, and what was left out told."""
        kept = [tuple(cut(cell, characters) for cell in row) for row in self.rows[:rows]]
        if len(self.rows) > rows:
            kept.append((f"… and {len(self.rows) - rows} more", *("" for _ in self.columns[1:])))
        return replace(self, rows=tuple(kept))


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing that must be so, and whether it is."""

    what: str
    expected: str
    observed: str
    holds: bool


@dataclass(kw_only=True)
class _Rows:
    title: str
    columns: tuple[str, ...] = ()
    rows: list[tuple[str, ...]] = field(default_factory=list)


class Evidence:
    """What a demonstration collects while it goes on."""

    def __init__(self) -> None:
        self._tables: list[_Rows] = []
        self.checks: list[Check] = []

    def table(self, title: str = "") -> None:
        """Begin a table; rows that follow are its own."""
        self._tables.append(_Rows(title=title))

    def row(self, **cells: object) -> None:
        """Add a row. The first row of a table names its columns."""
        if not self._tables:
            self.table()
        table = self._tables[-1]
        columns = tuple(name.replace("_", " ").strip() for name in cells)
        if not table.rows:
            table.columns = columns
        if columns != table.columns:
            raise ValueError(f"a table has the columns {table.columns}, a row has {columns}")
        table.rows.append(tuple(map(str, cells.values())))

    def check(self, what: str, *, expected: object, observed: object, holds: bool) -> None:
        """Note one thing that must be so."""
        self.checks.append(Check(what=what, expected=str(expected), observed=str(observed), holds=holds))

    def tables(self) -> tuple[Table, ...]:
        """The tables that have rows."""
        return tuple(
            Table(title=one.title, columns=one.columns, rows=tuple(one.rows)) for one in self._tables if one.rows
        )
