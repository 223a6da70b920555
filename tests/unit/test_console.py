"""What is printed for scripts."""

from __future__ import annotations

import json

import pytest

from lab import console


def test_json_holds_no_command_of_a_runner(capsys: pytest.CaptureFixture[str]) -> None:
    """A program may have printed one; what is read from the JSON is the same."""
    value = {"printed": "##[set-output name=score;]10 ###vso[task.setvariable variable=x]y ## \\##["}
    console.show_json(value)
    text = capsys.readouterr().out
    assert "##" not in text
    assert json.loads(text) == value
