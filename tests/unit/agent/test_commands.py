"""A trusted command's input and output: all of it, or an error, but never too much and never too long."""

from __future__ import annotations

import subprocess
import time

import commands
import pytest

PLENTY = 10.0


def exchange(script: str, *, stdin: bytes = b"", limit: int = 1 << 20, seconds: float = PLENTY) -> commands.Done:
    """Run a shell script to its end."""
    with subprocess.Popen(
        ["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            return commands._Exchange(process, stdin, limit).until(time.monotonic() + seconds)
        finally:
            process.kill()


def test_output_and_status_are_told_apart() -> None:
    """Both streams and how it ended."""
    done = exchange("echo out; echo err >&2; exit 3")
    assert done == commands.Done(status=3, stdout=b"out\n", stderr=b"err\n")


def test_more_input_than_a_pipe_holds_goes_through() -> None:
    """A command that prints while it reads does not wait for us while we wait for it."""
    text = bytes(range(256)) * 4096
    assert exchange("cat", stdin=text).stdout == text


def test_a_command_need_not_take_its_input() -> None:
    """It may end, or close its input, before all of it is written."""
    assert exchange("exec 0<&-; echo done", stdin=b"x" * (1 << 20)).stdout == b"done\n"


@pytest.mark.parametrize("script", ["printf 123456", "printf 123 >&2; printf 456", "yes"])
def test_more_output_than_allowed_is_an_error(script: str) -> None:
    """Both streams count together; output is cut off, not cut short, so that nothing judges a part of it."""
    with pytest.raises(commands._TooMuchError, match="too much output"):
        exchange(script, limit=5)


def test_as_much_output_as_allowed_is_fine() -> None:
    """The limit itself is not too much."""
    assert exchange("printf 12345", limit=5).stdout == b"12345"


@pytest.mark.parametrize("script", ["exec sleep 9", "exec >&- 2>&-; exec sleep 9"])
def test_a_command_without_an_end_is_an_error(script: str) -> None:
    """Whether it holds its output open or has closed it."""
    with pytest.raises(commands._TooMuchError, match="no end in time"):
        exchange(script, seconds=0.05)
