"""What live tests share that is no fixture."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import pytest

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"
LABS = HERE / "labs"
WAIT_SECONDS = 10.0

T = TypeVar("T")


def until(look: Callable[[], T], *, wanted: Callable[[T], bool], what: str, seconds: float = WAIT_SECONDS) -> T:
    """Look until it is as wanted; fails with the last look."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if wanted(seen):
            return seen
        if time.monotonic() > deadline:
            pytest.fail(f"expected {what} within {seconds} s, observed {seen}")
        time.sleep(0.01)


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
