"""Images are built again only if their content changed."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import json
import shutil
import socket
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from lab import images
from lab.engine import Engine


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


class Registry(http.server.BaseHTTPRequestHandler):
    """A stand-in registry with one image (OCI distribution specification): one layer with one file in it."""

    content: ClassVar[dict[str, tuple[str, bytes]]] = {}

    def do_GET(self) -> None:
        """The API's version, a manifest or a blob."""
        kind, body = self.content.get(self.path, ("", b""))
        self.send_response(200 if kind else 404)
        self.send_header("Content-Type", kind or "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Docker-Content-Digest", digest(body))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


def digest(data: bytes) -> str:
    """As registries name content."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def an_image(name: str) -> dict[str, tuple[str, bytes]]:
    """What a registry answers at which path for an image of one layer, tagged `1`."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("file"), io.BytesIO())
    layer = gzip.compress(tar.getvalue())
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest(tar.getvalue())]},
        }
    ).encode()
    docker = "application/vnd.docker"
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": f"{docker}.distribution.manifest.v2+json",
            "config": {"mediaType": f"{docker}.container.image.v1+json", "size": len(config), "digest": digest(config)},
            "layers": [
                {"mediaType": f"{docker}.image.rootfs.diff.tar.gzip", "size": len(layer), "digest": digest(layer)}
            ],
        }
    ).encode()
    of_manifest = (f"{docker}.distribution.manifest.v2+json", manifest)
    return {
        "/v2/": ("application/json", b"{}"),
        f"/v2/{name}/manifests/1": of_manifest,
        f"/v2/{name}/manifests/{digest(manifest)}": of_manifest,
        f"/v2/{name}/blobs/{digest(config)}": ("application/octet-stream", config),
        f"/v2/{name}/blobs/{digest(layer)}": ("application/octet-stream", layer),
    }


@pytest.fixture
def registry() -> Iterator[str]:
    """The address of a registry on loopback that has the image `tiny:1`, and no other."""

    class WithImage(Registry):
        content = an_image("tiny")

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), WithImage) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"localhost:{server.server_address[1]}"
        server.shutdown()


def test_what_a_registry_has_is_pulled(engine: Engine, registry: str) -> None:
    """A registry that answers gives its image; what it does not have is not waited for."""
    assert not engine.pull(f"{registry}/none:1", seconds=20)
    assert engine.pull(f"{registry}/tiny:1", seconds=20)
    assert engine.has_image(f"{registry}/tiny:1")
    engine.remove_image(f"{registry}/tiny:1")
    assert not engine.has_image(f"{registry}/tiny:1")


def test_a_registry_that_is_not_there_is_not_waited_for(engine: Engine) -> None:
    """Neither one that refuses the connection, nor one that takes it and never answers."""
    assert not engine.pull("localhost:1/tiny:1", seconds=2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not engine.pull(f"localhost:{silent.getsockname()[1]}/tiny:1", seconds=2)
