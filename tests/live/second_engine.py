"""An engine of a test's own, beside the one in use: it can be stopped and killed, and disturbs nobody."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import images, machine
from lab.engine import Engine
from tests.engines import beside
from tests.live.support import until

START_SECONDS = 60.0


class SecondEngine:
    """A dockerd with a folder, a socket and a network namespace of its own: two in one would share a bridge."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self._process: subprocess.Popen[bytes] | None = None
        self.data = top / "data"
        self.address = f"unix://{top}/docker.sock"
        self.environment = {**os.environ, "DOCKER_HOST": self.address}

    def start(self) -> None:
        """Start it, and wait until it answers."""
        (self._top / "docker.pid").unlink(missing_ok=True)
        arguments = (
            f"--host={self.address}",
            f"--pidfile={self._top}/docker.pid",
            f"--data-root={self._top}/data",
            f"--exec-root={self._top}/exec",
            "--bridge=none",
            "--iptables=false",
        )
        with (self._top / "log").open("ab") as log:
            command = ["unshare", "--net", machine.dockerd() or "dockerd", *arguments]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        until(self.answers, wanted=bool, what=f"an engine at {self.address}", seconds=START_SECONDS)

    def answers(self) -> bool:
        """Whether it does."""
        return beside.answers(self.address)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it with a signal, and wait for that: its containers end with it.

        One that is killed takes its containerd along a moment later; the next one would wait for that for ever.
        """
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(START_SECONDS)
            self._process = None
            until(self._holds_containerd, wanted=lambda runs: not runs, what="no containerd", seconds=START_SECONDS)

    def freeze(self) -> None:
        """Let it answer nothing any more, until it is killed."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def _holds_containerd(self) -> bool:
        with contextlib.suppress(OSError, ValueError):
            pid = int((self._top / "exec" / "containerd" / "containerd.pid").read_text())
            # One that nobody has waited for counts, too: dockerd asks by kill(2).
            return Path(f"/proc/{pid}").exists()
        return False

    def docker(self, *arguments: str) -> str:
        """What the docker command says of it."""
        command = ["docker", "--host", self.address, *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@contextlib.contextmanager
def started(engine: Engine) -> Iterator[SecondEngine]:
    """A running one, with the images of today that `engine` has."""
    # A unix socket's path is short (unix(7)), and pytest's folders are not.
    top = Path(tempfile.mkdtemp(prefix="socketlab-", dir="/tmp"))
    made = SecondEngine(top)
    made.start()
    try:
        beside.give_images(images.ensure(engine, say=lambda _: None).values(), to=made.address)
        yield made
    finally:
        made.stop()
        # One that was killed leaves its folder mounted on itself.
        subprocess.run(["umount", "--recursive", "--lazy", f"{top}/data"], capture_output=True, check=False)
        shutil.rmtree(top, ignore_errors=True)


@pytest.fixture(scope="module")
def second(engine: Engine) -> Iterator[SecondEngine]:
    """See started."""
    with started(engine) as made:
        yield made
