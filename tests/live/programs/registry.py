"""A registry with one image, tiny:1, on a port of loopback, and on another one a server that never answers.

Prints both ports, and ends with its standard input.
"""

import gzip
import hashlib
import http.server
import io
import json
import socket
import sys
import tarfile
import threading


class Registry(http.server.BaseHTTPRequestHandler):
    """What answers (OCI distribution specification)."""

    def do_GET(self) -> None:
        """The API's version, a manifest or a blob."""
        kind, body = CONTENT.get(self.path, ("", b""))
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
    """What a registry answers at which path for an image of one layer with one file, tagged `1`."""
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


CONTENT = an_image("tiny")

with (
    http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server,
    socket.create_server(("127.0.0.1", 0)) as silent,
):
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], silent.getsockname()[1], flush=True)
    sys.stdin.read()
    server.shutdown()
