"""The images of a lab's containers: which content they have, and building what is missing.

A tag is a hash of everything that goes into an image, its parent's hash included; so an image is built again
only if its content changed, and two versions of socketlab can share an engine.
"""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lab.errors import ImageError

Say = Callable[[str], None]

NAMES = ("base", "host", "gateway", "dns", "fabric")
PREFIX = "socketlab/"
LABEL_CONTENT = "socketlab.content"
RECIPE = "1"
"""Counts changes of how images are built that no file of theirs shows."""

PUBLISHED = "debian:bookworm-slim"
BOOTSTRAPPED = "socketlab/debian:bookworm"
SUITE = "bookworm"
PULL_SECONDS = 2.0
PATIENT_PULL_SECONDS = 60.0
"""How long a registry may take to answer: not long where there is another way to Debian."""
IGNORED = re.compile(r"__pycache__|.*\.pyc|.*~|\..*\.sw.|\.DS_Store")
_PARENT = re.compile(r"^ARG BASE=(socketlab/[a-z]+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """An image's folder: every file's path in it, its mode, and its content."""

    name: str
    files: tuple[tuple[str, int, bytes], ...]

    @property
    def parent(self) -> str | None:
        """The image that its Dockerfile starts from, None for Debian itself. Raises ImageError without a Dockerfile."""
        for path, _, content in self.files:
            if path == "Dockerfile":
                found = _PARENT.search(content.decode())
                return found[1].removeprefix(PREFIX) if found else None
        raise ImageError(f"expected a Dockerfile in images/{self.name}, found none")


class Builder(Protocol):
    """What building needs of a Docker engine; `lab.engine.Engine` has it."""

    def image_tags(self, label: str) -> frozenset[str]:
        """The tags of every image that carries the label."""

    def unnamed_images(self, label: str) -> frozenset[str]:
        """The ids of every image that carries the label and has no name."""

    def has_image(self, reference: str) -> bool:
        """Whether there is an image of that name."""

    def tag(self, reference: str, repository: str, tag: str) -> None:
        """Give an image a further name."""

    def pull(self, reference: str, *, seconds: float) -> bool:
        """Get an image from its registry; whether that worked in time."""

    def import_image(self, tar: Path, reference: str) -> None:
        """Make an image of a root folder's tar file."""

    def remove_image(self, reference: str) -> None:
        """Remove an image's name, and the image with its last one. Raises EngineError if it is in use."""

    def build(
        self,
        files: Mapping[str, tuple[int, bytes]],
        *,
        tag: str,
        labels: Mapping[str, str],
        arguments: Mapping[str, str],
    ) -> None:
        """Build an image from a folder's files (mode, content)."""


def hashes(sources: Mapping[str, Source]) -> dict[str, str]:
    """The content hash of each image: 64 hexadecimal digits, different if anything below it differs."""
    known: dict[str, str] = {}

    def of(name: str) -> str:
        if name not in known:
            source = sources[name]
            parent = source.parent
            digest = hashlib.sha256(f"{RECIPE} {of(parent) if parent else SUITE}".encode())
            for path, mode, content in sorted(source.files):
                digest.update(f"\0{path}\0{mode:o}\0{len(content)}\0".encode() + content)
            known[name] = digest.hexdigest()
        return known[name]

    return {name: of(name) for name in sources}


def reference(name: str, content: str) -> str:
    """The tag of an image with that content hash."""
    return f"{PREFIX}{name}:{content[:12]}"


def folder() -> Path:
    """Where the images' folders are: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).resolve().parent
    installed = package / "data" / "images"
    return installed if installed.is_dir() else package.parent / "images"


def read_sources(top: Path, names: tuple[str, ...] = NAMES) -> dict[str, Source]:
    """The images' folders as they are on disk; what editors and Python leave there does not count."""
    return {name: Source(name=name, files=tuple(_files(top / name))) for name in names}


def _files(top: Path) -> list[tuple[str, int, bytes]]:
    found = []
    for path in sorted(top.rglob("*")):
        parts = path.relative_to(top).parts
        if path.is_file() and not any(IGNORED.fullmatch(part) for part in parts):
            # Only the executable bit counts: what git keeps of a mode.
            mode = 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644
            found.append(("/".join(parts), mode, path.read_bytes()))
    return found


def resolve() -> dict[str, str]:
    """Name in a lab file -> the image that is used for it, without asking an engine."""
    return {f"{PREFIX}{name}": reference(name, content) for name, content in hashes(read_sources(folder())).items()}


def ensure(engine: Builder, *, say: Say, top: Path | None = None) -> dict[str, str]:
    """Build what is missing of the images in `top`; name in a lab file -> image.

    Costs one list when nothing is missing. Raises ImageError.
    """
    sources = read_sources(top or folder())
    wanted = hashes(sources)
    present = engine.image_tags(LABEL_CONTENT)
    for name in NAMES:
        if reference(name, wanted[name]) not in present:
            _build(engine, sources[name], wanted, say)
    return {f"{PREFIX}{name}": reference(name, wanted[name]) for name in NAMES}


def built(engine: Builder) -> tuple[str, ...]:
    """The tags of every image of ours that the engine has, of older content too."""
    return tuple(sorted(engine.image_tags(LABEL_CONTENT)))


def remove(engine: Builder, *, say: Say) -> None:
    """Remove every image of ours, and the Debian that was made for them. Raises EngineError if one is in use."""
    bootstrapped = (BOOTSTRAPPED,) if engine.has_image(BOOTSTRAPPED) else ()
    for tag in (*built(engine), *bootstrapped):
        say(f"removing {tag}")
        engine.remove_image(tag)
    for one in engine.unnamed_images(LABEL_CONTENT):
        engine.remove_image(one)


def _build(engine: Builder, source: Source, wanted: Mapping[str, str], say: Say) -> None:
    parent = source.parent
    arguments = {"BASE": reference(parent, wanted[parent])} if parent else {"DEBIAN": _debian(engine, say)}
    tag = reference(source.name, wanted[source.name])
    say(f"building the image {tag}")
    engine.build(
        {path: (mode, content) for path, mode, content in source.files},
        tag=tag,
        labels={LABEL_CONTENT: wanted[source.name]},
        arguments=arguments,
    )
    # Compose files of others, and people, name an image without its hash.
    engine.tag(tag, f"{PREFIX}{source.name}", "latest")


def _debian(engine: Builder, say: Say) -> str:
    """Debian itself: what is there, else what a registry gives, else made from Debian's own packages."""
    from lab import machine

    for known in (PUBLISHED, BOOTSTRAPPED):
        if engine.has_image(known):
            return known
    say(f"pulling {PUBLISHED}")
    patience = PULL_SECONDS if machine.can_bootstrap() else PATIENT_PULL_SECONDS
    if engine.pull(PUBLISHED, seconds=patience):
        return PUBLISHED
    say(f"no registry gave {PUBLISHED}; making {BOOTSTRAPPED} from Debian's packages (half a minute)")
    with machine.bootstrap_debian(SUITE, say=say) as tar:
        engine.import_image(tar, BOOTSTRAPPED)
    return BOOTSTRAPPED
