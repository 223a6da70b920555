"""Events of a gateway's connection tracking: conntrack(8) listens in its namespace, and its lines are recorded.

The kernel tells of a change by netlink messages to a group (netlink(7)); whoever listens is in /proc/net/netlink.
"""

from __future__ import annotations

import os
import re
import select
import subprocess
import threading
import time
from dataclasses import dataclass, field

from namespaces import CLONE_NEWNET, TOOL_ENVIRONMENT, AgentError, setns
from unread import Unread

TOLD = "/proc/sys/net/netfilter/nf_conntrack_events"
"""Whether a namespace's connection tracking tells anything; not there if the kernel cannot."""
NETFILTER = 12
"""linux/netlink.h, NETLINK_NETFILTER"""
BUFFER = 8 * 1024 * 1024
COMMAND = ["conntrack", "-E", "-o", "extended,timestamp", "-b", str(BUFFER)]
START_SECONDS = 10.0
DRAIN_SECONDS = 5.0
CHUNK = 65536
LIMIT = 16 * 1024 * 1024
LOSES = re.compile(rb"ENOBUFS|No buffer space")


@dataclass(kw_only=True)
class Events:
    """The lines of a `conntrack -E`. A thread reads them; beyond LIMIT of what is unread no line is kept."""

    process: subprocess.Popen[bytes]
    unread: Unread = field(default_factory=lambda: Unread(LIMIT))
    rest: bytes = b""
    """the begin of a line whose end has not come yet"""
    taken: int = 0
    """bytes that came in all"""
    lost: int = 0
    """bytes beyond LIMIT"""
    overrun: bool = False
    """whether the kernel had events that did not fit into the socket's buffer"""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def start(cls, namespace: int) -> Events:
        """Returns when it listens. The calling thread is in the namespace afterwards. Raises AgentError."""
        setns(namespace, CLONE_NEWNET)
        _require_events()
        process = subprocess.Popen(
            COMMAND, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=TOOL_ENVIRONMENT
        )
        events = cls(process=process)
        deadline = time.monotonic() + START_SECONDS
        while events._waiting() is None:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                said = process.communicate()[1].decode(errors="replace").strip()
                raise AgentError(f"conntrack -E: {said or 'does not begin to listen'}")
            time.sleep(0.002)
        assert process.stdout is not None
        assert process.stderr is not None
        os.set_blocking(process.stdout.fileno(), False)
        threading.Thread(target=events._follow, args=(process.stdout.fileno(),), daemon=True).start()
        threading.Thread(target=events._heed, args=(process.stderr.fileno(),), daemon=True).start()
        return events

    def _follow(self, stdout: int) -> None:
        while True:
            select.select([stdout], [], [])
            with self.lock:
                if not self._take(stdout):
                    return

    def _take(self, stdout: int) -> bool:
        """Read what lies in the pipe; False at its end."""
        while True:
            try:
                piece = os.read(stdout, CHUNK)
            except BlockingIOError:
                return True
            if not piece:
                return False
            self.taken += len(piece)
            whole, end, self.rest = (self.rest + piece).rpartition(b"\n")
            if self.unread.has_room(len(whole + end)):
                self.unread.add(whole + end)
            else:
                self.lost += len(whole + end)

    def _heed(self, stderr: int) -> None:
        while piece := os.read(stderr, CHUNK):
            if LOSES.search(piece):
                self.overrun = True

    def _waiting(self) -> int | None:
        """How many bytes the kernel holds for it; None if it does not listen (yet)."""
        try:
            mine = {
                os.readlink(f"/proc/{self.process.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{self.process.pid}/fd")
            }
            with open(f"/proc/{self.process.pid}/net/netlink", encoding="ascii") as file:
                rows = [line.split() for line in file.readlines()[1:]]
        except OSError:
            return None  # it ended
        found = [
            int(row[4])
            for row in rows
            # sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
            if int(row[1]) == NETFILTER and int(row[3], 16) and f"socket:[{row[9]}]" in mine
        ]
        return sum(found) if found else None

    def _idle(self) -> bool:
        """Whether it has taken everything, and waits for more."""
        if self._waiting() not in (0, None):
            return False
        try:
            with open(f"/proc/{self.process.pid}/stat", encoding="utf-8", errors="replace") as file:
                return file.read().rpartition(")")[2].split()[0] in "SZ"
        except OSError:
            return True

    def let_go(self, at: int) -> None:
        """See recordings.Recording."""
        self.unread.let_go(at)

    def drain(self) -> None:
        """See recordings.Recording."""
        deadline = time.monotonic() + DRAIN_SECONDS
        # It sleeps while the pipe is full too, but then there is something in the pipe.
        while self.process.poll() is None and time.monotonic() < deadline:
            idle = self._idle()
            before = self.taken
            with self.lock:
                assert self.process.stdout is not None
                self._take(self.process.stdout.fileno())
            if idle and self.taken == before:
                return
            time.sleep(0.001)

    def stop(self) -> None:
        """See recordings.Recording."""
        if self.process.poll() is None:
            self.drain()
            self.process.kill()
        self.process.wait()

    def state(self) -> dict[str, object]:
        """See recordings.Recording."""
        return {"lost": self.lost, "overrun": self.overrun, "ended": self.process.poll() is not None}

    def inodes(self) -> set[int]:
        """See recordings.Recording: `ss` lists no netlink sockets for us."""
        return set()


def _require_events() -> None:
    """Raises AgentError where nothing would ever be told, which looks as if nothing happened."""
    try:
        with open(TOLD, encoding="ascii") as file:
            value = file.read().strip()
    except OSError:
        raise AgentError(
            "expected a kernel that tells of connection tracking, its option NF_CONNTRACK_EVENTS, observed none"
        ) from None
    if value == "0":
        raise AgentError("expected the sysctl net.netfilter.nf_conntrack_events to be 1 or 2, observed 0: off")
