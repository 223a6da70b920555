"""Where results for other systems go: `--export FORMAT=FILE` and `--github`. What is in them is made elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from lab.cli.common import check_writable, write
from lab.errors import UsageError
from lab.grading.formats import Format
from lab.text import suggestion

if TYPE_CHECKING:
    from lab.grading.record import Record
    from lab.grading.reports.data import Json
    from lab.grading.reports.exports.classroom50 import Submission

SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"


@dataclass(frozen=True, kw_only=True, slots=True)
class Export:
    """One file, and what it has to be."""

    format: Format
    file: Path


def parse(texts: Sequence[str]) -> tuple[Export, ...]:
    """What `--export` was given, each `FORMAT=FILE`. Raises UsageError."""
    names = [one.value for one in Format]
    found: list[Export] = []
    for text in texts:
        name, _, file = text.partition("=")
        if name not in names or not file:
            raise UsageError(
                f"expected --export FORMAT=FILE, with one of {', '.join(names)}, found {text!r}",
                hint=suggestion(name, names) if name not in names else f"name a file: {name}=results.json",
            )
        if any(one.file == Path(file) for one in found):
            raise UsageError(f"expected a file for each --export, found {file} twice")
        found.append(Export(format=Format(name), file=Path(file)))
    return tuple(found)


class Exports:
    """The files of one submission's result.

    What is there of an earlier one is removed before anything is checked, and stays away where there is no score: it
    would be taken for this one's.
    """

    def __init__(self, exports: Sequence[Export], environment: Mapping[str, str]) -> None:
        """Make the folders, and see that all of it can be written. Raises UsageError."""
        self.exports = tuple(exports)
        self.submission = _submission(environment) if self._has(Format.CLASSROOM50) else None
        for one in self.exports:
            _make_folder(one.file)
            check_writable(one.file)
            _remove(one.file)

    def _has(self, format_: Format) -> bool:
        return any(one.format is format_ for one in self.exports)

    def write(self, record: Record) -> None:
        """Write all files, and say which of them cannot be without a score."""
        from lab.grading.reports import dumped

        for one in self.exports:
            made = self._made(one.format, record)
            if made is None:
                _remove(one.file)
                sys.stderr.write(f"{one.file} is not written: without a score there is no result for {one.format}\n")
            else:
                write(one.file, dumped(made))

    def _made(self, format_: Format, record: Record) -> Json | None:
        from lab.grading.reports import exports

        match format_:
            case Format.GRADESCOPE:
                return exports.gradescope(record)
            case Format.PRAIRIELEARN:
                return exports.prairielearn(record)
            case Format.CLASSROOM50:
                assert self.submission is not None
                return exports.classroom50(record, self.submission)
            case Format.CTRF:
                return exports.ctrf([("", record)])


def _submission(environment: Mapping[str, str]) -> Submission:
    from lab.grading.reports.exports.classroom50 import submission

    return submission(environment)


def _make_folder(file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"expected to make the folder {file.parent}: {error.strerror}") from error


def _remove(file: Path) -> None:
    # What is no regular file, such as /dev/stdout, is nobody's result.
    if file.is_file() and not file.is_symlink():
        try:
            file.unlink()
        except OSError as error:
            raise UsageError(f"expected to replace {file}: {error.strerror}") from error


class Github:
    """A step of a job of GitHub Actions: its summary, and its annotations."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Raises UsageError where there is no such step."""
        file = environment.get(SUMMARY_VARIABLE)
        if not file:
            raise UsageError(
                f"expected the environment variable {SUMMARY_VARIABLE}, which GitHub's runner sets, found none",
                hint="use --github in a step of a workflow only",
            )
        self.file = Path(file)
        check_writable(self.file)

    def tell(self, summary: Callable[[int], str], annotations: Sequence[str], *, commands: TextIO) -> None:
        """Add to the step's summary, made for a number of bytes, and print the commands that make annotations.

        GitHub's runner reads commands from both streams of a step.
        """
        from lab.grading.reports import github

        try:
            with self.file.open("ab") as file:
                made = summary(github.MOST_BYTES - file.tell()).encode()
                file.write(made)
        except OSError as error:
            raise UsageError(f"expected to add to {self.file}: {error.strerror}") from error
        if not made:
            sys.stderr.write("the step's summary has no room left, so nothing is added to it\n")
        for command in annotations:
            commands.write(f"{command}\n")
