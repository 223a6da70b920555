"""What was recorded and not yet read: bytes that come at one end and go at the other, never more than a limit."""

from __future__ import annotations

from namespaces import AgentError


class Unread:
    """Grows at its end by one thread, and is read forward by one client. What was read is let go of."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.base = 0
        """how many bytes were let go of"""
        self.data = bytearray()

    def has_room(self, count: int) -> bool:
        """Whether so many bytes more are within the limit."""
        return len(self.data) + count <= self.limit

    def add(self, *pieces: bytes | bytearray | memoryview) -> None:
        """Add bytes at the end."""
        for piece in pieces:
            self.data += piece

    def let_go(self, at: int) -> None:
        """Drop what comes before the byte `at`, counted from the first that ever was. Raises AgentError."""
        if not self.base <= at <= self.end:
            raise AgentError(f"expected to read on from byte {self.base}, or later, asked for {at}")
        del self.data[: at - self.base]
        self.base = at

    @property
    def end(self) -> int:
        """How many bytes there ever were."""
        return self.base + len(self.data)

    def first(self, most: int) -> bytes:
        """The first bytes that are there."""
        # A slice is a copy, made at once: a view would keep the thread that records from adding to it.
        return bytes(self.data[:most])
