"""Image tags as hashes of content, and which images are built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab import images
from lab.errors import ImageError
from lab.images import NAMES, Builder, Source, ensure, folder, hashes, read_sources, reference

BASE = b"ARG DEBIAN=debian:bookworm-slim\nFROM ${DEBIAN}\n"
CHILD = b"ARG BASE=socketlab/base\nFROM ${BASE}\n"


def make(top: Path) -> Path:
    """Two images' folders, one built on the other."""
    for name, dockerfile in (("base", BASE), ("host", CHILD)):
        (top / name / "etc").mkdir(parents=True)
        (top / name / "Dockerfile").write_bytes(dockerfile)
        (top / name / "etc" / "motd").write_text(f"hello from {name}")
    return top


def hashed(top: Path) -> dict[str, str]:
    """The hashes of the two images."""
    return hashes(read_sources(top, ("base", "host")))


def test_equal_folders_have_equal_hashes(tmp_path: Path) -> None:
    """Where a folder lies and when it was written does not count."""
    assert hashed(make(tmp_path / "one")) == hashed(make(tmp_path / "two"))


CHANGES: dict[str, Callable[[Path], object]] = {
    "a file's content": lambda top: (top / "etc/motd").write_text("hello from hosT"),
    "a file's mode": lambda top: (top / "etc/motd").chmod(0o755),
    "a file's name": lambda top: (top / "etc/motd").rename(top / "etc/issue"),
    "a file's folder": lambda top: (top / "etc/motd").rename(top / "motd"),
    "a further file": lambda top: (top / "etc/empty").touch(),
    "a file less": lambda top: (top / "etc/motd").unlink(),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_of_an_image_changes_its_hash_alone(tmp_path: Path, what: str) -> None:
    """What is built on nothing of it keeps its hash."""
    top = make(tmp_path)
    before = hashed(top)
    CHANGES[what](top / "host")
    after = hashed(top)
    assert after["host"] != before["host"]
    assert after["base"] == before["base"]


def test_a_change_of_the_parent_changes_the_child_too(tmp_path: Path) -> None:
    """An image is built again when what it starts from is."""
    top = make(tmp_path)
    before = hashed(top)
    (top / "base" / "etc" / "motd").write_text("hello")
    after = hashed(top)
    assert after["base"] != before["base"]
    assert after["host"] != before["host"]


def test_what_a_boundary_between_files_holds_counts() -> None:
    """Contents that are equal when put one after the other are still different files."""
    one = Source(name="base", files=(("Dockerfile", 0o644, BASE), ("a", 0o644, b"xy"), ("b", 0o644, b"")))
    other = Source(name="base", files=(("Dockerfile", 0o644, BASE), ("a", 0o644, b"x"), ("b", 0o644, b"y")))
    assert hashes({"base": one}) != hashes({"base": other})


@pytest.mark.parametrize("name", ["__pycache__/a.pyc", "a.pyc", "motd~", ".motd.swp", ".DS_Store", "etc/.a.swo"])
def test_what_editors_and_python_leave_does_not_count(tmp_path: Path, name: str) -> None:
    """A checkout in which somebody worked has the same images as a fresh one."""
    top = make(tmp_path)
    before = hashed(top)
    left = top / "base" / name
    left.parent.mkdir(exist_ok=True)
    left.write_text("left")
    assert hashed(top) == before


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_of_a_mode_only_the_executable_bit_counts(tmp_path: Path, mode: int) -> None:
    """git keeps no more of it, and a user's umask is no difference between images."""
    top = make(tmp_path)
    before = hashed(top)
    (top / "base" / "etc" / "motd").chmod(mode)
    assert hashed(top) == before


def test_a_parent_is_what_the_dockerfile_starts_from(tmp_path: Path) -> None:
    """Debian itself is no parent of ours."""
    sources = read_sources(make(tmp_path), ("base", "host"))
    assert (sources["base"].parent, sources["host"].parent) == (None, "base")


def test_an_image_without_a_dockerfile_is_an_error(tmp_path: Path) -> None:
    """Also one that has no folder at all; the message says where a Dockerfile was expected."""
    for name in ("empty", "missing"):
        with pytest.raises(ImageError, match=f"images/{name}"):
            hashes(read_sources(tmp_path, (name,)))


def test_a_tag_is_the_name_and_twelve_digits() -> None:
    """Enough to tell contents apart and short enough to read."""
    assert reference("host", "0123456789abcdef" * 4) == "socketlab/host:0123456789ab"


def test_a_parent_stands_before_its_children() -> None:
    """NAMES is the order of building, and it is all that there is in images/."""
    sources = read_sources(folder())
    for index, name in enumerate(NAMES):
        parent = sources[name].parent
        assert parent is None or parent in NAMES[:index], name
    assert {path.name for path in folder().iterdir() if (path / "Dockerfile").exists()} == set(NAMES)


# -------------------------------------------------------------------------------------------- building


@dataclass(kw_only=True)
class FakeEngine:
    """An engine that has some images and notes what it is asked to build. Satisfies images.Builder."""

    tags: set[str] = field(default_factory=set)
    registry: set[str] = field(default_factory=set)
    built: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def image_tags(self, label: str) -> frozenset[str]:
        """See Builder."""
        assert label == images.LABEL_CONTENT
        others = (images.PUBLISHED, images.BOOTSTRAPPED)
        return frozenset(tag for tag in self.tags if tag not in others and not tag.startswith("sha256:"))

    def unnamed_images(self, label: str) -> frozenset[str]:
        """See Builder."""
        assert label == images.LABEL_CONTENT
        return frozenset(tag for tag in self.tags if tag.startswith("sha256:"))

    def has_image(self, reference: str) -> bool:
        """See Builder."""
        return reference in self.tags

    def tag(self, reference: str, repository: str, tag: str) -> None:
        """See Builder."""
        assert reference in self.tags
        self.tags.add(f"{repository}:{tag}")

    def pull(self, reference: str, *, seconds: float) -> bool:
        """See Builder."""
        assert seconds > 0
        if reference in self.registry:
            self.tags.add(reference)
        return reference in self.registry

    def import_image(self, tar: Path, reference: str) -> None:
        """See Builder."""
        raise AssertionError(f"{reference} was imported from {tar}")

    def remove_image(self, reference: str) -> None:
        """See Builder."""
        self.tags.discard(reference)

    def build(
        self,
        files: Mapping[str, tuple[int, bytes]],
        *,
        tag: str,
        labels: Mapping[str, str],
        arguments: Mapping[str, str],
    ) -> None:
        """See Builder."""
        assert "Dockerfile" in files
        assert labels[images.LABEL_CONTENT].startswith(tag.partition(":")[2])
        assert set(arguments.values()) <= self.tags, "built before what it starts from"
        self.built.append((tag, dict(arguments)))
        self.tags.add(tag)


def ensured(engine: Builder) -> tuple[dict[str, str], list[str]]:
    """The images that labs get, and what was said."""
    said: list[str] = []
    return ensure(engine, say=said.append), said


def test_an_empty_engine_gets_every_image() -> None:
    """Debian is pulled, then each image is built on the very content that its parent has, and named for people."""
    engine = FakeEngine(registry={images.PUBLISHED})
    found, said = ensured(engine)
    assert found == images.resolve()
    assert [tag for tag, _ in engine.built] == [found[f"socketlab/{name}"] for name in NAMES]
    assert engine.built[0][1] == {"DEBIAN": images.PUBLISHED}
    assert dict(engine.built)[found["socketlab/gateway"]] == {"BASE": found["socketlab/host"]}
    assert {f"socketlab/{name}:latest" for name in NAMES} <= engine.tags
    assert said == [
        f"pulling {images.PUBLISHED}",
        *(f"building the image {found[f'socketlab/{name}']}" for name in NAMES),
    ]


def test_nothing_is_built_that_is_there() -> None:
    """A second time nothing is asked of the engine but its list, and nothing is said."""
    engine = FakeEngine(tags=set(images.resolve().values()))
    assert ensured(engine) == (images.resolve(), [])
    assert engine.built == []


def test_only_what_is_missing_is_built() -> None:
    """An image that was removed is built again, on its parent that is still there."""
    wanted = images.resolve()
    engine = FakeEngine(tags=set(wanted.values()) - {wanted["socketlab/fabric"]})
    ensured(engine)
    assert [tag for tag, _ in engine.built] == [wanted["socketlab/fabric"]]


def test_debian_is_not_pulled_if_it_is_there() -> None:
    """Also the one that was made from packages, on a machine without a registry."""
    engine = FakeEngine(tags={images.BOOTSTRAPPED})
    _, said = ensured(engine)
    assert engine.built[0][1] == {"DEBIAN": images.BOOTSTRAPPED}
    assert not any(line.startswith("pulling") for line in said)


def test_removing_takes_every_image_of_ours_and_the_debian_made_for_them() -> None:
    """Also those of older content; a Debian that a registry gave is not ours."""
    engine = FakeEngine(tags={"socketlab/host:old", "socketlab/host:latest", images.BOOTSTRAPPED})
    said: list[str] = []
    images.remove(engine, say=said.append)
    assert engine.tags == set()
    assert "removing socketlab/host:old" in said
    engine = FakeEngine(tags={images.PUBLISHED})
    images.remove(engine, say=said.append)
    assert engine.tags == {images.PUBLISHED}
