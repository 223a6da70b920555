"""Markdown as GitHub shows it, with texts that stay texts whatever is in them. Pure.

Source: GitHub Flavored Markdown 0.29, and what GitHub makes of a page's words beyond it: mentions, references to
issues and commits, addresses, emoji, formulas ("Basic writing and formatting syntax").
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Sequence

from lab.text import lines

APART = "\u200b"
"""ZERO WIDTH SPACE: parts a word for GitHub, and not for who reads it."""
WORDS = (
    r"(?<=@)(?=\w)",  # a mention
    r"(?<=#)(?=\d)",  # an issue; also owner/repository#12
    r"(?i:(?<=gh-))(?=\d)",  # an issue
    r"(?<=[0-9a-fA-F]{6})(?=[0-9a-fA-F])",  # a commit, of which 7 characters are enough
    r"(?<=:)(?=//)",  # an address
    r"(?i:(?<=www))(?=\.)",  # an address
    r"(?<=:)(?=[\w+-]+:)",  # an emoji
)
TURNED = str.maketrans({one: f"&#{ord(one)};" for one in string.punctuation} | {"$": "<span>$</span>"})
"""A character reference is never taken for Markdown, nor for HTML (GFM §6.2). Dollars make a formula even so."""
LEFT_OUT = "\n_{count} of {all} parts are left out: there is no room for more. The other reports have all of it._\n"


def escaped(text: str) -> str:
    """The text as it is, in one line, for a paragraph, a heading, a cell of a table, or within HTML.

    Characters that are not printable are replaced by U+FFFD. Where GitHub would make more of a word, such as a mention,
    it holds a ZERO WIDTH SPACE.
    """
    one = " ".join(lines(text)).strip()
    for word in WORDS:
        one = re.sub(word, APART, one)
    return one.translate(TURNED)


def fenced(text: Iterable[str]) -> str:
    """Lines as they are, in a block of their own, in which nothing is Markdown. They must hold no end of a line."""
    found = [part for line in text for part in lines(line)]
    # Only as many backticks or more end the block (GFM §4.5).
    most = max((len(run) for line in found for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, most + 1)
    return "\n".join([f"{fence}text", *found, fence]) + "\n"


def row(*cells: str) -> str:
    """A row of a table; the cells are Markdown already."""
    return f"| {' | '.join(cells)} |\n"


def fitted(head: str, parts: Sequence[str], *, room: int) -> str:
    """The head and as many parts as there is room for, in their order, and how many are left out.

    `room` is in bytes of UTF-8. If not even the head has room, it is "".
    """
    note = LEFT_OUT.format(count=len(parts), all=len(parts))
    left = room - _size(head) - _size(note)
    if left < 0:
        return ""
    kept = [head]
    for part in parts:
        size = _size(part)
        if size <= left:
            kept.append(part)
            left -= size
    missing = len(parts) + 1 - len(kept)
    return "".join([*kept, *([LEFT_OUT.format(count=missing, all=len(parts))] if missing else [])])


def _size(text: str) -> int:
    return len(text.encode())
