"""What lies in a folder of submissions: one folder or archive each, whatever its name is."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.errors import UsageError
from lab.grading import archives
from lab.text import nearest, printable

LONGEST_FILE = 100
PLAIN = "._-@+ "
"""What a name may hold beside letters and digits, to be a file's name as it is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """Something that was handed in. `id` is its name, without what says that it is an archive; and printable."""

    id: str
    path: Path


def entries(folder: Path) -> tuple[Entry, ...]:
    """Everything in a folder, by id, but what is hidden. Raises UsageError if there is none."""
    try:
        names = sorted(one.name for one in folder.iterdir() if not one.name.startswith("."))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"expected a folder of submissions, found {folder}: {reason}") from error
    if not names:
        raise UsageError(
            f"expected a folder of submissions, found nothing in {folder}",
            hint="each submission in it is a folder or an archive, named as whoever handed it in",
        )
    return tuple(Entry(id=id_, path=folder / name) for id_, name in sorted(identified(names).items()))


def identified(names: Iterable[str]) -> dict[str, str]:
    """Names by id: without the suffix of an archive, unless there would be two of one id; and harmless."""
    there = list(names)
    short = {name: archives.without_suffix(name) for name in there}
    count = Counter(short.values())
    taken = set(there)
    return {
        harmless(short[name] if count[short[name]] == 1 and short[name] not in taken else name): name for name in there
    }


def harmless(name: str) -> str:
    """A name in which `%`, and each byte of what is not printable, is `%XX` (RFC 3986 §2.1).

    Two names never become one.
    """
    return "".join(
        char if char.isprintable() and char != "%" else "".join(f"%{byte:02X}" for byte in os.fsencode(char))
        for char in name
    )


def file_name(id_: str) -> str:
    """A name for files about a submission: on every file system, of bounded length, and of no other submission."""
    plain = "".join(char if char.isalnum() or char in PLAIN else "_" for char in id_).strip(". ")
    # One that looks like another's with its digest gets a digest, too.
    if plain == id_ and len(id_.encode()) <= LONGEST_FILE and not re.search(r"-[0-9a-f]{12}$", id_):
        return id_
    digest = hashlib.sha256(id_.encode(errors="surrogateescape")).hexdigest()[:12]
    return f"{plain.encode()[:LONGEST_FILE].decode(errors='ignore')}-{digest}"


def find(there: Iterable[Entry], id_: str) -> Entry:
    """The entry of that id. Raises UsageError."""
    found = {one.id: one for one in there}
    if id_ not in found:
        near = nearest(id_, found)
        hint = f"did you mean {near}?" if near else "results.json and grades.csv have the ids"
        raise UsageError(f"expected a submission, found none named {printable(id_)}", hint=hint)
    return found[id_]
