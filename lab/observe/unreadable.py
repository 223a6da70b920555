"""What all parsers of tools' text share: the error that says that a line cannot be understood."""

from __future__ import annotations


class UnreadableError(ValueError):
    """The text of a tool that this version does not understand."""
