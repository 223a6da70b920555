"""How a program ended, as its PID 1 tells it."""

from __future__ import annotations

import programs
import pytest


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("exit 0", "exit status 0"),
        ("exit 7", "exit status 7"),
        ("signal 9", "killed by SIGKILL"),
        ("signal 40", "killed by signal 40"),
        ("", "ended with its host"),
    ],
)
def test_an_end_is_told_in_words(said: str, text: str) -> None:
    """Each end has words, also a signal without a name."""
    assert programs._end(said) == text


def test_the_oldest_output_is_forgotten_first() -> None:
    """The end of a program's output is kept, and how much was dropped is known."""
    running = programs.Running(name="p", pid=1)
    running.keep(b"a" * programs.KEPT_BYTES)
    running.keep(b"end")
    assert len(running.output) == programs.KEPT_BYTES
    assert bytes(running.output[-4:]) == b"aend"
    assert running.dropped == 3
