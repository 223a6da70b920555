"""A batch's journal: a file to which each result is written as soon as it is there, and synchronized with the disk.

Lines of JSON: the first says what is graded, each of the others one thing that happened. Whatever ends a batch, no more
than the last line is broken, and is left out; a batch that goes on writes after the others. While it is open for
writing, no other process opens it so.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.errors import LabError, UsageError
from lab.grading.batch.results import Result

NAME = "journal.jsonl"
FORM = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """What a batch is: with the same key, each of its submissions gets the same values again."""

    batch: str
    """distinguishes the names of its instances"""
    exercise: str
    """its folder"""
    checks: str
    """a digest of the exercise's files"""
    submissions: str
    """their folder"""
    variant: str
    """of all submissions; "" if each has its own"""
    key: str
    """by which the key is known again"""
    attempts: int
    """at most, for each submission"""
    started: float
    """seconds since the epoch"""
    form: int = FORM


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """A submission that could not be graded, and why; it is tried again."""

    id: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Read:
    """What a journal says."""

    head: Head
    results: Mapping[str, Result]
    """by id, without evidence, of which there may be much: the last of each submission, if it was graded again"""
    places: Mapping[str, int]
    """where each stands, in bytes"""
    failed: Mapping[str, int]
    """attempts that failed, of those that have no result yet"""


class Journal:
    """A journal that is written to."""

    def __init__(self, path: Path, descriptor: int, length: int) -> None:
        self._path, self._descriptor, self._length = path, descriptor, length

    def result(self, result: Result) -> None:
        """Keep a result. Raises LabError if it cannot be."""
        self._write({"result": result.as_json()})

    def failed(self, attempt: Attempt) -> None:
        """Keep that an attempt failed. Raises LabError if it cannot be."""
        self._write({"attempt": asdict(attempt)})

    def _write(self, value: object) -> None:
        data = json.dumps(value).encode() + b"\n"
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(self._descriptor, data[written:], self._length + written)
            os.fsync(self._descriptor)
        except OSError as error:
            raise unwritable(self._path, error, out=self._path.parent) from error
        self._length += len(data)

    def close(self) -> None:
        """Let others have it."""
        os.close(self._descriptor)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check_new(folder: Path) -> None:
    """Raise UsageError if there is a journal in a folder."""
    path = folder / NAME
    if os.path.lexists(path):
        raise _there(path)


def _there(path: Path) -> UsageError:
    return UsageError(
        f"expected a folder without results, found {path}",
        hint=f"`lab grade --resume --out {path.parent}` goes on with it; or name another folder",
    )


def begin(folder: Path, head: Head) -> Journal:
    """A new journal in a folder, which is made. Raises UsageError if there is one, LabError."""
    path = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise _there(path) from error
    except OSError as error:
        raise unwritable(path, error, out=folder) from error
    _lock(path, descriptor)
    journal = Journal(path, descriptor, 0)
    journal._write({"head": asdict(head)})  # only a new one has a head
    return journal


def go_on(folder: Path) -> tuple[Journal, Read]:
    """The journal of a batch, to be written on, and what it says. Raises UsageError, LabError."""
    path = folder / NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        _lock(path, descriptor)
        with open(descriptor, "rb", closefd=False) as file:
            found, length = parse(file, source=path)
        os.ftruncate(descriptor, length)
    except BaseException:
        os.close(descriptor)
        raise
    return Journal(path, descriptor, length), found


def read(folder: Path) -> Read:
    """What the journal in a folder says. Raises UsageError."""
    path = folder / NAME
    try:
        with path.open("rb") as file:
            return parse(file, source=path)[0]
    except OSError as error:
        raise _unreadable(path, error) from error


def whole(folder: Path, found: Read) -> Iterator[Result]:
    """Each result with all its evidence, by id, one at a time. Raises UsageError."""
    path = folder / NAME
    try:
        with path.open("rb") as file:
            for _, place in sorted(found.places.items()):
                file.seek(place)
                yield Result.from_json(json.loads(file.readline())["result"])
    except OSError as error:
        raise _unreadable(path, error) from error


def parse(lines: Iterable[bytes], *, source: Path) -> tuple[Read, int]:
    """What a journal says, and the length of its whole lines. Raises UsageError."""
    head, results, places, attempts = None, dict[str, Result](), dict[str, int](), Counter[str]()
    length = 0
    try:
        for line in lines:
            if not line.endswith(b"\n"):
                break
            value = json.loads(line)
            if head is None:
                head = Head(**value["head"])
            elif "attempt" in value:
                attempts[Attempt(**value["attempt"]).id] += 1
            else:
                result = Result.from_json(value["result"])
                results[result.id] = result.without_evidence()
                places[result.id] = length
            length += len(line)
        if head is None:
            raise ValueError("it has no head")  # as any line that is none
    except (LookupError, TypeError, ValueError) as error:
        raise UsageError(
            f"expected a journal of `lab grade`, found something else in {source}",
            hint="it may be of another version of socketlab; grade into another folder",
        ) from error
    if head.form != FORM:
        raise UsageError(f"expected a journal of form {FORM}, found form {head.form} in {source}")
    failed = {id_: count for id_, count in attempts.items() if id_ not in results}
    return Read(head=head, results=results, places=places, failed=failed), length


def _lock(path: Path, descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise UsageError(
            f"expected {path} to be nobody else's, but another `lab grade` writes to it",
            hint="wait until it has ended",
        ) from error


def _unreadable(path: Path, error: OSError) -> UsageError:
    return UsageError(
        f"expected a folder with results, found no {path}: {(error.strerror or str(error)).lower()}",
        hint="`lab grade EXERCISE SUBMISSIONS --out FOLDER` makes one",
    )


def unwritable(path: Path, error: OSError, *, out: Path) -> LabError:
    """What is said of a file of a batch's that cannot be written."""
    hint = f"`lab grade --resume --out {out}` goes on with what was graded until now"
    if error.errno == errno.ENOSPC:
        hint = f"make room; then {hint}"
    return LabError(f"expected to write {path}: {(error.strerror or str(error)).lower()}", hint=hint)
