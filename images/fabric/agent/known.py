"""Texts of tools that need not run again, because the kernel's own answers show that nothing has changed since.

Only comparing lives here; the answers come from netlink.py.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Known:
    """What tools told last, each with the state of the kernel that it tells of."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[bytes, Any]] = {}

    def told(self, what: Hashable, state: Callable[[], bytes], tell: Callable[[], T], *, keep: bool) -> T:
        """What `tell` tells of a `state`: what it told before, if the state is the same, byte for byte.

        Two equal states say nothing of what was in between: `keep` only where nobody could change something and
        change it back while a tool runs. `state` may raise OSError: then the tool runs, and nothing is kept.
        """
        before = _of(state)
        kept = self._kept.get(what)
        if kept is not None and kept[0] == before:
            told: T = kept[1]
            return told
        found = tell()
        if keep and before is not None and _of(state) == before:
            self._kept[what] = (before, found)
        return found


def _of(state: Callable[[], bytes]) -> bytes | None:
    try:
        return state()
    except OSError:
        return None
