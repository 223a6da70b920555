"""What somebody hands in -> the files that an exercise asks for, or what is wrong with them.

Nothing of it is believed, parsed or executed here. Where it comes from, see sources.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from lab.errors import UsageError
from lab.grading import archives
from lab.grading.exercise import FILE_BYTES, AskedFile, Exercise
from lab.grading.record import SubmittedFile
from lab.grading.sources import SKIPPED, NoSourceError, Source, SourceError, opened
from lab.text import nearest, printable

TEXTS = (".py", ".sh", ".txt", ".md", ".json", ".yaml", ".hosts", ".conf")
"""Files with these endings are text, and therefore UTF-8."""
MOST_TOLD = 20


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


def read(
    folder: Path, exercise: Exercise, *, given: Container[str] = (), otherwise: Submission | None = None
) -> Submission:
    """What a folder or an archive holds of the files that an exercise asks for. Raises UsageError if it is neither.

    Nobody is told that files of the names `given`, which come with a starter, are not looked at. A file that is not
    there is the one of `otherwise`.
    """
    try:
        return _read(folder, exercise, given, otherwise, follow=True)
    except NoSourceError as error:
        raise UsageError(
            f"expected a submission, {error.expected}, found {folder}: {error.observed}",
            hint="is the folder meant that you are in? It is called `.`"
            if folder.name == Path.cwd().name
            else f"`lab exercise start {exercise.number.lstrip('0') or exercise.name}` makes one to begin with",
        ) from error


def read_any(path: Path, exercise: Exercise, *, given: Container[str] = ()) -> Submission:
    """The same of whatever lies there: what is no folder and no archive is a submission with a fault, too."""
    try:
        return _read(path, exercise, given, None, follow=False)
    except NoSourceError as error:
        return Submission(handed=(), faults=(_fault(path.name, error),))


def _read(
    path: Path, exercise: Exercise, given: Container[str], otherwise: Submission | None, *, follow: bool
) -> Submission:
    """Raises NoSourceError."""
    try:
        with opened(path, asked={one.name for one in exercise.files}, follow=follow) as source:
            return _of_source(source, exercise, given, otherwise)
    except NoSourceError:
        raise
    except SourceError as error:
        return Submission(handed=(), faults=(_fault(path.name, error),))


def _of_source(source: Source, exercise: Exercise, given: Container[str], otherwise: Submission | None) -> Submission:
    there = source.names
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
                raise SourceError("one file", f"several: {', '.join(names)}", "leave one of them")
            data = _file(source, names[0], asked, there - asked_names)
            handed.append(Handed(asked=asked.name, name=names[0], data=data))
        except SourceError as error:
            faults.append(_fault(names[0], error))
    rest = sorted(printable(one) for one in there - used if one not in SKIPPED and one not in given)
    more = [f"and {len(rest) - MOST_TOLD} more"] if len(rest) > MOST_TOLD else []
    return Submission(handed=tuple(handed), ignored=(*rest[:MOST_TOLD], *more), faults=tuple(faults))


def _fault(name: str, error: SourceError) -> Fault:
    return Fault(name=printable(name), expected=error.expected, observed=error.observed, hint=error.hint)


def _alternatives(asked: AskedFile, there: frozenset[str]) -> list[str]:
    """The names under which a program may be handed in, of those that are there; the asked one if none is."""
    stem = asked.name.removesuffix(".py")
    names = [asked.name] if stem == asked.name else [asked.name, f"{stem}.sh", stem]
    return [name for name in names if name in there] or [asked.name]


def _file(source: Source, name: str, asked: AskedFile, others: frozenset[str]) -> bytes:
    """The content of a file. Raises SourceError."""
    wanted = f"a file ({asked.what})"
    try:
        data = source.content(name, FILE_BYTES)
    except LookupError:
        near = nearest(name, others, cutoff=0.75)
        hint = f"is {printable(near)} meant? its name must be {name}" if near else ""
        raise SourceError(wanted, "none", hint) from None
    except SourceError as error:
        rest = error.expected.removeprefix(archives.FILE)
        expected = error.expected if rest == error.expected else f"{wanted}{rest}"
        raise SourceError(expected, error.observed, error.hint) from None
    if not data.strip():
        raise SourceError(wanted, "an empty one")
    if name.endswith(TEXTS):
        _check_text(data)
    return data


def _check_text(data: bytes) -> None:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SourceError(
            "text in UTF-8",
            f"the byte 0x{data[error.start]:02x} in line {line}, which is not",
            "save it as UTF-8; every editor can",
        ) from None
    if "\0" in text:
        raise SourceError("text", f"a NUL character in line {text[: text.index(chr(0))].count(chr(10)) + 1}")
