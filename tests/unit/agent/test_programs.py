"""How a program ended, as its PID 1 tells it, and what it printed."""

from __future__ import annotations

import os
import socket
import threading
import time

import programs
import pytest


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("exit 0", "exit status 0"),
        ("exit 7", "exit status 7"),
        ("signal 9", "killed by SIGKILL"),
        ("signal 40", "killed by signal 40"),
        ("", "ended with its host"),
    ],
)
def test_an_end_is_told_in_words(said: str, text: str) -> None:
    """Each end has words, also a signal without a name."""
    assert programs._end(said) == text


def test_the_oldest_output_is_forgotten_first() -> None:
    """The end of a program's output is kept, and how much was dropped is known."""
    running = programs.Running(name="p", pid=1)
    running.keep(b"a" * programs.KEPT_BYTES)
    running.keep(b"end")
    assert len(running.output) == programs.KEPT_BYTES
    assert bytes(running.output[-4:]) == b"aend"
    assert running.dropped == 3


def test_what_is_printed_without_an_end_is_read_slowly() -> None:
    """However fast it is written: a writer and a reader that never wait keep others from the processors."""
    reading, writing = os.pipe()
    init, ours = socket.socketpair()
    running = programs.Running(name="p", pid=1)
    began = time.monotonic()
    thread = threading.Thread(target=programs._follow, args=(running, init, reading))
    thread.start()
    size = programs.AT_ONCE_BYTES + programs.BYTES_PER_SECOND // 2
    left = size
    while left > 0:
        left -= os.write(writing, bytes(min(left, programs.CHUNK)))
    os.close(writing)
    ours.send(b"exit 0")
    ours.close()
    thread.join()
    assert time.monotonic() - began >= 0.5
    assert (len(running.output), running.dropped) == (programs.KEPT_BYTES, size - programs.KEPT_BYTES)
    assert running.end == "exit status 0"
