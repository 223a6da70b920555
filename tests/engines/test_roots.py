"""When a Debian root is made, and what is said where it cannot be. A stand-in for mmdebstrap makes tiny ones."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.errors import ImageError
from tests.engines import roots

MMDEBSTRAP = """#!/bin/sh
echo "$@" > {template}/called
for argument; do case $argument in *.tar) tar --create --file "$argument" --directory {template} .;; esac; done
"""
APT_GET = """#!/bin/sh
echo "Elsewhere/Debian http://elsewhere.example/debian/"
echo "Debian/Debian-Security http://mirror.example/debian-security/"
echo "Debian/Debian http://mirror.example/debian/"
"""
FAILS = """#!/bin/sh
echo "E: sid cannot be had" >&2
exit 25
"""
STATUS = "Package: docker.io\nStatus: install ok installed\nVersion: {version}\nArchitecture: all\nDescription: x\n"


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Let a shell script stand in for a program from now on: stand_in(name, script)."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    def write(name: str, script: str) -> None:
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)

    return write


@pytest.fixture
def release(tmp_path: Path, stand_in: Callable[[str, str], None]) -> Callable[[str], None]:
    """Debian's version of the package docker.io from now on."""
    template = tmp_path / "template"
    (template / "var/lib/dpkg").mkdir(parents=True)
    (template / "etc").mkdir()
    stand_in("mmdebstrap", MMDEBSTRAP.format(template=template))

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


def test_packages_come_from_where_apt_has_its_own(
    release: Callable[[str], None], stand_in: Callable[[str, str], None], tmp_path: Path
) -> None:
    """The mirror of Debian itself that is configured, and neither one of its security updates nor another's."""
    stand_in("apt-get", APT_GET)
    release("28.5.2-1")
    roots.ensure("28.5", say=lambda _: None, top=tmp_path / "cache")
    assert (tmp_path / "template/called").read_text().endswith(" http://mirror.example/debian/\n")


def test_a_release_that_cannot_be_had_is_told(stand_in: Callable[[str, str], None], tmp_path: Path) -> None:
    """Which release was wanted, and what mmdebstrap said; the next run does not take half of one."""
    stand_in("mmdebstrap", FAILS)
    with pytest.raises(ImageError) as caught:
        roots.ensure("28.5", say=lambda _: None, top=tmp_path / "cache")
    assert "expected Debian's sid of now" in caught.value.message
    assert "E: sid cannot be had" in caught.value.message
    assert "must be reachable" in caught.value.hint
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["sid.lock"]
