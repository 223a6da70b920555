"""A finding -> what a person or a script sees. Pure.

The keys of the data are documented in docs/json.md.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from rich.table import Table

from lab import tables
from lab.doctor.judgement import Finding
from lab.doctor.rows import Row, State

GAP = 2
"""columns between two cells"""
STATE_WIDTH = len("degraded") + GAP
LEAST = 30
MOST_WIDTH = 100
INDENT = "  "


def as_json(finding: Finding) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "works": finding.works,
        "exit_status": finding.exit_code,
        "wiring": finding.wiring,
        "rows": [
            {
                "row": row.name,
                "about": group.title,
                "state": row.state.value,
                "observed": row.observed,
                "follows": row.follows,
                "do": row.do,
            }
            for group in finding.groups
            for row in group.rows
        ],
    }


def text(finding: Finding, *, width: int) -> Iterator[Table | str]:
    """A table for each group, and at last what it comes to, within so many columns."""
    names = len(INDENT) + max(len(row.name) for row in finding.rows) + GAP
    room = max(LEAST, width - names - STATE_WIDTH)
    table = tables.table("", "WHAT", "STATE", "OBSERVED")
    for number, group in enumerate(finding.groups):
        if number:
            tables.row(table, "")
        tables.row(table, f"{group.title}:")
        for row in group.rows:
            tables.row(table, f"{INDENT}{row.name}", _state(row.state), [*_lines(row, room)])
    yield table
    yield "\n" + textwrap.fill(summary(finding), width)


def _state(state: State) -> str:
    return state.value if state is State.OK else state.value.upper()


def _lines(row: Row, room: int) -> Iterator[str]:
    yield from _wrapped(row.observed, room)
    for label, said in (("so", row.follows), ("do", row.do)):
        if said:
            yield from _wrapped(f"{label}: {said}", room, indent=4)


def _wrapped(said: str, room: int, *, indent: int = 0) -> list[str]:
    flat = " ".join(said.split())
    return textwrap.wrap(flat, room, subsequent_indent=" " * indent, break_on_hyphens=False) or [""]


def summary(finding: Finding) -> str:
    """What it comes to, in a sentence."""
    degraded, missing = finding.named(State.DEGRADED), finding.named(State.MISSING)
    told = f"{len(degraded)} degraded ({', '.join(degraded)})" if degraded else "nothing degraded"
    if finding.works:
        return f"labs work here, by the wiring {finding.wiring}; {told}"
    return f"labs do not work here: missing {', '.join(missing)}; {told}"
