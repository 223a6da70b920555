"""What `lab note` remembers between two calls."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.note import record
from lab.note.claim import Verdict
from tests.unit.note.examples import CAREFUL, FAILED, HELD, PLAIN

CLAIMS = (PLAIN, CAREFUL)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """A verdict is there at the next call, and others stay beside a new one."""
    file = tmp_path / "deep" / "note.json"
    record.write(file, [HELD], claims=CLAIMS)
    record.write(file, [FAILED], claims=CLAIMS)
    found = record.read(file, CLAIMS)
    assert {name: one.verdict for name, one in found.items()} == {
        "plain": Verdict.HOLDS,
        "careful": Verdict.DOES_NOT_HOLD,
    }
    assert list(tmp_path.rglob("*.json")) == [file]
    assert [one for one in file.parent.iterdir() if one != file] == []


def test_a_verdict_on_another_demonstration_is_forgotten(tmp_path: Path) -> None:
    """What a claim does has changed: its old verdict says nothing of it."""
    file = tmp_path / "note.json"
    record.write(file, [HELD], claims=CLAIMS)
    assert record.read(file, [replace(PLAIN, says="One is three.")]) == {}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"plain": 1}', '{"plain": {"digest": "x"}}', "\xff"])
def test_what_cannot_be_read_is_not_remembered(tmp_path: Path, text: str) -> None:
    """A file that somebody else wrote is no reason to fail, and is replaced by the next verdict."""
    file = tmp_path / "note.json"
    file.write_bytes(text.encode("latin-1"))
    assert record.read(file, CLAIMS) == {}
    record.write(file, [HELD], claims=CLAIMS)
    assert set(record.read(file, CLAIMS)) == {"plain"}


def test_a_folder_that_cannot_be_made_is_no_reason_to_fail(tmp_path: Path) -> None:
    """Nothing is remembered then."""
    (tmp_path / "file").write_text("")
    file = tmp_path / "file" / "note.json"
    record.write(file, [HELD], claims=CLAIMS)
    assert record.read(file, CLAIMS) == {}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"HOME": "/home/me"}, "/home/me/.local/state/socketlab/note.json"),
        ({"HOME": "/home/me", "XDG_STATE_HOME": "/var/state"}, "/var/state/socketlab/note.json"),
        ({"HOME": "/home/me", "XDG_STATE_HOME": "relative"}, "/home/me/.local/state/socketlab/note.json"),
        ({}, None),
    ],
)
def test_where(environment: dict[str, str], expected: str | None) -> None:
    """Below XDG_STATE_HOME; nowhere for a user without a home."""
    assert record.path(environment) == (None if expected is None else Path(expected))
