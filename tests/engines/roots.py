"""Debian roots with an engine of another version in them, made once and kept. Nothing here starts anything in them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lab import machine
from lab.errors import EngineError, ImageError, UsageError
from lab.machine import Say

RELEASES = {"20.10": "bookworm", "26.1": "trixie", "28.5": "sid"}
"""The engine that is wanted -> the Debian release that has it. Nothing else is known of where engines come from."""
PACKAGES = ("docker.io", "iptables", "nftables", "iproute2", "mount")
# A mirror of one day's state is not renewed, and says since when (apt.conf(5)).
OPTIONS = ('--aptopt=Acquire::Check-Valid-Until "false"',)
HOSTS = "127.0.0.1 localhost\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Root:
    """A Debian root on disk, and the version of the package docker.io in it, such as 28.5.2+dfsg4-5."""

    folder: Path
    package: str


def suite(version: str) -> str:
    """The Debian release that has an engine. Raises UsageError if none of those known has."""
    if version not in RELEASES:
        raise UsageError(
            f"expected an engine that Debian has: {', '.join(RELEASES)}; found {version}",
            hint=f'make test-engines ENGINES="{" ".join(RELEASES)}"',
        )
    return RELEASES[version]


def recipe(release: str) -> str:
    """Eight hexadecimal digits that change with what a root of that release is made of."""
    text = repr((release, PACKAGES, OPTIONS, HOSTS))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def cache() -> Path:
    """Where roots are kept: below the user's folder for such things (XDG base directory specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "socketlab" / "engines"


def ensure(version: str, *, say: Say, top: Path | None = None) -> Root:
    """The root with that engine; made if there is none, or its recipe is another one by now.

    Raises UsageError for an engine that Debian has not, ImageError if the root cannot be made.
    """
    release = suite(version)
    top = top or cache()
    top.mkdir(parents=True, exist_ok=True)
    folder = top / f"{release}-{recipe(release)}"
    with machine.only_one(top / f"{release}.lock"):
        for other in top.glob(f"{release}-*"):
            if other != folder:
                shutil.rmtree(other)
        if not folder.is_dir():
            _make(release, folder, say)
    root = Root(folder=folder, package=_package(folder))
    if not root.package.startswith(f"{version}."):
        say(f"expected engine {version} in Debian's {release}, found {root.package}: the tests run on that one")
    return root


def _make(release: str, folder: Path, say: Say) -> None:
    say(f"making a Debian root of {release} with its engine, once, in {folder}")
    # A name that the release's pattern has too, so that what a kill leaves goes with the next run.
    partial = Path(tempfile.mkdtemp(prefix=f"{release}-partial.", dir=folder.parent))
    try:
        with machine.bootstrap_debian(release, say=say, packages=PACKAGES, options=OPTIONS) as tar:
            subprocess.run(["tar", "--extract", "--file", tar, "--directory", partial], check=True)
        (partial / "etc/hosts").write_text(HOSTS)
        partial.chmod(0o755)
        partial.rename(folder)
    except ImageError as error:
        raise ImageError(
            f"expected Debian's {release} of now, which has the engine to test on; {error.message}", hint=error.hint
        ) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _package(folder: Path) -> str:
    command = ["dpkg-query", f"--admindir={folder}/var/lib/dpkg", "--show", "--showformat=${Version}", "docker.io"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise EngineError(
            f"expected a Debian root with docker.io in {folder}, found none: {done.stderr.strip()}",
            hint="remove that folder: it is made again",
        )
    return done.stdout
