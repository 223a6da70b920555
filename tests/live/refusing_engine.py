"""An engine that refuses or changes what it is asked for, as an authorization plugin may: a proxy before the real one.

    with RefusingEngine(refusing_pid_mode("host")) as engine:
        command_line("up", "nat", environment=engine.environment)

A rule gets each request before the engine does, and gives back the request to pass on, or an answer in the engine's
place. Streams into containers pass, too.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import socketserver
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lab.engine import endpoint

USUAL_SOCKET = "/var/run/docker.sock"
MOST_HEAD = 1 << 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A request as it comes. `body` is what JSON says, None if it has none."""

    method: str
    path: str
    """without the version before it, and without what follows a `?`: `/containers/create`"""
    body: Any = None

    @property
    def creates(self) -> bool:
        """Whether it asks for a container."""
        return (self.method, self.path) == ("POST", "/containers/create")


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What is answered in the engine's place."""

    status: int
    body: Any


Rule = Callable[[Request], Request | Answer]


def refusal(reason: str) -> Answer:
    """What an engine answers if an authorization plugin denies a request (Engine API, 403)."""
    return Answer(status=403, body={"message": f"authorization denied by plugin test: {reason}"})


def refusing(reason: str, wanted: Callable[[Mapping[str, Any]], bool]) -> Rule:
    """Refuse to create containers of whose HostConfig something is true."""

    def rule(request: Request) -> Request | Answer:
        return refusal(reason) if request.creates and wanted(request.body["HostConfig"]) else request

    return rule


def refusing_pid_mode(mode: str) -> Rule:
    """Refuse a `pid_mode` that begins so: `host`, `container:`."""
    return refusing(f"pid_mode {mode}", lambda wanted: str(wanted.get("PidMode") or "").startswith(mode))


def refusing_capability(name: str) -> Rule:
    """Refuse containers that ask for a capability."""
    return refusing(f"capability {name}", lambda wanted: name in (wanted.get("CapAdd") or ()))


def changing(change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> Rule:
    """Let every container be created with another HostConfig than was asked for, and tell nobody."""

    def rule(request: Request) -> Request | Answer:
        if not request.creates:
            return request
        before = request.body["HostConfig"]
        return replace(request, body={**request.body, "HostConfig": {**before, **change(before)}})

    return rule


def dropping_capability(name: str) -> Rule:
    """Leave a capability out."""
    return changing(lambda wanted: {"CapAdd": [one for one in wanted.get("CapAdd") or () if one != name]})


def filtering_calls(*calls: Mapping[str, Any]) -> Rule:
    """Let these system calls fail with EPERM in every container, and no other: parts of one of Docker's profiles."""
    denied = [{"action": "SCMP_ACT_ERRNO", **one} for one in calls]
    profile = json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": denied})

    def change(wanted: Mapping[str, Any]) -> dict[str, Any]:
        others = [one for one in wanted.get("SecurityOpt") or () if not one.startswith("seccomp")]
        return {"SecurityOpt": [*others, f"seccomp={profile}"]}

    return changing(change)


def refusing_networks() -> Rule:
    """Refuse to make networks."""
    return answering("POST", "/networks/create", refusal("networks").body, status=403)


def answering(method: str, path: str, body: Any, *, status: int = 200) -> Rule:
    """Answer one kind of request in the engine's place."""

    def rule(request: Request) -> Request | Answer:
        asked = (request.method, request.path) == (method, path)
        return Answer(status=status, body=body) if asked else request

    return rule


class RefusingEngine:
    """A proxy on a unix socket of its own, before the engine in use. For a `with`.

    Each connection serves one request: the engine is told to close it, so that what follows the answer need not be
    understood. One that becomes a stream (Engine API, "hijacking") is passed on in both directions.
    """

    def __init__(self, *rules: Rule) -> None:
        self._rules = rules
        self._upstream = (endpoint() or f"unix://{USUAL_SOCKET}").removeprefix("unix://")
        # A unix socket's path is short (unix(7)), and pytest's folders are not.
        self._top = Path(tempfile.mkdtemp(prefix="socketlab-", dir="/tmp"))
        self.socket = self._top / "docker.sock"
        self.address = f"unix://{self.socket}"
        self.environment = {**os.environ, "DOCKER_HOST": self.address}
        self._server = _Server(str(self.socket), self._handler())

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        shutil.rmtree(self._top, ignore_errors=True)

    def _handler(self) -> type[socketserver.BaseRequestHandler]:
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):  # one side went away
                    outer._serve(self.request)

        return Handler

    def _serve(self, client: socket.socket) -> None:
        head, rest = _head(client)
        if not head:
            return
        request, body = _read(client, head, rest)
        asked = request
        for rule in self._rules:
            decided = rule(request)
            if isinstance(decided, Answer):
                client.sendall(_told(decided))
                return
            request = decided
        if request.body != asked.body:
            body = json.dumps(request.body).encode()
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect(self._upstream)
            engine.sendall(_with_headers(head, length=len(body) if request.body is not None else None) + body)
            threading.Thread(target=pump, args=(client, engine), daemon=True).start()
            pump(engine, client)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


def _head(client: socket.socket) -> tuple[bytes, bytes]:
    """A request's head with its empty line, and what was read of its body; nothing if there is no more."""
    read = b""
    while b"\r\n\r\n" not in read:
        piece = client.recv(65536)
        if not piece or len(read) > MOST_HEAD:
            return b"", b""
        read += piece
    head, _, rest = read.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def _read(client: socket.socket, head: bytes, rest: bytes) -> tuple[Request, bytes]:
    """The request, and as much of its body as was read: all of it if it is JSON."""
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ", 2)
    headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines[1:] if line)}
    path = target.partition("?")[0]
    if path.startswith("/v1."):
        path = "/" + path[1:].partition("/")[2]
    if headers.get("content-type") != "application/json" or "content-length" not in headers:
        return Request(method=method, path=path), rest
    while len(rest) < int(headers["content-length"]):
        rest += client.recv(65536)
    return Request(method=method, path=path, body=json.loads(rest or b"null")), rest


def _with_headers(head: bytes, *, length: int | None) -> bytes:
    """The head of a request whose body has another length, and after which the connection is closed, or a stream."""
    first, *lines = head.rstrip(b"\r\n").split(b"\r\n")
    kept = [line for line in lines if length is None or not line.lower().startswith(b"content-length:")]
    if not any(line.lower().startswith(b"upgrade:") for line in kept):
        kept = [line for line in kept if not line.lower().startswith(b"connection:")] + [b"Connection: close"]
    if length is not None:
        kept.append(b"Content-Length: %d" % length)
    return b"\r\n".join([first, *kept]) + b"\r\n\r\n"


def _told(answer: Answer) -> bytes:
    body = json.dumps(answer.body).encode()
    head = f"HTTP/1.1 {answer.status} Told\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Everything that comes from one socket goes to the other, and so does its end."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
