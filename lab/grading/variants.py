"""Variables of an exercise -> their values for one variant. Pure.

Every value is drawn by HMAC-SHA256 (RFC 2104) from a key, the exercise, the variant and the variable's name: whoever
has the key gets the same values again, and whoever has not cannot know them beforehand.
"""

from __future__ import annotations

import hmac
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from lab.errors import UsageError

PATTERN = r"[a-z0-9][a-z0-9-]{0,23}"
CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"
MOST_HOSTS = 1 << 16
"""Only so many first addresses of a subnet are drawn from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Number:
    """A whole number from `low` to `high`, both included, such as a port."""

    low: int
    high: int

    @property
    def size(self) -> int:
        """How many values there are."""
        return self.high - self.low + 1

    def value(self, index: int) -> str:
        """One of them."""
        return str(self.low + index)


@dataclass(frozen=True, kw_only=True, slots=True)
class HostAddress:
    """An address of a subnet, whose host number is from `low` to `high`, both included."""

    subnet: IPv4Network | IPv6Network
    low: int
    high: int

    @property
    def size(self) -> int:
        """How many values there are."""
        return self.high - self.low + 1

    def value(self, index: int) -> str:
        """One of them."""
        return str(self.subnet[self.low + index])


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """Lower-case letters that can be said, and be a label of a name (RFC 1035 §2.3.1)."""

    length: int

    @property
    def size(self) -> int:
        """How many values there are."""
        return math.prod(len(VOWELS) if place % 2 else len(CONSONANTS) for place in range(self.length))

    def value(self, index: int) -> str:
        """One of them."""
        letters = []
        for place in range(self.length):
            alphabet = VOWELS if place % 2 else CONSONANTS
            index, letter = divmod(index, len(alphabet))
            letters.append(alphabet[letter])
        return "".join(letters)


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One of several texts."""

    options: tuple[str, ...]

    @property
    def size(self) -> int:
        """How many values there are."""
        return len(self.options)

    def value(self, index: int) -> str:
        """One of them."""
        return self.options[index]


Kind = Number | HostAddress | Word | Choice


def checked(variant: str) -> str:
    """A variant's name as given; it may become part of an instance's. Raises UsageError."""
    if not re.fullmatch(PATTERN, variant):
        raise UsageError(f"expected a variant of lower-case letters, digits and - (at most 24), found {variant!r}")
    return variant


def draw(
    variables: Iterable[tuple[str, Kind]], *, exercise: str, variant: str, key: bytes
) -> tuple[tuple[str, str], ...]:
    """The value of each variable. No two variables have the same value, as far as their kinds allow it."""
    drawn: dict[str, str] = {}
    for name, kind in variables:
        digest = hmac.digest(key, f"{exercise}\0{variant}\0{name}".encode(), "sha256")
        # 256 bits modulo a size that is far smaller: no value is noticeably more likely than another.
        first = int.from_bytes(digest, "big") % kind.size
        values = (kind.value((first + more) % kind.size) for more in range(kind.size))
        drawn[name] = next((value for value in values if value not in drawn.values()), kind.value(first))
    return tuple(drawn.items())
