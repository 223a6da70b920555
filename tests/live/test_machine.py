"""What is done on a machine where no engine answers. Each test has an engine of its own, beside the one in use."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import machine
from lab.engine import Engine, endpoint
from lab.errors import EngineError
from lab.machine import Paths
from tests.live.refusing_engine import pump
from tests.live.support import command_line


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Paths]:
    """Where an engine of the test's own would be; it is ended afterwards."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", machine.FORBID):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "config"))
    # A unix socket's path is short (unix(7)), and pytest's folders are not.
    top = Path("/tmp", f"socketlab-test-{os.getpid()}")
    top.mkdir()
    # In a network namespace of its own: two engines in one would take each other's bridge away.
    if may_start():
        wrapper = top / "dockerd"
        wrapper.write_text(f'#!/bin/sh\nexec unshare --net {machine.dockerd()} "$@"\n')
        wrapper.chmod(0o755)
        monkeypatch.setenv("PATH", f"{top}:{os.environ['PATH']}")
    made = Paths(
        socket=top / "docker.sock",
        pid_file=top / "docker.pid",
        log=top / "log",
        lock=top / "lock",
        arguments=(
            f"--host=unix://{top}/docker.sock",
            f"--pidfile={top}/docker.pid",
            f"--data-root={top}/data",
            f"--exec-root={top}/exec",
            "--bridge=none",
            "--iptables=false",
        ),
    )
    yield made
    if made.pid_file.exists():
        os.kill(int(made.pid_file.read_text()), signal.SIGTERM)
        deadline = time.monotonic() + 30
        while made.pid_file.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    shutil.rmtree(top, ignore_errors=True)


def may_start() -> bool:
    """Whether this user may start an engine here, which then must work; else it must be refused with advice."""
    return os.geteuid() == 0 and machine.dockerd() is not None


def test_an_engine_is_started_where_that_is_allowed(paths: Paths) -> None:
    """As root with dockerd installed: it is said, started past a stale pid file, and answers; else advice is given."""
    said: list[str] = []
    stale = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    paths.pid_file.write_text(str(stale.pid))
    try:
        if not may_start():
            with pytest.raises(EngineError) as caught:
                machine.ensure_engine(say=said.append, paths=paths)
            assert caught.value.hint
            return
        machine.ensure_engine(say=said.append, paths=paths)
    finally:
        stale.kill()
        stale.wait()
    assert said == [
        f"removing {paths.pid_file}, left by an engine that was killed",
        f"starting dockerd; its log is {paths.log}",
    ]
    with Engine.connect(at=f"unix://{paths.socket}") as engine:
        assert engine.containers({}) == ()
    said.clear()
    machine.ensure_engine(say=said.append, paths=paths)
    assert said == []
    # Taking down where nothing runs is no failure, so that it can be repeated; asking for one by name is.
    environment = os.environ | {"DOCKER_HOST": f"unix://{paths.socket}"}
    down = command_line("down", environment=environment)
    assert (down.returncode, down.stdout) == (0, b"nothing was running\n")
    assert command_line("down", "--name", "nat", environment=environment).returncode == 4
    assert command_line("reset", environment=environment).returncode == 4


def test_an_engine_that_cannot_start_is_explained(paths: Paths) -> None:
    """The end of its log is in the message, and where the whole log is; nothing waits for the full time."""
    broken = Paths(
        socket=paths.socket,
        pid_file=paths.pid_file,
        log=paths.log,
        lock=paths.lock,
        arguments=(f"--config-file={paths.log}.json",),
    )
    with pytest.raises(EngineError) as caught:
        machine.ensure_engine(say=lambda _: None, paths=broken)
    if may_start():
        assert f"{paths.log}.json: no such file" in caught.value.message
        assert str(paths.log) in caught.value.hint
    else:
        assert caught.value.hint


def test_it_can_be_forbidden(paths: Paths) -> None:
    """SOCKETLAB_ENGINE=no: nothing is started, and the message says what to do by hand."""
    with pytest.raises(EngineError) as caught:
        machine.ensure_engine(say=lambda _: None, paths=paths, environment={machine.FORBID: "no"})
    assert f"expected a Docker engine at {paths.socket}, none answers" in caught.value.message
    assert machine.FORBID in caught.value.hint
    assert not paths.log.exists()


def test_an_engine_elsewhere_is_used_as_it_is(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """With DOCKER_HOST set, no engine is started here even if that one does not answer."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{paths.socket}.elsewhere")
    with pytest.raises(EngineError) as caught:
        machine.ensure_engine(say=lambda _: None, paths=paths)
    assert "unset DOCKER_HOST" in caught.value.hint
    assert not paths.log.exists()


def test_a_context_is_followed(paths: Paths, tmp_path: Path) -> None:
    """The current docker context says where the engine is, and no other is started in its place."""
    where = f"unix://{paths.socket}.context"
    config = tmp_path / "config"
    meta = config / "contexts" / "meta" / hashlib.sha256(b"other").hexdigest() / "meta.json"
    meta.parent.mkdir(parents=True)
    endpoints = {"docker": {"Host": where, "SkipTLSVerify": False}}
    meta.write_text(json.dumps({"Name": "other", "Metadata": {}, "Endpoints": endpoints}))
    (config / "config.json").write_text(json.dumps({"currentContext": "other"}))
    assert endpoint() == where
    with pytest.raises(EngineError) as caught:
        machine.ensure_engine(say=lambda _: None, paths=paths)
    assert where in caught.value.message
    assert "docker context" in caught.value.hint
    assert not paths.log.exists()


def test_every_command_says_that_no_engine_answers(paths: Paths) -> None:
    """Without an engine a command ends with exit code 3, where it looked, and what to do; no traceback."""
    environment = os.environ | {"DOCKER_HOST": f"unix://{paths.socket}"}
    for command in (["status"], ["up", "nat"], ["down", "--all"], ["nat"]):
        done = subprocess.run(
            [sys.executable, "-m", "lab", *command], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == EngineError.exit_code == 3
        assert str(paths.socket) in done.stderr
        assert "DOCKER_HOST names it" in done.stderr
        assert "Traceback" not in done.stderr


def test_an_engine_that_is_named_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever DOCKER_HOST says; positive control: without a name nothing answers there."""
    where = endpoint() or "unix:///var/run/docker.sock"
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    with pytest.raises(EngineError, match="unix:///nowhere"):
        Engine.connect()
    with Engine.connect(at=where) as engine:
        assert isinstance(engine.containers({}), tuple)


@pytest.fixture
def over_tcp() -> Iterator[str]:
    """The address of a TCP port on loopback that leads to the engine in use."""
    where = endpoint() or "unix:///var/run/docker.sock"
    if not where.startswith("unix://"):
        yield where
        return

    class PassOn(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as engine:
                engine.connect(where.removeprefix("unix://"))
                for_good = threading.Thread(target=pump, args=(engine, self.request), daemon=True)
                for_good.start()
                pump(self.request, engine)
                for_good.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), PassOn) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"tcp://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_an_engine_over_tcp_serves_a_whole_lab(over_tcp: str) -> None:
    """With DOCKER_HOST=tcp://… a lab comes up, runs a program with input and output, is reset, and goes down."""
    environment = os.environ | {"DOCKER_HOST": over_tcp}
    name = "test-tcp"

    def call(*arguments: str, stdin: bytes = b"") -> bytes:
        done = command_line(*arguments, environment=environment, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    call("up", "nat", "--name", name)
    try:
        assert call("exec", "--name", name, "alice", "cat", stdin=b"x" * 200_000) == b"x" * 200_000
        client = "compose/programs/echo_client.py"
        assert b"Hello, server" in call("run", "--name", name, "bob", client, "203.0.113.80", "65432")
        call("reset", "--name", name)
    finally:
        call("down", "--name", name)
