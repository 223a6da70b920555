"""What `lab note` remembers between two calls."""

from __future__ import annotations

import importlib.util
import linecache
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.note import record
from lab.note.claim import Verdict
from tests.unit.note.examples import CAREFUL, FAILED, HELD, PLAIN

CLAIMS = (PLAIN, CAREFUL)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """A verdict is there at the next call, and others stay beside a new one."""
    file = tmp_path / "deep" / "note.json"
    record.write(file, [HELD])
    record.write(file, [FAILED])
    found = record.read(file, CLAIMS)
    assert {name: one.verdict for name, one in found.items()} == {
        "plain": Verdict.HOLDS,
        "careful": Verdict.DOES_NOT_HOLD,
    }
    assert list(tmp_path.rglob("*.json")) == [file]
    assert [one for one in file.parent.iterdir() if one != file] == []


@pytest.mark.parametrize("change", [{"says": "One is three."}, {"lab": "ports"}])
def test_a_verdict_on_another_demonstration_is_forgotten(tmp_path: Path, change: dict[str, Any]) -> None:
    """What a claim says or is shown on has changed: its old verdict says nothing of it."""
    file = tmp_path / "note.json"
    record.write(file, [HELD])
    assert set(record.read(file, CLAIMS)) == {"plain"}
    assert record.read(file, [replace(PLAIN, **change)]) == {}


def test_a_changed_function_beside_the_demonstration_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Much of what is checked stands in functions that several claims use: all of the module counts."""
    module = tmp_path / "shown.py"
    text = "def show(stage):\n    helper(stage)\n\n\ndef helper(stage):\n    stage.expect('one', 1, {number})\n"
    found = []
    for number in (1, 2):
        module.write_text(text.format(number=number))
        linecache.checkcache()
        spec = importlib.util.spec_from_file_location("shown", module)
        assert spec is not None
        assert spec.loader is not None
        loaded = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "shown", loaded)
        spec.loader.exec_module(loaded)
        found.append(record.digests([replace(PLAIN, show=loaded.show)])["plain"])
    assert found[0] != found[1]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"plain": 1}', '{"plain": {"digest": "x"}}', "\xff"])
def test_what_cannot_be_read_is_not_remembered(tmp_path: Path, text: str) -> None:
    """A file that somebody else wrote is no reason to fail, and is replaced by the next verdict."""
    file = tmp_path / "note.json"
    file.write_bytes(text.encode("latin-1"))
    assert record.read(file, CLAIMS) == {}
    record.write(file, [HELD])
    assert set(record.read(file, CLAIMS)) == {"plain"}


def test_a_folder_that_cannot_be_made_is_no_reason_to_fail(tmp_path: Path) -> None:
    """Nothing is remembered then."""
    (tmp_path / "file").write_text("")
    file = tmp_path / "file" / "note.json"
    record.write(file, [HELD])
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
