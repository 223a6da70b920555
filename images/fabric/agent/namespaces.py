"""The hosts of an instance as this container sees them: their processes, namespaces and root folders.

Only entering and finding lives here. Nothing in this file knows what is done inside a namespace.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import subprocess
from dataclasses import dataclass

CLONE_NEWIPC = 0x08000000
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)

TOOL_SECONDS = 30
TOOL_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


class AgentError(Exception):
    """A request that could not be carried out; its text goes back to whoever asked."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A host: the process 1 in it, and open descriptors of its namespaces, which no later process can take."""

    name: str
    container: str
    pid: int
    process: int
    """a descriptor of process 1 (pidfd_open(2)): readable once it has ended"""
    net: int
    ipc: int
    pid_namespace: int
    """inode number of the PID namespace, to tell whose a process is"""

    @property
    def root(self) -> str:
        """The host's root folder, seen from here."""
        return f"/proc/{self.pid}/root"

    @property
    def lives(self) -> bool:
        """Whether the host's process 1 still runs. Its namespaces outlive it here, empty."""
        return not select.select([self.process], [], [], 0)[0]

    def close(self) -> None:
        """Let go of the process and its namespaces."""
        for descriptor in (self.process, self.net, self.ipc):
            os.close(descriptor)


def setns(descriptor: int, kind: int) -> None:
    """Move the calling thread into a namespace (setns(2)). Python has os.setns only from 3.12 on."""
    if _libc.setns(descriptor, kind) != 0:
        number = ctypes.get_errno()
        raise AgentError(f"setns: {os.strerror(number)}")


def unshare(kind: int) -> None:
    """Move the calling thread into a new namespace (unshare(2)). Python has os.unshare only from 3.12 on."""
    if _libc.unshare(kind) != 0:
        number = ctypes.get_errno()
        raise AgentError(f"unshare: {os.strerror(number)}")


def find(containers: dict[str, str]) -> dict[str, Place]:
    """The places of hosts, given as name -> container id.

    A process belongs to a container if its cgroup path holds the container's id, and is the first of its
    PID namespace if NSpid ends in 1. Raises AgentError naming the hosts that have no process.
    """
    by_container = {container: name for name, container in containers.items()}
    places: dict[str, Place] = {}
    for pid in _processes():
        container = _container_of(pid, by_container)
        if container is None or not _is_first(pid):
            continue
        name = by_container[container]
        places[name] = _place(name, container, pid)
    missing = sorted(set(containers) - set(places))
    if missing:
        raise AgentError(f"no running process in: {', '.join(missing)}")
    return places


def run_tool(argv: list[str], *, text: str = "", check: bool = True) -> str:
    """Run one of this image's own programs in the calling thread's namespaces; its standard output."""
    done = subprocess.run(
        argv,
        input=text.encode(),
        capture_output=True,
        timeout=TOOL_SECONDS,
        env=TOOL_ENVIRONMENT,
        check=False,
    )
    if check and done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise AgentError(f"{' '.join(argv)}: {said or f'exit status {done.returncode}'}")
    return done.stdout.decode(errors="replace")


def _processes() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _container_of(pid: int, known: dict[str, str]) -> str | None:
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
            text = file.read()
    except OSError:
        return None  # it ended meanwhile
    for line in text.splitlines():
        for part in line.replace(".scope", "").replace("docker-", "/").split("/"):
            if part in known:
                return part
    return None


def _is_first(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            for line in file:
                if line.startswith("NSpid:"):
                    return line.split()[-1] == "1"
    except OSError:
        pass
    return False


def _place(name: str, container: str, pid: int) -> Place:
    return Place(
        name=name,
        container=container,
        pid=pid,
        process=os.pidfd_open(pid),
        net=os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC),
        ipc=os.open(f"/proc/{pid}/ns/ipc", os.O_RDONLY | os.O_CLOEXEC),
        pid_namespace=os.stat(f"/proc/{pid}/ns/pid").st_ino,
    )


def processes_of(places: dict[str, Place]) -> dict[str, list[dict[str, object]]]:
    """Every process of every host but the first one: pid as seen inside, uid, and its command line."""
    by_namespace = {place.pid_namespace: name for name, place in places.items()}
    first = {place.pid for place in places.values()}
    found: dict[str, list[dict[str, object]]] = {name: [] for name in places}
    for pid in _processes():
        if pid in first:
            continue
        try:
            name = by_namespace.get(os.stat(f"/proc/{pid}/ns/pid").st_ino)
            if name is not None and not _is_ours(pid, places[name]):
                found[name].append(_describe(pid))
        except OSError:
            continue  # it ended meanwhile
    return found


def pids_of(place: Place) -> list[int]:
    """Every process of a host, the first one too, as it is numbered here."""
    found = []
    for pid in _processes():
        with contextlib.suppress(OSError):  # it ended meanwhile
            if os.stat(f"/proc/{pid}/ns/pid").st_ino == place.pid_namespace and not _is_ours(pid, place):
                found.append(pid)
    return found


def _is_ours(pid: int, place: Place) -> bool:
    """Whether a process is this container's and not the host's, where both share a PID namespace.

    What we start descends from us. What the engine starts, here or there, has no parent inside (0), and the files of
    one of them (mount_namespaces(7)); while it enters, or when it has ended, neither's: then it is nobody's yet or any
    more. All that a program of the host starts has a parent inside. Raises OSError if it ended meanwhile.
    """
    if os.stat("/proc/self/ns/pid").st_ino != place.pid_namespace or pid == place.pid:
        return False
    ancestor = pid
    while ancestor not in (0, place.pid):
        if ancestor == os.getpid():
            return True
        ancestor = _parent(ancestor)
    if ancestor:
        return False
    try:
        return os.stat(f"/proc/{pid}/ns/mnt").st_ino != os.stat(f"/proc/{place.pid}/ns/mnt").st_ino
    except OSError:
        return True


def _parent(pid: int) -> int:
    with open(f"/proc/{pid}/stat", "rb") as file:
        # proc(5): the name stands in brackets, and may have any in it.
        return int(file.read().rpartition(b")")[2].split()[1])


def pid_here(place: Place, pid: int) -> int:
    """A process of a host as it is numbered here. Raises AgentError if there is none."""
    for other in _processes():
        try:
            if os.stat(f"/proc/{other}/ns/pid").st_ino != place.pid_namespace:
                continue
            with open(f"/proc/{other}/status", encoding="utf-8", errors="replace") as file:
                numbers = next(line.split()[1:] for line in file if line.startswith("NSpid:"))
        except (OSError, StopIteration):
            continue  # it ended meanwhile
        if numbers[-1] == str(pid):
            return other
    raise AgentError(f"{place.name}: no process {pid}")


def _describe(pid: int) -> dict[str, object]:
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    with open(f"/proc/{pid}/cmdline", "rb") as raw:
        words = raw.read(4096).decode(errors="replace").split("\0")[:-1]
    return {
        "pid": int(status["NSpid"].split()[-1]),
        "uid": int(status["Uid"].split()[0]),
        "state": status["State"][:1],
        "command": words or [f"[{status['Name']}]"],
    }
