"""Images are built again only if their content changed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import images
from lab.engine import Engine
from tests.live.support import PROGRAMS


def test_nothing_is_built_twice(engine: Engine) -> None:
    """With all images there, nothing is said to be built, and the answer is what `resolve` gives without an engine."""
    images.ensure(engine, say=lambda _: None)
    said: list[str] = []
    assert images.ensure(engine, say=said.append) == images.resolve()
    assert said == []


def test_a_change_rebuilds_what_depends_on_it_and_no_more(engine: Engine, tmp_path: Path) -> None:
    """Another Dockerfile of the gateway builds the gateway only, under another tag."""
    images.ensure(engine, say=lambda _: None)
    top = tmp_path / "images"
    shutil.copytree(images.folder(), top)
    # One that needs nothing from Debian: an engine that was given its images has no build to go on from.
    (top / "gateway" / "Dockerfile").write_text("ARG BASE=socketlab/host\nFROM ${BASE}\nLABEL changed=yes\n")
    said: list[str] = []
    changed = images.ensure(engine, say=said.append, top=top)
    now = images.resolve()
    try:
        assert said == [f"building the image {changed['socketlab/gateway']}"]
        assert {name for name in now if now[name] != changed[name]} == {"socketlab/gateway"}
        assert changed["socketlab/gateway"] in images.built(engine)
    finally:
        engine.remove_image(changed["socketlab/gateway"])
        engine.tag(now["socketlab/gateway"], "socketlab/gateway", "latest")
    assert changed["socketlab/gateway"] not in images.built(engine)


@pytest.fixture
def registries(engine: Engine) -> Iterator[tuple[str, str]]:
    """The addresses of a registry that has the image `tiny:1`, and no other, and of one that never answers.

    They are on the loopback of the engine's machine, which may be another one, or the engine in a namespace of its own.
    """
    base = images.ensure(engine, say=lambda _: None)["socketlab/base"]
    program = (PROGRAMS / "registry.py").read_text()
    command = ["docker", "run", "--rm", "--interactive", "--network=host", "--entrypoint=python3", base, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        answering, silent = process.stdout.readline().split()
        yield f"localhost:{answering}", f"localhost:{silent}"


def test_what_a_registry_has_is_pulled(engine: Engine, registries: tuple[str, str]) -> None:
    """A registry that answers gives its image; what it does not have is not waited for."""
    registry, _ = registries
    assert not engine.pull(f"{registry}/none:1", seconds=20)
    assert engine.pull(f"{registry}/tiny:1", seconds=20)
    assert engine.has_image(f"{registry}/tiny:1")
    engine.remove_image(f"{registry}/tiny:1")
    assert not engine.has_image(f"{registry}/tiny:1")


def test_a_registry_that_is_not_there_is_not_waited_for(engine: Engine, registries: tuple[str, str]) -> None:
    """Neither one that refuses the connection, nor one that takes it and never answers."""
    _, silent = registries
    assert not engine.pull("localhost:1/tiny:1", seconds=2)
    assert not engine.pull(f"{silent}/tiny:1", seconds=2)
