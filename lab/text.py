"""Words for people: what was probably meant, an address with its port, and text that cannot drive a terminal. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

CLOSE = 0.6
"""How alike two words are, from 0 to 1, for one to be a misspelling of the other (difflib's own default)."""


def nearest(word: str, words: Iterable[str], *, cutoff: float = CLOSE) -> str:
    """The word that was probably meant, "" if none is near: the same in another number before all that are alike."""
    all_words = list(words)
    one = _singular(word)
    number = next((other for other in all_words if _singular(other) == one), "")
    if number:
        return number
    near = difflib.get_close_matches(word, all_words, n=1, cutoff=cutoff)
    return near[0] if near else ""


def _singular(word: str) -> str:
    return f"{word.removesuffix('ies')}y" if word.endswith("ies") else word.removesuffix("s")


def suggestion(word: str, words: Iterable[str], *, otherwise: str = "") -> str:
    """`did you mean NEAREST?`, or `otherwise` if no word is near."""
    near = nearest(word, words)
    return f"did you mean {near}?" if near else otherwise


def printable(text: str) -> str:
    """The text without control characters: a name in a lab must not be able to drive a terminal."""
    return "".join(char if char.isprintable() else "�" for char in text)


def lines(text: str) -> list[str]:
    """The lines of a text of several, each printable and with spaces for its tabs; of an empty text one."""
    return [printable(line.expandtabs()) for line in text.splitlines()] or [""]


def cut(text: str, most: int) -> str:
    """So many characters of a text at most, and if there are more, how many."""
    return text if len(text) <= most else f"{text[:most]} … ({len(text)} characters)"


def joined(address: object, port: object, *, device: str = "") -> str:
    """`192.0.2.1:80`, `[2001:db8::1]:80` (RFC 3986 §3.2.2); with a device `192.0.2.1%eth0:80`, as ss(8) writes it."""
    host = f"[{address}]" if ":" in str(address) else str(address)
    return f"{host}%{device}:{port}" if device else f"{host}:{port}"
