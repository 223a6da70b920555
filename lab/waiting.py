"""Looking again and again until something is as wanted. Nothing else may wait here, nor know what is looked at."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(look: Callable[[], T], wanted: Callable[[T], bool], *, seconds: float, pause: float) -> T:
    """The first look that is as wanted; after `seconds` the last one, whatever it shows."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if wanted(seen) or time.monotonic() > deadline:
            return seen
        time.sleep(pause)
