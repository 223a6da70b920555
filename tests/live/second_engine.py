"""An engine of a test's own, beside the one in use: it can be stopped and killed, and disturbs nobody."""

from __future__ import annotations

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
        until(
            lambda: beside.answers(self.address),
            wanted=bool,
            what=f"an engine at {self.address}",
            seconds=START_SECONDS,
        )

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it with a signal, and wait for that: its containers end with it."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(START_SECONDS)
            self._process = None


@pytest.fixture(scope="module")
def second(engine: Engine) -> Iterator[SecondEngine]:
    """A running one, with the images of today."""
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
