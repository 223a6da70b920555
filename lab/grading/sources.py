"""Where a submission's files come from: a folder or an archive. Both say what lies at the top, and give a file of it.

Nothing of it is believed: in a folder no link is followed, nothing is opened that is not a regular file, and no more is
read than is asked for; for archives see archives.py.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Container, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from lab.errors import LabError
from lab.grading import archives
from lab.grading.archives import KINDS, ArchiveError, Member, NoArchiveError

MOST_ENTRIES = 10_000
SKIPPED = ("__pycache__", ".git", "README.md")
"""What tools leave in a folder, and the task itself, which nobody needs to be told of."""
WHAT = f"a folder, or an archive ({KINDS.removeprefix('a ')})"

# O_NONBLOCK: a named pipe would else wait for somebody who writes.
_CAREFULLY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class SourceError(Exception):
    """Something is not as it has to be: what was expected and found."""

    def __init__(self, expected: str, observed: str, hint: str = "") -> None:
        super().__init__(f"expected {expected}, found {observed}")
        self.expected, self.observed, self.hint = expected, observed, hint


class NoSourceError(SourceError):
    """It is neither a folder nor anything like an archive."""


class Source(Protocol):
    """What was handed in, opened."""

    @property
    def names(self) -> frozenset[str]:
        """What lies at the top, as far as it is looked at."""

    def content(self, name: str, most: int) -> bytes:
        """A file of at most so many bytes. Raises SourceError, LookupError if there is none of that name."""


@contextmanager
def opened(path: Path, *, asked: Container[str], follow: bool) -> Iterator[Source]:
    """The folder or archive at a path; `follow` says whether the path itself may be a link.

    A folder that holds nothing but one folder, or one archive, is taken for that, unless its name is asked for.
    Raises SourceError, or NoSourceError.
    """
    with ExitStack() as stack:
        descriptor, kind = _open(stack, os.fspath(path), follow=follow)
        if stat.S_ISDIR(kind):
            yield _within(stack, _Folder(descriptor), asked)
        else:
            yield _archive(descriptor, kind)


def _within(stack: ExitStack, folder: _Folder, asked: Container[str]) -> Source:
    """The folder itself, or what it holds if that is one thing."""
    there = [name for name in folder.names if name not in SKIPPED]
    if len(there) != 1 or there[0] in asked:
        return folder
    (only,) = there
    try:
        descriptor, kind = _open(stack, only, within=folder.descriptor)
    except SourceError:
        return folder  # whoever asks for a file in it is told
    if stat.S_ISDIR(kind):
        return _Folder(descriptor)
    return _archive(descriptor, kind) if only.lower().endswith(archives.SUFFIXES) else folder


def _open(stack: ExitStack, name: str, *, follow: bool = False, within: int | None = None) -> tuple[int, int]:
    """A descriptor and the mode of what it stands for. Raises NoSourceError."""
    try:
        descriptor = os.open(name, _CAREFULLY & ~(os.O_NOFOLLOW if follow else 0), dir_fd=within)
    except OSError as error:
        raise NoSourceError(WHAT, _told(error)) from error
    stack.callback(os.close, descriptor)
    return descriptor, os.fstat(descriptor).st_mode


MACHINES = (errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ETIMEDOUT, errno.ENOTCONN)
"""Failures that are not what somebody has handed in."""


def _told(error: OSError) -> str:
    """What is there in place of a file or folder. Raises LabError if that is not what went wrong."""
    if error.errno in MACHINES:
        raise LabError(f"expected to read what was handed in: {(error.strerror or str(error)).lower()}") from error
    return "a symbolic link" if error.errno == errno.ELOOP else (error.strerror or "an error").lower()


def _read(descriptor: int, most: int) -> bytes:
    """At most so many bytes. Raises LabError."""
    data = b""
    try:
        while piece := os.read(descriptor, most - len(data)):
            data += piece
    except OSError as error:
        raise LabError(f"expected to read what was handed in: {(error.strerror or str(error)).lower()}") from error
    return data


def _bounded(data: bytes, most: int, size: str) -> bytes:
    if len(data) > most:
        raise SourceError(f"a file of at most {most // 1024} KiB", size)
    return data


class _Folder:
    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        with os.scandir(descriptor) as entries:
            self.names = frozenset(entry.name for entry, _ in zip(entries, range(MOST_ENTRIES), strict=False))

    def content(self, name: str, most: int) -> bytes:
        """See Source."""
        try:
            descriptor = os.open(name, _CAREFULLY, dir_fd=self.descriptor)
        except FileNotFoundError:
            raise LookupError(name) from None
        except OSError as error:
            hint = "hand in the file itself" if error.errno == errno.ELOOP else ""
            raise SourceError("a file", _told(error), hint) from error
        try:
            kind = os.fstat(descriptor)
            if not stat.S_ISREG(kind.st_mode):
                observed = "a folder" if stat.S_ISDIR(kind.st_mode) else "something that is no regular file"
                raise SourceError("a file", observed)
            return _bounded(_read(descriptor, most + 1), most, f"{kind.st_size:,} bytes")
        finally:
            os.close(descriptor)


def _archive(descriptor: int, kind: int) -> Source:
    """Raises SourceError if it cannot be read, NoSourceError if it is nothing like an archive."""
    if not stat.S_ISREG(kind):
        raise NoSourceError(WHAT, "something that is no regular file")
    size = os.fstat(descriptor).st_size
    try:
        if size > archives.MOST_BYTES:
            raise ArchiveError(f"an archive of at most {archives.MOST_BYTES >> 20} MiB", f"{size:,} bytes")
        return _Archive(archives.members(_read(descriptor, archives.MOST_BYTES + 1)))
    except NoArchiveError as error:
        raise NoSourceError(WHAT, "a file that is none") from error
    except ArchiveError as error:
        raise SourceError(error.expected, error.observed, error.hint) from error


class _Archive:
    def __init__(self, members: dict[str, Member]) -> None:
        self._members = members
        self.names = frozenset(members)

    def content(self, name: str, most: int) -> bytes:
        """See Source."""
        member = self._members[name]
        if not member.is_file:
            hint = "hand in the file itself" if member.kind == archives.LINK else ""
            raise SourceError("a file", member.kind, hint)
        try:
            return _bounded(member.content(most + 1), most, "more")
        except ArchiveError as error:
            raise SourceError(error.expected, error.observed, error.hint) from error
