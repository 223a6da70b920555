"""What reaches a person or a script: standard output, standard error, and nothing that drives a terminal."""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

from lab.errors import LabError, LabFileError
from lab.text import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from lab.wiring import Output

NO_WIDTH = 10_000


def prepare() -> None:
    """Make both streams say what they can: a sign that an encoding has not is no reason to say nothing.

    What was closed is opened on nothing: else the next file that is opened would get its number.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def show(value: RenderableType) -> None:
    """Print a table. Its lines are as long as they need to be, and end where their text ends."""
    from rich.console import Console

    console = Console(highlight=False, width=NO_WIDTH, force_terminal=sys.stdout.isatty())
    with console.capture() as captured:
        console.print(value)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def show_all(values: Iterable[str | RenderableType]) -> None:
    """Print paragraphs of text and tables, with an empty line after the last."""
    for value in values:
        if isinstance(value, str):
            sys.stdout.write("".join(f"{printable(line)}\n" for line in value.splitlines()))
        else:
            show(value)
    sys.stdout.write("\n")
    sys.stdout.flush()


@contextlib.contextmanager
def harmless(stream: TextIO | None = None) -> Iterator[None]:
    """While it lasts, nothing that is printed on a stream is taken for a command by GitHub's runners.

    They obey lines that begin with `::` on either stream, and a submission may print such (GitHub Actions, "Workflow
    commands"). Without a stream it is standard output.
    """
    stream = sys.stdout if stream is None else stream
    if os.environ.get("GITHUB_ACTIONS") != "true":
        yield
        return
    token = secrets.token_hex(16)
    stream.write(f"::stop-commands::{token}\n")
    try:
        yield
    finally:
        stream.write(f"::{token}::\n")


def width() -> int:
    """How many columns a paragraph may have."""
    return shutil.get_terminal_size().columns


def show_json(value: Any) -> None:
    """Print JSON. Nothing in it is taken for a command by runners that obey `##[` or `##vso[` anywhere in a line."""
    sys.stdout.write(json.dumps(value, indent=2).replace("##", "#\\u0023") + "\n")


class Progress:
    """What is being done, on standard error: one line that changes on a terminal, else a line each."""

    def __init__(self) -> None:
        self._status: Any = None
        # Also while what another prints is collected in its place.
        self._stream = sys.stderr

    def __enter__(self) -> Progress:
        if self._stream.isatty():
            from rich.console import Console

            self._status = Console(file=self._stream).status("starting")
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def say(self, text: str) -> None:
        """Tell what comes next."""
        if self._status is not None:
            from rich.markup import escape

            self._status.update(escape(text))
        else:
            self._stream.write(f"{text}\n")


def show_output(program: str, output: Output) -> None:
    """Print the end of a started program's output on standard output, and how it ended on standard error."""
    if output.dropped:
        sys.stdout.write(f"({output.dropped} bytes before this are forgotten)\n")
    sys.stdout.flush()
    if sys.stdout.isatty():
        # What was printed long ago, by whatever program, must not drive this terminal; away from one it stays as it is.
        lines = output.text.decode(errors="replace").splitlines(keepends=True)
        text = "".join(printable(line.rstrip("\r\n").expandtabs()) + "\n" * line.endswith("\n") for line in lines)
        sys.stdout.write(text)
    else:
        sys.stdout.buffer.write(output.text)
    sys.stdout.flush()
    if output.end:
        sys.stderr.write(f"{program}: {output.end}\n")


def tell(error: LabError) -> None:
    """Say what went wrong. A place in a file comes first in its line, where editors and terminals look for it."""
    text = error.message if isinstance(error, LabFileError) else f"lab: {error.message}"
    lines = [*text.split("\n"), *([f"hint: {error.hint}"] if error.hint else [])]
    # A message may quote what a program printed.
    with harmless(sys.stderr):
        sys.stderr.write("".join(f"{printable(line.expandtabs())}\n" for line in lines))
