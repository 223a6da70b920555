"""Exercises on disk: which there are, and reading one. All file access of exercises is here; what they mean is not."""

from __future__ import annotations

import os
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab import labfiles, yamltree
from lab.errors import LabFileError, UsageError
from lab.grading import checks, conversation, exercise, submission
from lab.grading.checks import Found
from lab.grading.exercise import Exercise
from lab.grading.submission import Submission
from lab.model import Lab
from lab.text import suggestion

FILE = "exercise.yaml"
README = "README.md"
STARTER, SOLUTION, WRONG, PEERS = "starter", "solution", "wrong", "peers"
CHECKS_OF_SKELETON = "checks.py"
MOST_BYTES = 256 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """An exercise, its checks, and where it lies."""

    exercise: Exercise
    checks: tuple[Found, ...]
    folder: Path
    peers: tuple[tuple[str, bytes], ...] = ()
    """programs of its own that submissions are tried with"""

    def lab(self, values: Mapping[str, str]) -> Lab:
        """The lab as it is for some values of its variables. Raises UsageError, LabFileError."""
        return labfiles.load(self._lab, variables=values)

    @property
    def _lab(self) -> str:
        named = self.exercise.lab
        return str(self.folder / named) if labfiles.is_path(named) else named

    @property
    def lab_varies(self) -> bool:
        """Whether the lab's file takes a variable of the exercise's."""
        text = labfiles.find(self._lab).read_text(encoding="utf-8", errors="replace")
        return any(re.search(rf"\$\{{?{name}\b", text) for name, _ in self.exercise.variables)

    def task(self, values: Mapping[str, str]) -> str:
        """The task in the words of its README, with `${NAME}` replaced by what it is. Raises UsageError."""
        text = _text(self.folder / README)
        try:
            return string.Template(text).substitute(values)
        except (KeyError, ValueError) as error:
            raise UsageError(
                f"{_shown(self.folder / README)}: expected $NAME only for variables of the exercise, found: {error}",
                hint="a $ is written $$",
            ) from error

    def handed_in(self, folder: Path) -> Submission:
        """What a folder holds of the files that are asked for. Raises UsageError if it is no folder.

        One of the exercise's own wrong answers has only the files in which it differs from the solution.
        """
        is_wrong = folder.resolve().parent == (self.folder / WRONG).resolve()
        solution = submission.read(self.folder / SOLUTION, self.exercise) if is_wrong else None
        return submission.read(folder, self.exercise, given=self.files(STARTER), otherwise=solution)

    def files(self, part: str) -> dict[str, bytes]:
        """The files of its starter, solution or one of its wrong answers."""
        return _files(self.folder / part)


def folder() -> Path:
    """Where the exercises are that come with socketlab."""
    return Path(__file__).resolve().parent.parent / "exercises"


def available() -> tuple[Path, ...]:
    """The folders of the exercises that come with socketlab, in their order."""
    return tuple(sorted(one.parent for one in folder().glob(f"*/{FILE}")))


def programs() -> dict[str, bytes]:
    """The programs that submissions are tried with: those of the labs, and the other end of a conversation."""
    return {**labfiles.programs(), conversation.PEER: conversation.program().encode()}


def find(named: str) -> Path:
    """The folder of an exercise, given as its number, its name or a path. Raises UsageError."""
    if "/" in named or named in (".", ".."):
        return Path(named)
    for one in available():
        number = re.match(r"\d*", one.name)
        if named == one.name or (named.isdigit() and number and number[0] and int(named) == int(number[0])):
            return one
    names = [one.name for one in available()]
    otherwise = "`lab exercise list` shows those that there are; one of your own is named with its path: ./NAME"
    raise UsageError(f"expected an exercise, found {named!r}", hint=suggestion(named, names, otherwise=otherwise))


def called(loaded: Loaded, named: str, *, within: Path = Path()) -> str:
    """How an exercise is called that was named so: those that come along by their number, others by their path, as it
    is from `within`."""
    if loaded.folder.parent == folder():
        return loaded.exercise.number.lstrip("0") or loaded.exercise.name
    return os.path.relpath(loaded.folder, within) if not Path(named).is_absolute() else named


def load(named: str) -> Loaded:
    """Read an exercise, given as its number, its name or a path. Raises UsageError, LabFileError."""
    place = find(named)
    file = place / FILE
    if not file.is_file():
        reason = "a folder without it" if place.is_dir() else "no such folder" if not place.exists() else "a file"
        hint = f"`lab new exercise {place.name}` makes one to begin with"
        raise UsageError(f"expected a folder with {FILE}, found {place}: {reason}", hint=hint)
    read = exercise.parse(_bytes(file), source=_shown(file), name=place.resolve().name)
    given = programs()
    clash = next((one.name for one in read.files if one.name in given), "")
    if clash:
        raise _problem(file, ("submission", "files"), "a name that no program of socketlab's has", clash)
    found = checks.declared(
        {path.name: _bytes(path) for path in sorted(place.glob("test_*.py"))}, read, source=_shown(place)
    )
    for mistake in read.mistakes:
        if not (place / WRONG / mistake.name).is_dir():
            raise _problem(file, ("wrong", mistake.name), f"a folder {WRONG}/{mistake.name}", "none")
    peers = _files(place / PEERS) if (place / PEERS).is_dir() else {}
    return Loaded(exercise=read, checks=found, folder=place, peers=tuple(peers.items()))


def packed(place: Path) -> dict[str, bytes]:
    """All files of an exercise, by their path in its folder. Raises UsageError."""
    found = {path.relative_to(place): path for path in sorted(place.rglob("*")) if path.is_file()}
    return {str(name): _bytes(path) for name, path in found.items() if "__pycache__" not in name.parts}


def hand_out(loaded: Loaded, target: Path, values: Mapping[str, str]) -> tuple[str, ...]:
    """Put the task and the starter into a folder; the names of what was not there yet. Raises UsageError."""
    content = {README: loaded.task(values).encode(), **loaded.files(STARTER)}
    made = []
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name, data in content.items():
            path = target / name
            if not os.path.lexists(path):
                path.write_bytes(data)
                made.append(name)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"expected a folder to work in, found {target}: {reason}") from error
    return tuple(made)


def make_new(name: str) -> Path:
    """A folder with an exercise to begin with, which verifies as it is. Raises UsageError."""
    place = Path(name)
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,60}", place.name):
        raise UsageError(f"expected a name of lower-case letters, digits and -, found {place.name!r}")
    if os.path.lexists(place):
        raise UsageError(f"expected a name that is free, found {place}, which is there")
    title = re.sub(r"^\d+-", "", place.name).replace("-", " ").capitalize()
    skeleton = Path(__file__).resolve().parent / "skeleton"
    try:
        for source in sorted(path for path in skeleton.rglob("*") if path.suffix in (".py", ".md", ".yaml")):
            target = place / source.relative_to(skeleton)
            if source.name == CHECKS_OF_SKELETON:
                target = place / f"test_{re.sub('[^a-z0-9]+', '_', place.name)}.py"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(_text(source).replace("TITLE", title), encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"expected to make the folder {place}: {reason}") from error
    return place


def _problem(file: Path, path: tuple[str, ...], expected: str, observed: str) -> LabFileError:
    tree = yamltree.parse(_bytes(file), source=str(file), variables={})
    problem = yamltree.problem_at(tree.value_mark(path), path, expected, observed, "")
    return LabFileError(_shown(file), (problem,))


def _files(place: Path) -> dict[str, bytes]:
    """A folder's regular files."""
    try:
        return {path.name: _bytes(path) for path in sorted(place.iterdir()) if path.is_file()}
    except OSError as error:
        raise UsageError(
            f"expected a folder, found {_shown(place)}: {(error.strerror or str(error)).lower()}"
        ) from error


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"expected a file, found {_shown(path)}: {(error.strerror or str(error)).lower()}") from error
    if len(content) > MOST_BYTES:
        raise UsageError(f"expected a file of at most {MOST_BYTES // 1024} KiB, found more in {_shown(path)}")
    return content


def _text(path: Path) -> str:
    try:
        return _bytes(path).decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"expected text in UTF-8, found something else in {_shown(path)}") from error


def _shown(path: Path) -> str:
    """The path as a user in this folder would write it."""
    return os.path.relpath(path) if path.resolve().is_relative_to(Path.cwd()) else str(path)
