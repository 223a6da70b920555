"""Lab files on disk: which there are, and reading one. All file access of lab files is here; what they mean is not."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from lab import composefile, crosscheck, yamltree
from lab.errors import UsageError
from lab.model import Lab
from lab.text import nearest

ENDINGS = (".yaml", ".yml")


def folder() -> Path:
    """Where the labs are: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).resolve().parent
    installed = package / "data" / "compose"
    return installed if installed.is_dir() else package.parent / "compose"


def available() -> tuple[tuple[str, Path], ...]:
    """The labs that come with socketlab: name and file."""
    return tuple((path.stem, path) for path in sorted(folder().glob("*.yaml")))


def programs() -> dict[str, bytes]:
    """The programs that the labs deploy, and that a learner reads: name -> content."""
    return {path.name: path.read_bytes() for path in sorted((folder() / "programs").glob("*.py"))}


def is_path(lab: str) -> bool:
    """Whether a lab is given as a path; otherwise it is a name."""
    return "/" in lab or lab.endswith(ENDINGS)


def find(lab: str) -> Path:
    """The file of a lab, given as a name or as a path. Raises UsageError."""
    if is_path(lab):
        return Path(lab)
    known = dict(available())
    if lab in known:
        return known[lab]
    near = nearest(lab, known)
    beside = [ending for ending in ENDINGS if Path(lab + ending).is_file()]
    if near:
        hint = f"did you mean {near}?"
    elif beside:
        hint = f"a file of your own is named with its path: ./{lab}{beside[0]}"
    else:
        hint = f"there are: {', '.join(known)}; or give a path to a lab file"
    raise UsageError(f"expected a lab, found {lab!r}", hint=hint)


def load(lab: str, *, variables: Mapping[str, str] = os.environ) -> Lab:
    """Read a lab, given as a name or as a path, with values for its `${NAME}`. Raises UsageError, LabFileError."""
    path = find(lab)
    return composefile.parse(
        _content(path),
        source=_shown(path),
        default_name=_name(path.stem),
        read=lambda name: _read_below(path.parent, name),
        variables=variables,
    )


def _name(stem: str) -> str:
    """A lab's name, which is what `name` in a lab file may be, made of a file's."""
    name = re.sub(r"[^a-z0-9-]+", "-", stem.lower()).strip("-")
    if not name[:1].isalpha():
        name = f"lab-{name}"
    return name[:32].strip("-")


def _content(path: Path) -> bytes:
    try:
        if path.is_file():
            with path.open("rb") as file:
                return file.read(yamltree.MOST_BYTES + 1)
        reason = "a folder" if path.is_dir() else "no regular file" if path.exists() else "no such file"
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
    hint = "`lab list` shows the labs that there are"
    raise UsageError(f"expected a lab file, found {path}: {reason}", hint=hint)


def _shown(path: Path) -> str:
    """The path as a user in this folder would write it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def _read_below(top: Path, name: str) -> bytes:
    """A file's content; OSError if it is not below `top`, wherever links lead."""
    try:
        real = (top / name).resolve(strict=True)
    except RuntimeError:  # what pathlib makes of ELOOP before Python 3.13
        raise OSError(0, "its symbolic links lead in a circle") from None
    if not real.is_relative_to(top.resolve()):
        raise OSError(0, "it leads out of the lab file's folder")
    if not real.is_file():
        raise OSError(0, "it is not a regular file")
    with real.open("rb") as file:
        return file.read(crosscheck.MOST_FILE_BYTES + 1)
