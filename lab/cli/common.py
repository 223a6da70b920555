"""What the commands share: the application, kinds of arguments, and connections."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperCommand

from lab.errors import UsageError

if TYPE_CHECKING:
    from lab.engine import Engine
    from lab.live import Instance

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

NAME_VARIABLE = "SOCKETLAB_NAME"

LabName = Annotated[str, typer.Argument(metavar="LAB", help="A lab's name (see `lab list`) or a path to a lab file.")]
HostName = Annotated[str, typer.Argument(metavar="HOST", help="A host of the lab.")]
InstanceName = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", envvar=NAME_VARIABLE, help="The instance; needed if several run."),
]
NewName = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", envvar=NAME_VARIABLE, help="The new instance's name; else the lab's."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON; its keys are in docs/json.md.")]
Command = Annotated[list[str], typer.Argument(metavar="CMD", help="A command and its arguments, after `--`.")]


WiringName = Annotated[
    str,
    typer.Option(
        "--wiring",
        metavar="WIRING",
        envvar="SOCKETLAB_WIRING",
        help="What instances that are started live on: fabric, networks, or auto, the first that works.",
    ),
]

HOST_AND_PROGRAM = 2


class PassesOn(TyperCommand):
    """A command HOST PROGRAM ARGS...: from the program on, nothing is an option of ours.

    Our own options may stand anywhere before it. So may a `--`, after which HOST and PROGRAM may begin with `-`.
    """

    # typer's parent class takes a context of a type that typer does not publish.
    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Put our options first, then `--`, so that the usual parser leaves the rest alone."""
        flags = {name for param in self.params if getattr(param, "is_flag", False) for name in param.opts}
        options: list[str] = []
        words: list[str] = []
        rest = list(args)
        while rest and len(words) < HOST_AND_PROGRAM:
            word = rest.pop(0)
            if word == "--":
                break
            if not word.startswith("-"):
                words.append(word)
                continue
            options.append(word)
            if rest and "=" not in word and word not in flags | {"--help"}:
                options.append(rest.pop(0))
        return super().parse_args(ctx, [*options, "--", *words, *rest])


@contextlib.contextmanager
def opened_engine() -> Iterator[Engine]:
    """A connection to the Docker engine."""
    from lab.engine import Engine

    with Engine.connect() as engine:
        yield engine


@contextlib.contextmanager
def opened_instance(name: str | None) -> Iterator[Instance]:
    """A connection to a running instance; without a name, to the only one."""
    from lab import instances, live

    with opened_engine() as engine, live.attach(engine, instances.find(engine, name)) as instance:
        yield instance


def start_on(wiring: str) -> None:
    """Have instances that are started from here on be of a wiring, by processes that this one starts too.

    Raises UsageError for one that there is not.
    """
    from lab import live

    os.environ[live.WIRING_VARIABLE] = live.wiring_of(wiring)


def checked_name(name: str) -> str:
    """An instance's name as given. Raises UsageError."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,40}", name):
        raise UsageError(f"expected a name of lower-case letters, digits, - and _ (at most 41), found {name!r}")
    return name


def check_writable(file: Path) -> None:
    """Before anything is shown, which takes a while. Raises UsageError."""
    if not file.parent.is_dir():
        raise UsageError(f"expected a folder to write {file} into, found none named {file.parent}")
    if file.is_dir():
        raise UsageError(f"expected a file to write, found {file}, which is a folder")
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise UsageError(f"expected to write {file}, but may not")


def write(file: Path, text: str) -> None:
    """Write a file. Raises UsageError."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"expected to write {file}: {error.strerror}") from error
