"""Work that an interruption must not come into the middle of. Nothing else lives here."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

INTERRUPTIONS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
"""what `lab` makes exceptions of; see __main__.py"""


@contextmanager
def undisturbed() -> Iterator[None]:
    """While it lasts, signals that would become exceptions wait; they are given to their handlers at its end.

    Python runs handlers wherever its main thread is. A library in another language that calls back into Python takes
    what they raise for a failure of what it called, and goes on another way: pydantic tries the next member of a union,
    and the interruption is lost.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # no handler runs here
        return
    came: list[int] = []
    try:
        with ExitStack() as stack:
            for number in INTERRUPTIONS:
                handler = signal.getsignal(number)
                if callable(handler):
                    stack.callback(signal.signal, number, handler)
                    signal.signal(number, lambda which, _: came.append(which))
            yield
    finally:
        for one in came:
            signal.raise_signal(one)
