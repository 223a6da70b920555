"""An engine in a Debian root of its own, beside the one in use: started, given images, and gone without a trace.

Nothing is left to be undone one by one: the engine, its containers, networks and mounts live in namespaces that end
with their first process, and that one ends with whoever started it, however that comes about. Only its folder and its
control groups stay then, and go with the next start.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from lab import machine, waiting
from lab.engine import Engine
from lab.errors import EngineError

INSIDE = Path(__file__).with_name("inside.sh")
CGROUPS = Path("/sys/fs/cgroup")
# Not pytest's folder nor the user's: a unix socket's path is short (unix(7)). Not /tmp: that may be memory.
TOP = Path("/var/tmp")
PREFIX = "socketlab-engine-"
BUILDER = "SOCKETLAB_TEST_BUILDER"
"""names the engine in use, which reaches Debian's packages, to tests that run on one that is beside it"""
WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""before a command: it is killed when the process that starts it ends (prctl(2))"""
# On any machine, what a killed engine leaves, its containerd with the containers' mounts, is what the next one goes on
# with: so that one has the same mount namespace.
DOCKERD = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin
for argument; do case $argument in --exec-root=*) file=${{argument#*=}}/containerd/containerd.pid; esac; done
if left=$(cat "${{file:-}}" 2>/dev/null) && [ "$(cat "/proc/$left/comm" 2>/dev/null)" = containerd ]; then
  exec nsenter --target="$left" --mount dockerd "$@"
fi
exec unshare --mount {inside} {root} dockerd "$@"
"""
START_SECONDS = 60.0
END_SECONDS = 30.0


@contextlib.contextmanager
def running(root: Path, *, log: Path) -> Iterator[str]:
    """The address of an engine that answers, started in that root, writing its log. Raises EngineError."""
    remove_leftovers()
    with _folder() as folder:
        address = f"unix://{folder}/docker.sock"
        arguments = (f"--host={address}", f"--data-root={folder}/data", f"--cgroup-parent=/{folder.name}")
        with_loopback = ("sh", "-c", 'ip link set dev lo up && exec "$@"', "sh")
        with log.open("wb") as file:
            process = subprocess.Popen(
                [
                    *WITH_US,
                    *("unshare", "--mount", "--net", "--uts", "--pid", "--fork", "--kill-child"),
                    *(str(INSIDE), str(root), *with_loopback, "docker-init", "--", "dockerd", *arguments),
                ],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,  # a Ctrl-C at our terminal is not meant for it
            )
        try:
            seen = waiting.until(
                lambda: answers(address) or process.poll() is not None, bool, seconds=START_SECONDS, pause=0.1
            )
            if not seen or process.poll() is not None:
                lines = log.read_text(errors="replace").splitlines()
                raise EngineError(
                    f"expected the engine of {root} to answer at {address}, observed nothing; the end of its log:\n"
                    + "\n".join(f"  | {line}" for line in lines[-12:]),
                    hint=f"the whole log is {log}",
                )
            yield address
        finally:
            _kill(process)


def write_dockerd(file: Path, root: Path) -> None:
    """Write a program that is the root's dockerd(8), for tests of engines that they start and kill themselves."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(DOCKERD.format(inside=INSIDE, root=root))
    file.chmod(0o755)


def answers(address: str) -> bool:
    """Whether an engine does there."""
    with contextlib.suppress(EngineError), Engine.connect(seconds=5, at=address):
        return True
    return False


def version(address: str) -> tuple[str, str]:
    """What engine answers there, such as 28.5.2, and the newest version of the API that it speaks."""
    command = ["docker", "--host", address, "version", "--format", "{{.Server.Version}} {{.Server.APIVersion}}"]
    engine, api = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return engine.partition("+")[0], api


def give_images(references: Iterable[str], *, to: str) -> None:
    """Give an engine images of the one in use. Raises EngineError."""
    with subprocess.Popen(["docker", "save", *references], stdout=subprocess.PIPE) as save:
        command = ["docker", "--host", to, "load", "--quiet"]
        loaded = subprocess.run(command, stdin=save.stdout, stdout=subprocess.DEVNULL, check=False)
    if loaded.returncode != 0 or save.returncode != 0:
        raise EngineError(f"expected the engine at {to} to take the images of the one in use, it did not")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the first process of the engine's namespaces, and with it all others; unshare(1) ends when it has."""
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
    process.kill()
    process.wait()


# ----------------------------------------------------------------- what is not in a namespace


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A new folder, held by a lock for as long as this process lives."""
    with _in_turn():
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=TOP))
        held = os.open(folder, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        with _in_turn():
            _remove(folder)
        os.close(held)


def remove_leftovers() -> None:
    """Remove the folders and control groups of engines whose starter was killed, and of no others."""
    with _in_turn():
        for folder in TOP.glob(f"{PREFIX}*"):
            held = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            else:
                _remove(folder)
            finally:
                os.close(held)


def _in_turn() -> contextlib.AbstractContextManager[None]:
    """A folder that has just been made is not yet held."""
    return machine.only_one(TOP / f"{PREFIX.removesuffix('-')}s.lock")


def _remove(folder: Path) -> None:
    for top in (CGROUPS / folder.name, *CGROUPS.glob(f"*/{folder.name}")):
        # Processes that were killed a moment ago may still be on their way out.
        if not waiting.until(partial(_without, top), bool, seconds=END_SECONDS, pause=0.1):
            raise EngineError(f"expected the control group {top} to end with its engine, it has processes")
    shutil.rmtree(folder)


def _without(cgroup: Path) -> bool:
    """Remove a control group and all below it; whether none of them has a process (cgroups(7))."""
    with contextlib.suppress(OSError):
        for path, _, _ in os.walk(cgroup, topdown=False):
            Path(path).rmdir()
    return not cgroup.exists()
