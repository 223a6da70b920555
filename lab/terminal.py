"""This process' terminal, joined to one in a host. All handling of terminals is here; what is shown in them is not."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import termios
import threading
import tty
from collections.abc import Iterator

from lab.model import Host
from lab.wiring import Ended, Terminal, Wiring


def converse(wiring: Wiring, host: Host, *, argv: tuple[str, ...], cwd: str) -> Ended:
    """Run a program in a terminal of a host, and pass everything both ways until it ends.

    Standard input must be a terminal.
    """
    with _raw(), _size_changes(wiring):
        return wiring.run(
            host,
            argv=argv,
            cwd=cwd,
            stdin=_typed,
            stdout=_write,
            stderr=_write,
            terminal=_own(),
        )


def _typed() -> bytes:
    try:
        return os.read(0, 4096)
    except OSError:
        return b""  # the terminal is gone


def _own() -> Terminal:
    size = os.get_terminal_size(1) if sys.stdout.isatty() else os.terminal_size((80, 24))
    return Terminal(lines=size.lines, columns=size.columns, kind=os.environ.get("TERM") or "dumb")


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


@contextlib.contextmanager
def _size_changes(wiring: Wiring) -> Iterator[None]:
    def tell(*_: object) -> None:
        # In a thread: what was interrupted may be holding the very lock that sending takes.
        threading.Thread(target=wiring.resize, args=(_own(),), daemon=True).start()

    previous = signal.signal(signal.SIGWINCH, tell)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, previous)


@contextlib.contextmanager
def _raw() -> Iterator[None]:
    """Without echo and line editing: the other end does both."""
    before = termios.tcgetattr(0)
    try:
        tty.setraw(0)
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
