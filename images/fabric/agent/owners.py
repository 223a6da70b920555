"""Which processes hold the sockets that ss(8) shows, in its own words.

ss(8) itself looks through every process of the machine for that, of whatever instance. Here only those of one host
are looked at.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable

ROW = re.compile(r"(?P<ends>\S+ +\S+ +\d+ +\d+ +\S+ +\S+ *)(?P<rest>(?:.* )?ino:(?P<inode>\d+)(?: .*)?)")
"""Of ss(8) with -e and without -p: nothing in it is a program's choice."""
SOCKET = re.compile(r"socket:\[(\d+)\]")
NAME = re.compile(rb"\d+ \((?P<name>[^)]*)")
"""proc_pid_stat(5), as ss(8) reads it: a name ends at its first `)`, whatever follows"""


def told(rows: str, pids: Iterable[int]) -> str | None:
    """The rows of `ss -e` as `ss -e -p` would show them, if only these processes were there.

    None if a row has no inode, by which its holder would be known: where the kernel cannot be asked for raw(7) sockets.
    """
    lines = [line for line in rows.split("\n") if line]
    found = [ROW.fullmatch(line) for line in lines]
    if not all(found):
        return None
    holders = _holders(pids) if lines else {}
    shown = []
    for row in found:
        assert row is not None
        users = holders.get(row["inode"])
        shown.append(row["ends"] + (f"users:({','.join(users)}) " if users else "") + row["rest"])
    return "".join(f"{line}\n" for line in shown)


def _holders(pids: Iterable[int]) -> dict[str, list[str]]:
    """Inode -> whose it is, as ss(8) writes it."""
    found: dict[str, list[str]] = {}
    for pid in pids:
        try:
            name = _name(pid)
            descriptors = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue  # it ended meanwhile
        for descriptor in descriptors:
            with contextlib.suppress(OSError):  # it was closed meanwhile
                held = SOCKET.fullmatch(os.readlink(f"/proc/{pid}/fd/{descriptor}"))
                if held is not None:
                    found.setdefault(held[1], []).append(f'("{name}",pid={pid},fd={descriptor})')
    return found


def _name(pid: int) -> str:
    with open(f"/proc/{pid}/stat", "rb") as file:
        read = NAME.match(file.read())
    return "" if read is None else read["name"].decode(errors="replace")
