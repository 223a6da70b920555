"""This machine: whether a Docker engine answers, and what is done where none does.

`decide` is pure; the rest looks at the machine and, where that is allowed, installs and starts. Nothing is ever
done with more privilege than the caller has.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from lab.errors import EngineError, ImageError

Say = Callable[[str], None]

FORBID = "SOCKETLAB_ENGINE"
START_SECONDS = 60.0
GUIDE = "https://docs.docker.com/engine/install/"


@dataclass(frozen=True, kw_only=True, slots=True)
class Paths:
    """Where an engine that we start keeps what."""

    socket: Path = Path("/var/run/docker.sock")
    pid_file: Path = Path("/var/run/docker.pid")
    log: Path = Path("/var/log/socketlab-dockerd.log")
    lock: Path = Path("/run/socketlab-engine.lock")
    arguments: tuple[str, ...] = ()


class Decision(Enum):
    """What to do about the engine."""

    USE = auto()
    START = auto()
    INSTALL_AND_START = auto()
    REFUSE = auto()


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What the decision depends on. `elsewhere` is where DOCKER_HOST or a context points, "" for the usual socket."""

    answers: bool
    elsewhere: str
    forbidden: bool
    root: bool
    debian: bool
    installed: bool
    denied: bool = False
    """whether there is a socket that this user may not use"""


def decide(facts: Facts) -> tuple[Decision, str]:
    """What to do, and for REFUSE what the user should do instead."""
    if facts.answers:
        return Decision.USE, ""
    if facts.elsewhere:
        return Decision.REFUSE, f"start the engine at {facts.elsewhere}, or unset DOCKER_HOST and the docker context"
    if facts.denied:
        return Decision.REFUSE, "this user may not use its socket: `sudo adduser $USER docker`, then log in again"
    if facts.installed:
        by_hand = "start it: `sudo systemctl start docker`, or `dockerd` as root"
    elif facts.debian:
        by_hand = "install one: `sudo apt-get install docker.io`, and join its group: `sudo adduser $USER docker`"
    else:
        by_hand = f"install one, see {GUIDE}"
    if facts.forbidden:
        return Decision.REFUSE, f"{FORBID}=no forbids starting one here; {by_hand}"
    if not facts.root:
        return Decision.REFUSE, by_hand
    if facts.installed:
        return Decision.START, ""
    return (Decision.INSTALL_AND_START, "") if facts.debian else (Decision.REFUSE, by_hand)


def ensure_engine(*, say: Say, paths: Paths | None = None, environment: Mapping[str, str] | None = None) -> None:
    """Return when an engine answers; install and start one where that is allowed. Raises EngineError."""
    paths = paths or Paths()
    facts = _facts(paths, os.environ if environment is None else environment, answering=answers(paths))
    decision, advice = decide(facts)
    if decision is Decision.USE:
        return
    if decision is Decision.REFUSE:
        raise EngineError(f"expected a Docker engine at {facts.elsewhere or paths.socket}, none answers", hint=advice)
    with only_one(paths.lock):
        if answers(paths):
            return
        if decision is Decision.INSTALL_AND_START:
            say("no Docker engine here: installing Debian's docker.io with apt-get")
            _apt_install("docker.io", "iptables")
        _start(paths, say)


def advice(paths: Paths | None = None) -> str:
    """What helps where no engine answers. Raises EngineError if the docker context cannot be read."""
    decision, by_hand = decide(_facts(paths or Paths(), os.environ, answering=False))
    starts = "`lab setup` starts it"
    return by_hand or (starts if decision is Decision.START else "`lab setup` installs Docker's engine and starts it")


def _facts(paths: Paths, environment: Mapping[str, str], *, answering: bool) -> Facts:
    from lab.engine import endpoint

    elsewhere = endpoint()
    return Facts(
        answers=answering,
        elsewhere="" if elsewhere in ("", f"unix://{paths.socket}") else elsewhere,
        forbidden=environment.get(FORBID, "").lower() in ("no", "0", "false"),
        root=os.geteuid() == 0,
        debian=shutil.which("apt-get") is not None,
        installed=dockerd() is not None,
        denied=paths.socket.exists() and not os.access(paths.socket, os.R_OK | os.W_OK),
    )


def answers(paths: Paths) -> bool:
    """Whether an engine answers: at DOCKER_HOST or the context, else at the socket. A client's version says nothing."""
    from lab.engine import Engine, endpoint

    try:
        with Engine.connect(seconds=5, at=endpoint() or f"unix://{paths.socket}"):
            return True
    except EngineError:
        return False


def dockerd() -> str | None:
    """The engine's program, if it is installed; it is often not in a user's search path."""
    return shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:/sbin")


@contextlib.contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Two that start at once must not start two engines."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _apt_install(*packages: str) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-q"],
        ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages],
    ):
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            tail = "\n".join(f"  | {line}" for line in (done.stdout + done.stderr).splitlines()[-12:])
            raise EngineError(f"`{' '.join(command)}` failed:\n{tail}", hint="Debian's packages must be reachable")


def _start(paths: Paths, say: Say) -> None:
    if Path("/run/systemd/system").is_dir() and paths == Paths():
        say("starting Docker's service")
        done = subprocess.run(["systemctl", "start", "docker"], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise EngineError(f"`systemctl start docker` failed: {done.stderr.strip()}", hint="`journalctl -u docker`")
        return _await(paths, None)
    remove_stale_pid(paths.pid_file, say=say)
    say(f"starting dockerd; its log is {paths.log}")
    paths.log.parent.mkdir(parents=True, exist_ok=True)
    with paths.log.open("a") as log:
        process = subprocess.Popen(
            [dockerd() or "dockerd", *paths.arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # it outlives us, and a Ctrl-C at our terminal is not meant for it
        )
    return _await(paths, process)


def remove_stale_pid(pid_file: Path, *, say: Say) -> None:
    """dockerd refuses to start if the process in its pid file lives, whatever that process is by now."""
    try:
        pid = int(pid_file.read_text().strip())
    except (FileNotFoundError, ValueError):
        pid_file.unlink(missing_ok=True)
        return
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        name = ""
    if name != "dockerd":
        say(f"removing {pid_file}, left by an engine that was killed")
        pid_file.unlink(missing_ok=True)


def _await(paths: Paths, process: subprocess.Popen[bytes] | None) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not answers(paths):
        if (process is not None and process.poll() is not None) or time.monotonic() > deadline:
            lines = paths.log.read_text(errors="replace").splitlines() if paths.log.exists() else []
            tail = "\n".join(f"  | {line}" for line in lines[-12:])
            raise EngineError(
                f"expected the engine to answer at {paths.socket}, observed nothing; the end of its log:\n{tail}",
                hint=f"the whole log is {paths.log}",
            )
        time.sleep(0.1)


# ------------------------------------------------------------------------------------------- Debian


def can_bootstrap() -> bool:
    """Whether a Debian root can be made from packages here."""
    return os.geteuid() == 0 and (shutil.which("mmdebstrap") is not None or shutil.which("apt-get") is not None)


@contextlib.contextmanager
def bootstrap_debian(
    suite: str, *, say: Say, packages: tuple[str, ...] = (), options: tuple[str, ...] = ()
) -> Iterator[Path]:
    """A tar file with a minimal Debian and some packages more, made by mmdebstrap. Raises ImageError."""
    if not can_bootstrap():
        raise ImageError(
            "expected a registry that gives debian:bookworm-slim, none answers",
            hint="connect the engine to one, or be root on a Debian family system, where it is made from packages",
        )
    if shutil.which("mmdebstrap") is None:
        say("installing mmdebstrap with apt-get")
        _apt_install("mmdebstrap", "debian-archive-keyring")
    with tempfile.TemporaryDirectory(prefix="socketlab-") as folder:
        tar = Path(folder, "debian.tar")
        included = [f"--include={','.join(packages)}"] if packages else []
        command = ["mmdebstrap", "--variant=minbase", *_slimming(), *included, *options, suite, str(tar), *_mirror()]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            tail = "\n".join(f"  | {line}" for line in done.stderr.splitlines()[-12:])
            raise ImageError(
                f"mmdebstrap could not make a Debian of {suite}:\n{tail}", hint="Debian's packages must be reachable"
            )
        yield tar


def _mirror() -> list[str]:
    """Where this machine has its own Debian from; nothing where it is none, and mmdebstrap knows one by itself."""
    if shutil.which("apt-get") is None:
        return []
    command = ["apt-get", "indextargets", "--format", "$(ORIGIN)/$(LABEL) $(REPO_URI)", "Created-By: Packages"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    found = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("Debian/Debian http")]
    return found[:1]


def _slimming() -> list[str]:
    """Leave out what nobody reads in a container."""
    left_out = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")
    return [
        "--aptopt=Acquire::Languages none",
        *(f"--dpkgopt=path-exclude={path}" for path in left_out),
    ]
