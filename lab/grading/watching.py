"""Doing something again whenever the files of a folder, or a file, change."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from lab.errors import LabError

POLL_SECONDS = 0.2
"""Looking is cheap, and works on every file system, those that are shared with a virtual machine too."""
MOST_FILES = 1000

T = TypeVar("T")
Seen = frozenset[tuple[str, int, int]]


class Tell(Protocol):
    """Says something to whoever waits."""

    def __call__(self, text: str, /) -> object:
        """Say it."""


def repeated(work: Callable[[], T], folder: Path, *, told: Tell) -> T:
    """Do it now, and on every change, until an interrupt comes while it waits; the last result.

    A mistake, such as a file that is missing, is told, and the next change waited for. An interrupt while it works ends
    that as always.
    """
    while True:
        seen = look(folder)
        result, error = None, None
        try:
            result = work()
        except LabError as problem:
            error = problem
            told(f"lab: {problem}\n")
        told(f"watching {folder} for changes; Ctrl-C ends it\n")
        try:
            _wait(folder, seen)
        except KeyboardInterrupt:
            told("\n")
            if error is not None:
                raise error from None
            assert result is not None
            return result


def _wait(folder: Path, seen: Seen) -> None:
    """Until something is other than it was, and the same for two looks: an editor may still be writing."""
    last = seen
    while True:
        time.sleep(POLL_SECONDS)
        now = look(folder)
        if now == last and now != seen:
            return
        last = now


def look(folder: Path) -> Seen:
    """The files of a folder, or the one file that is no folder: name, time of the last change, size."""
    found = set()
    try:
        if not folder.is_dir():
            status = folder.stat()
            return frozenset({(folder.name, status.st_mtime_ns, status.st_size)})
        with os.scandir(folder) as entries:
            for entry, _ in zip(entries, range(MOST_FILES), strict=False):
                status = entry.stat(follow_symlinks=False)
                found.add((entry.name, status.st_mtime_ns, status.st_size))
    except OSError:
        pass  # it is being replaced; the next look shows by what
    return frozenset(found)
