"""Images are built again only if their content changed."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab import images
from lab.engine import Engine


def test_nothing_is_built_twice(engine: Engine) -> None:
    """With all images there, nothing is said to be built, and the answer is what `resolve` gives without an engine."""
    images.ensure(engine, say=lambda _: None)
    said: list[str] = []
    assert images.ensure(engine, say=said.append) == images.resolve()
    assert said == []


def test_a_change_rebuilds_what_depends_on_it_and_no_more(engine: Engine, tmp_path: Path) -> None:
    """A comment more in the gateway's Dockerfile builds the gateway only, under another tag."""
    images.ensure(engine, say=lambda _: None)
    top = tmp_path / "images"
    shutil.copytree(images.folder(), top)
    with (top / "gateway" / "Dockerfile").open("a") as file:
        file.write("# changed\n")
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
