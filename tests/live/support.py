"""What live tests share that is no fixture."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import pytest

from lab import waiting
from lab.live import Instance

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"
LABS = HERE / "labs"
WAIT_SECONDS = 10.0

T = TypeVar("T")


def until(look: Callable[[], T], *, wanted: Callable[[T], bool], what: str, seconds: float = WAIT_SECONDS) -> T:
    """Look until it is as wanted; fails with the last look."""
    seen = waiting.until(look, wanted, seconds=seconds, pause=0.01)
    if not wanted(seen):
        pytest.fail(f"expected {what} within {seconds} s, observed {seen}")
    return seen


def said_by_helper(lab: Instance, *argv: str) -> bytes:
    """All that a command prints in an instance's helper, as only whoever has the engine can run it."""
    stream = lab.engine.stream(lab.helper, argv)
    with contextlib.closing(stream):
        return b"".join(iter(stream.receive, b""))


def command_line(
    *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """The command line as a user calls it, away from a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "lab", *arguments],
        input=stdin,
        capture_output=True,
        timeout=120,
        check=False,
        env=environment,
        cwd=cwd,
    )
