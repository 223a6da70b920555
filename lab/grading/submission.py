"""A folder that somebody hands in -> the files that an exercise asks for, or what is wrong with them.

All reading of submissions is here. Nothing of them is believed or parsed: no link is followed, nothing is opened that
is not a regular file, and no more is read than a file may have.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from lab.errors import UsageError
from lab.grading.exercise import FILE_BYTES, AskedFile, Exercise
from lab.grading.record import SubmittedFile
from lab.text import nearest, printable

TEXTS = (".py", ".sh", ".txt", ".md", ".json", ".yaml", ".hosts", ".conf")
"""Files with these endings are text, and therefore UTF-8."""
MOST_ENTRIES = 10_000
MOST_TOLD = 20
SKIPPED = ("__pycache__", ".git", "README.md")
"""What tools leave in a folder, and the task itself, which nobody needs to be told of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """What is wrong with a submission's files."""

    name: str
    expected: str
    observed: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.name}: expected {self.expected}, found {self.observed}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Handed:
    """A file that was handed in: the name that was asked for, its own, which may differ, and its content."""

    asked: str
    name: str
    data: bytes

    @property
    def command(self) -> tuple[str, ...]:
        """How it is run, in the folder where it lies."""
        if self.name.endswith(".py"):
            return ("python3", self.name)
        return ("sh", self.name) if self.name.endswith(".sh") else (f"./{self.name}",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """The files of a submission, in the order in which the exercise names them."""

    handed: tuple[Handed, ...]
    ignored: tuple[str, ...] = ()
    """what else lies in the folder"""
    faults: tuple[Fault, ...] = ()

    @property
    def files(self) -> tuple[SubmittedFile, ...]:
        """Its files, for the record."""
        return tuple(
            SubmittedFile(name=one.name, size=len(one.data), sha256=hashlib.sha256(one.data).hexdigest())
            for one in self.handed
        )


# O_NONBLOCK: a named pipe would else wait for somebody who writes.
_CAREFULLY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class _FaultError(Exception):
    def __init__(self, expected: str, observed: str, hint: str = "") -> None:
        self.expected, self.observed, self.hint = expected, observed, hint


def read(
    folder: Path, exercise: Exercise, *, given: Container[str] = (), otherwise: Submission | None = None
) -> Submission:
    """What a folder holds of the files that an exercise asks for. Raises UsageError if it is no folder.

    Nobody is told that files of the names `given`, which come with a starter, are not looked at. A file that the folder
    has not is the one of `otherwise`.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        observed = "a file" if error.errno == errno.ENOTDIR else (error.strerror or "an error").lower()
        raise UsageError(
            f"expected a folder with a submission, found {folder}: {observed}",
            hint="is the folder meant that you are in? It is called `.`"
            if folder.name == Path.cwd().name
            else f"`lab exercise start {exercise.number.lstrip('0') or exercise.name}` makes one to begin with",
        ) from error
    try:
        return _read(descriptor, exercise, given, otherwise)
    finally:
        os.close(descriptor)


def _read(folder: int, exercise: Exercise, given: Container[str], otherwise: Submission | None) -> Submission:
    there = _names(folder)
    handed, faults = [], []
    used = set()
    asked_names = {one.name for one in exercise.files}
    for asked in exercise.files:
        names = _alternatives(asked, there) if exercise.any_language else [asked.name]
        if otherwise is not None and there.isdisjoint(names):
            handed += [one for one in otherwise.handed if one.asked == asked.name]
            continue
        used.update(names)
        try:
            if len(names) > 1:
                raise _FaultError("one file", f"several: {', '.join(names)}", "leave one of them")
            data = _file(folder, names[0], asked, there - asked_names)
            handed.append(Handed(asked=asked.name, name=names[0], data=data))
        except _FaultError as fault:
            faults.append(Fault(name=names[0], expected=fault.expected, observed=fault.observed, hint=fault.hint))
    rest = sorted(printable(one) for one in there - used if one not in SKIPPED and one not in given)
    more = [f"and {len(rest) - MOST_TOLD} more"] if len(rest) > MOST_TOLD else []
    return Submission(handed=tuple(handed), ignored=(*rest[:MOST_TOLD], *more), faults=tuple(faults))


def _names(folder: int) -> set[str]:
    """What lies in a folder, as far as it is looked at."""
    with os.scandir(folder) as entries:
        return {entry.name for entry, _ in zip(entries, range(MOST_ENTRIES), strict=False)}


def _alternatives(asked: AskedFile, there: set[str]) -> list[str]:
    """The names under which a program may be handed in, of those that are there; the asked one if none is."""
    stem = asked.name.removesuffix(".py")
    names = [asked.name] if stem == asked.name else [asked.name, f"{stem}.sh", stem]
    return [name for name in names if name in there] or [asked.name]


def _file(folder: int, name: str, asked: AskedFile, others: set[str]) -> bytes:
    """The content of a file. Raises _FaultError."""
    wanted = f"a file ({asked.what})"
    try:
        descriptor = os.open(name, _CAREFULLY, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _FaultError(wanted, "a symbolic link", "hand in the file itself") from None
        if error.errno == errno.ENOENT:
            near = nearest(name, others, cutoff=0.75)
            raise _FaultError(
                wanted, "none", f"is {printable(near)} meant? its name must be {name}" if near else ""
            ) from None
        raise _FaultError(wanted, (error.strerror or "an error").lower()) from None
    try:
        kind = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(kind):
            raise _FaultError(wanted, "a folder" if stat.S_ISDIR(kind) else "something that is no regular file")
        data = _content(descriptor, wanted)
    finally:
        os.close(descriptor)
    if name.endswith(TEXTS):
        _check_text(data)
    return data


def _content(descriptor: int, wanted: str) -> bytes:
    data = b""
    while piece := os.read(descriptor, FILE_BYTES + 1 - len(data)):
        data += piece
    if len(data) > FILE_BYTES:
        size = os.fstat(descriptor).st_size
        raise _FaultError(f"{wanted} of at most {FILE_BYTES // 1024} KiB", f"{size:,} bytes")
    if not data.strip():
        raise _FaultError(wanted, "an empty one")
    return data


def _check_text(data: bytes) -> None:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _FaultError(
            "text in UTF-8",
            f"the byte 0x{data[error.start]:02x} in line {line}, which is not",
            "save it as UTF-8; every editor can",
        ) from None
    if "\0" in text:
        raise _FaultError("text", f"a NUL character in line {text[: text.index(chr(0))].count(chr(10)) + 1}")
