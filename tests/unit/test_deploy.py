"""A user's program file: how it is read, and how it is run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.deploy import MOST_BYTES, command_for, read_program
from lab.errors import UsageError


@pytest.mark.parametrize(
    ("name", "content", "command"),
    [
        ("echo.py", b"", ("python3", "echo.py")),
        ("echo.py", b"#!/bin/sh\n", ("python3", "echo.py")),
        ("echo.sh", b"", ("sh", "echo.sh")),
        ("echo", b"#!/usr/bin/env python3\n", ("./echo",)),
        ("echo", b"\x7fELF\x02\x01", ("./echo",)),
        ("-c.py", b"", ("python3", "./-c.py")),
        ("-x.sh", b"", ("sh", "./-x.sh")),
    ],
)
def test_a_program_is_run_by_its_ending_or_its_first_bytes(name: str, content: bytes, command: tuple[str, ...]) -> None:
    """The ending comes first, and a name that begins with - is never an option of the interpreter."""
    assert command_for(name, content) == command


@pytest.mark.parametrize(("name", "content"), [("notes.txt", b"hello"), ("empty", b""), ("py", b"print()")])
def test_what_cannot_be_run_is_a_usage_error(name: str, content: bytes) -> None:
    """The message names the file, and the hint the way to run any command."""
    with pytest.raises(UsageError, match=name) as caught:
        command_for(name, content)
    assert "lab exec" in caught.value.hint


def test_a_program_is_read_as_it_is(tmp_path: Path) -> None:
    """Bytes, not text: up to the limit, and the limit itself."""
    file = tmp_path / "program"
    content = bytes(range(256)) * (MOST_BYTES // 256)
    file.write_bytes(content)
    assert read_program(file) == content


def test_a_program_over_the_limit_is_refused(tmp_path: Path) -> None:
    """One byte too many."""
    file = tmp_path / "program"
    file.write_bytes(b"x" * (MOST_BYTES + 1))
    with pytest.raises(UsageError, match="at most 8388608 bytes"):
        read_program(file)


def test_a_device_without_an_end_is_refused() -> None:
    """A file's size says nothing of what can be read from it."""
    with pytest.raises(UsageError, match="at most"):
        read_program(Path("/dev/zero"))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """The message says what was found: nothing, or a folder."""
    with pytest.raises(UsageError, match="No such file"):
        read_program(tmp_path / "missing.py")
    with pytest.raises(UsageError, match="Is a directory"):
        read_program(tmp_path)


def test_a_program_may_come_through_a_pipe() -> None:
    """As from a shell's <(...), where the file is a pipe."""
    reading, writing = os.pipe()
    os.write(writing, b"print()\n")
    os.close(writing)
    try:
        assert read_program(Path(f"/dev/fd/{reading}")) == b"print()\n"
    finally:
        os.close(reading)
