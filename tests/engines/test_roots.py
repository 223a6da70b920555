"""When a Debian root is made, and what is said where it cannot be. A stand-in for mmdebstrap makes tiny ones."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.errors import ImageError
from tests.engines import roots

MMDEBSTRAP = """#!/bin/sh
for argument; do case $argument in *.tar) tar --create --file "$argument" --directory {template} .;; esac; done
"""
FAILS = """#!/bin/sh
echo "E: sid cannot be had" >&2
exit 25
"""
STATUS = "Package: docker.io\nStatus: install ok installed\nVersion: {version}\nArchitecture: all\nDescription: x\n"


@pytest.fixture
def mmdebstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """What stands in for it from now on: a shell script."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    def write(script: str) -> None:
        (programs / "mmdebstrap").write_text(script)
        (programs / "mmdebstrap").chmod(0o755)

    return write


@pytest.fixture
def release(tmp_path: Path, mmdebstrap: Callable[[str], None]) -> Callable[[str], None]:
    """Debian's version of the package docker.io from now on."""
    template = tmp_path / "template"
    (template / "var/lib/dpkg").mkdir(parents=True)
    (template / "etc").mkdir()
    mmdebstrap(MMDEBSTRAP.format(template=template))

    def of(version: str) -> None:
        (template / "var/lib/dpkg/status").write_text(STATUS.format(version=version))

    return of


def test_a_root_is_made_once(release: Callable[[str], None], tmp_path: Path) -> None:
    """The second time it is taken as it is; what an older recipe made and an interruption left is removed."""
    top = tmp_path / "cache"
    for left in ("sid-00000000", "sid-partial.x"):
        (top / left).mkdir(parents=True)
    (top / "trixie-00000000").mkdir()
    said: list[str] = []
    release("28.5.2-1")
    first = roots.ensure("28.5", say=said.append, top=top)
    assert first.package == "28.5.2-1"
    release("28.5.3-1")
    assert roots.ensure("28.5", say=said.append, top=top) == first
    assert said == [f"making a Debian root of sid with its engine, once, in {first.folder}"]
    assert {path.name for path in top.iterdir()} == {first.folder.name, "sid.lock", "trixie-00000000"}


def test_another_engine_in_a_release_is_told(release: Callable[[str], None], tmp_path: Path) -> None:
    """Debian's sid moves on: the tests run on what it has by now, and nobody is told otherwise."""
    said: list[str] = []
    release("29.1.0-1")
    assert roots.ensure("28.5", say=said.append, top=tmp_path / "cache").package == "29.1.0-1"
    assert said[-1].startswith("expected engine 28.5 in Debian's sid, found 29.1.0-1")


def test_a_release_that_cannot_be_had_is_told(mmdebstrap: Callable[[str], None], tmp_path: Path) -> None:
    """Which release was wanted, and what mmdebstrap said; the next run does not take half of one."""
    mmdebstrap(FAILS)
    with pytest.raises(ImageError) as caught:
        roots.ensure("28.5", say=lambda _: None, top=tmp_path / "cache")
    assert "expected Debian's sid of now" in caught.value.message
    assert "E: sid cannot be had" in caught.value.message
    assert "must be reachable" in caught.value.hint
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["sid.lock"]
