"""The bytes of an archive -> which files lie in it, and the content of one. Nothing is unpacked to a disk. Pure.

Whoever made it may have wished harm: it is unpacked in memory up to a limit, no path, link or mode in it means
anything, and of a file no more is read than is asked for.
"""

from __future__ import annotations

import bz2
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

MOST_BYTES = 16 << 20
"""of an archive as it is handed in"""
MOST_UNPACKED = 64 << 20
"""of a tar file without its compression"""
MOST_MEMBERS = 10_000
MOST_EXTENDED, MOST_GLOBAL = 16 << 10, 1 << 10
"""of a member's extended header, and of all global ones together; that of `git archive` has 52 bytes"""
SEEN = "global_bytes"
LZMA_MEMORY = 128 << 20
"""What unpacking may take for itself; the largest preset of xz(1) takes 65 MiB."""
SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
KINDS = "a .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz"
RESOURCE_FORKS = "__MACOSX"
"""What macOS puts beside the files into a zip file."""


class ArchiveError(Exception):
    """An archive that is not read, and why."""

    def __init__(self, expected: str, observed: str, hint: str = "") -> None:
        super().__init__(f"expected {expected}, found {observed}")
        self.expected, self.observed, self.hint = expected, observed, hint


class NoArchiveError(ArchiveError):
    """The bytes are no archive at all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """What an archive has under a name."""

    kind: str
    """`a file`, or what it is in place of one"""
    content: Callable[[int], bytes]
    """at most so many bytes of it; raises ArchiveError"""

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return self.kind == FILE


FILE, FOLDER, LINK, SEVERAL = "a file", "a folder", "a symbolic link", "several of that name"


def without_suffix(name: str) -> str:
    """An archive's name without what says that it is one."""
    found = max((one for one in SUFFIXES if name.lower().endswith(one)), key=len, default="")
    return name[: len(name) - len(found)] or name


def members(data: bytes) -> dict[str, Member]:
    """What lies at the top of an archive; if that is one folder alone, what lies in it. Raises ArchiveError."""
    if len(data) > MOST_BYTES:
        raise ArchiveError(f"an archive of at most {MOST_BYTES >> 20} MiB", f"{len(data):,} bytes")
    try:
        found = _zip(data) if data.startswith((b"PK\3\4", b"PK\5\6")) else _tar(_unpacked(data))
    except ArchiveError:
        raise
    except Exception as error:  # what a reader raises on bytes that were made to harm it, nobody knows
        raise ArchiveError("an archive that can be read", f"one that cannot: {_told(error)}") from error
    return _top(found)


def _told(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


# ------------------------------------------------------------------------------------------------ tar


def _unpacked(data: bytes) -> bytes:
    """A tar file without its compression. Raises ArchiveError."""
    if data.startswith(b"\x1f\x8b"):
        gzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        unpacked, whole = gzip.decompress(data, MOST_UNPACKED + 1), gzip.eof
    elif data.startswith(b"BZh"):
        bzip2 = bz2.BZ2Decompressor()
        unpacked, whole = bzip2.decompress(data, MOST_UNPACKED + 1), bzip2.eof
    elif data.startswith(b"\xfd7zXZ\0"):
        xz = lzma.LZMADecompressor(memlimit=LZMA_MEMORY)
        unpacked, whole = xz.decompress(data, MOST_UNPACKED + 1), xz.eof
    else:
        unpacked, whole = data, True
    if len(unpacked) > MOST_UNPACKED:
        raise ArchiveError(f"an archive of at most {MOST_UNPACKED >> 20} MiB when it is unpacked", "more")
    if not whole:
        raise ArchiveError("a whole archive", "one that breaks off")
    return unpacked


class _Info(tarfile.TarInfo):
    """A member whose extended headers (pax(1)) are few and short.

    What a global one holds is copied to every member after it, and long ones are slow to read.
    """

    def _proc_pax(self, archive: tarfile.TarFile) -> Any:
        most = MOST_GLOBAL if self.type == tarfile.XGLTYPE else MOST_EXTENDED
        seen = getattr(archive, SEEN, 0) if self.type == tarfile.XGLTYPE else 0
        if self.size + seen > most:
            raise ArchiveError("an archive with short names and few attributes", "one with long extended headers")
        if self.type == tarfile.XGLTYPE:
            setattr(archive, SEEN, seen + self.size)
        # It reads the member after it, too.
        return getattr(super(), "_proc_pax")(archive)  # noqa: B009  # which its types do not know


def _tar(data: bytes) -> dict[str, Member]:
    found: dict[str, Member] = {}
    # Of an archive in memory no more can be read than there is, whatever a header in it claims.
    content = io.BytesIO(data)
    try:
        archive = tarfile.open(fileobj=content, mode="r:", errorlevel=2, tarinfo=_Info)  # noqa: SIM115  # members read it
    except tarfile.ReadError:
        if data[257:262] == b"ustar":
            raise
        raise NoArchiveError(f"an archive: {KINDS}", "something else") from None
    for count, member in enumerate(archive, start=1):
        _bounded(count)
        _add(found, member.name, Member(kind=_kind_in_tar(member), content=_Tar(archive, member)))
    return found


def _kind_in_tar(member: tarfile.TarInfo) -> str:
    if member.isreg():
        return FILE
    if member.isdir():
        return FOLDER
    return LINK if member.issym() else "a hard link" if member.islnk() else "something that is no regular file"


@dataclass(frozen=True, slots=True)
class _Tar:
    archive: tarfile.TarFile
    member: tarfile.TarInfo

    def __call__(self, most: int) -> bytes:
        try:
            file = self.archive.extractfile(self.member)
            return file.read(most) if file else b""
        except Exception as error:  # as in `members`
            raise ArchiveError("a file that can be read", f"one that cannot: {_told(error)}") from error


# ------------------------------------------------------------------------------------------------ zip


def _zip(data: bytes) -> dict[str, Member]:
    found: dict[str, Member] = {}
    # The reader makes an object of each entry of the central directory (APPNOTE 4.3.12) before one can count them.
    _bounded(data.count(b"PK\1\2"))
    archive = zipfile.ZipFile(io.BytesIO(data))
    for info in archive.infolist():
        _add(found, info.filename, Member(kind=_kind_in_zip(info), content=_Zip(archive, info)))
    return found


def _kind_in_zip(info: zipfile.ZipInfo) -> str:
    mode = info.external_attr >> 16 if info.create_system == UNIX else 0
    if info.is_dir():
        return FOLDER
    if stat.S_ISLNK(mode):
        return LINK
    return FILE if stat.S_IFMT(mode) in (0, stat.S_IFREG) else "something that is no regular file"


UNIX = 3
ENCRYPTED = 1
"""Flags of an entry (APPNOTE 4.4.2, 4.4.4)."""


@dataclass(frozen=True, slots=True)
class _Zip:
    archive: zipfile.ZipFile
    info: zipfile.ZipInfo

    def __call__(self, most: int) -> bytes:
        if self.info.flag_bits & ENCRYPTED:
            raise ArchiveError(
                "a file that can be read", "one that is encrypted", "make the archive without a password"
            )
        if self.info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # Of the others Python's reader unpacks more than it is asked for, without a limit.
            hint = "make the archive with the usual method, deflate"
            raise ArchiveError("a file that can be read", "one that is packed in an unusual way", hint)
        try:
            with self.archive.open(self.info) as file:
                return file.read(most)
        except Exception as error:  # as in `members`
            raise ArchiveError("a file that can be read", f"one that cannot: {_told(error)}") from error


# ---------------------------------------------------------------------------------------------- names


def _bounded(count: int) -> None:
    if count > MOST_MEMBERS:
        raise ArchiveError(f"an archive of at most {MOST_MEMBERS:,} files", "more")


def _add(found: dict[str, Member], name: str, member: Member) -> None:
    """By its path. What would lie elsewhere than in the archive's folder is in no submission."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or not parts or parts[0] == RESOURCE_FORKS:
        return
    path = "/".join(parts)
    both_folders = path in found and found[path].kind == member.kind == FOLDER
    if path in found and not both_folders:
        # Which one is meant? Readers of archives do not agree.
        member = Member(kind=SEVERAL, content=lambda _: b"")
    found[path] = member


def _top(found: dict[str, Member]) -> dict[str, Member]:
    """What lies at the top; if that is one folder alone, what lies in it."""
    tops = {PurePosixPath(path).parts[0] for path in found}
    only = next(iter(tops)) if len(tops) == 1 else ""
    if only and found.get(only, _FOLDER).kind == FOLDER:
        found = {path.removeprefix(f"{only}/"): member for path, member in found.items() if path != only}
    top = {path: member for path, member in found.items() if "/" not in path}
    # A folder need not have an entry of its own.
    return top | {path.split("/")[0]: _FOLDER for path in found if path.split("/")[0] not in top}


_FOLDER = Member(kind=FOLDER, content=lambda _: b"")
