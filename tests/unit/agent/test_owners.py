"""Who holds a socket, told as ss(8) tells it."""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Iterator

import owners
import pytest

from lab.observe import sockets

ROW = "tcp   LISTEN 0      128      127.0.0.1:{port} 0.0.0.0:*    {details}"
PR_SET_NAME = 15


@pytest.fixture
def held() -> Iterator[tuple[socket.socket, int]]:
    """A socket of ours, and its inode."""
    with socket.socket() as one:
        yield one, os.fstat(one.fileno()).st_ino


def name_of(words: str) -> None:
    """Give this thread's process another name, as any program can (prctl(2))."""
    ctypes.CDLL(None).prctl(PR_SET_NAME, words.encode(), 0, 0, 0)


def test_a_row_names_those_that_hold_its_socket(held: tuple[socket.socket, int]) -> None:
    """Each descriptor once, before the details; a row of nobody's, as in TIME-WAIT, stays as it is."""
    one, inode = held
    theirs = ROW.format(port=80, details=f"uid:1000 ino:{inode} sk:1 cgroup:/ <->")
    nobodys = ROW.format(port=81, details="ino:0 sk:2 <->")
    shown = owners.told(f"{theirs}\n{nobodys}\n", [os.getpid()])
    assert shown is not None
    first, second = shown.splitlines()
    users, _, rest = first.partition("users:((")[2].partition(")) ")
    assert f",pid={os.getpid()},fd={one.fileno()}" in users
    assert rest == f"uid:1000 ino:{inode} sk:1 cgroup:/ <->"
    assert second == nobodys
    assert [[process.pid for process in row.processes] for row in sockets(shown)] == [[os.getpid()], []]


@pytest.mark.parametrize(("given", "told"), [('a",pid=1', 'a",pid=1'), ("two words", "two words"), ("a)b (c", "a")])
def test_a_name_ends_at_its_first_bracket(held: tuple[socket.socket, int], given: str, told: str) -> None:
    """Whatever else is in it: so no name can look like the end of its own row."""
    before = owners._name(os.getpid())
    name_of(given)
    try:
        shown = owners.told(ROW.format(port=80, details=f"ino:{held[1]} sk:1 <->") + "\n", [os.getpid()])
    finally:
        name_of(before)
    assert [process.name for row in sockets(shown or "") for process in row.processes] == [told]


def test_another_process_is_not_looked_at(held: tuple[socket.socket, int]) -> None:
    """Nor is one that has ended."""
    row = ROW.format(port=80, details=f"ino:{held[1]} sk:1 <->") + "\n"
    assert owners.told(row, []) == row
    assert owners.told(row, [2**22 + 1]) == row


def test_without_an_inode_nobody_can_be_named() -> None:
    """Of one such row none is shown: whoever asked has to ask another way."""
    rows = ROW.format(port=80, details="ino:5 sk:1 <->") + "\n" + "raw UNCONN 0 0 0.0.0.0:255 0.0.0.0:*   \n"
    assert owners.told(rows, [os.getpid()]) is None


def test_no_row_is_no_row() -> None:
    """There is nothing to be shown."""
    assert owners.told("", [os.getpid()]) == ""
