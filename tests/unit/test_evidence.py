"""Tables of what was seen."""

from __future__ import annotations

import pytest

from lab.evidence import Evidence, Table


def test_rows_of_a_table_have_its_columns() -> None:
    """The first names them; another one is a mistake of whoever writes the demonstration."""
    evidence = Evidence()
    evidence.table("first")
    evidence.row(seen_by="alice", port=80)
    with pytest.raises(ValueError, match="a table has the columns"):
        evidence.row(host="bob")
    evidence.table("empty")
    assert evidence.tables() == (Table(title="first", columns=("seen by", "port"), rows=(("alice", "80"),)),)


def test_a_table_that_is_too_long() -> None:
    """What is left out is counted, in rows and in cells."""
    table = Table(title="t", columns=("a", "b"), rows=(("1", "x" * 9), ("2", ""), ("3", "")))
    assert table.bounded(rows=2, characters=4).rows == (
        ("1", "xxxx … (9 characters)"),
        ("2", ""),
        ("… and 1 more", ""),
    )
    assert table.bounded(rows=3, characters=9) == table
