"""What is printed for scripts."""

from __future__ import annotations

import json

import pytest

from lab import console
from lab.errors import LabError


def test_json_holds_no_command_of_a_runner(capsys: pytest.CaptureFixture[str]) -> None:
    """A program may have printed one; what is read from the JSON is the same."""
    value = {"printed": "##[set-output name=score;]10 ###vso[task.setvariable variable=x]y ## \\##["}
    console.show_json(value)
    text = capsys.readouterr().out
    assert "##" not in text
    assert json.loads(text) == value


def test_a_message_holds_no_command_of_a_runner(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may quote a program, and GitHub's runner reads standard error, too."""
    error = LabError("it ended and said:\n::add-mask::x", hint="none")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    console.tell(error)
    first, *between, last = capsys.readouterr().err.splitlines()
    assert (first, last) == (f"::stop-commands::{last.strip(':')}", f"::{last.strip(':')}::")
    assert between == ["lab: it ended and said:", "::add-mask::x", "hint: none"]
    monkeypatch.delenv("GITHUB_ACTIONS")
    console.tell(error)
    assert capsys.readouterr().err.splitlines() == between
