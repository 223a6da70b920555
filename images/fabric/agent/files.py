"""What a program may write in a host, seen and changed from outside.

Everything goes through folder descriptors and never follows a link, because what lies there may have been made
by a hostile program: a link to /etc would otherwise lead into *this* container's files.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import uuid
from collections.abc import Iterator

from namespaces import AgentError, Place

WRITABLE = {
    "/home/student": (0o755, 1000),
    "/tmp": (0o1777, 0),
    "/dev/shm": (0o1777, 0),
    "/dev/mqueue": (0o1777, 0),
}
"""The folders that a student can write to: their mode and owner when pristine."""

STUDENT = 1000
SERVICE = 999
MOST_DEPTH = 32
"""How many folders deep a listing looks: each is an open descriptor, and its name stands in every line below."""
MOST_HOLES = 64 * 1024
"""A file with more bytes than this in holes (lseek(2)) is not read: it takes no room, so there may be any number."""
BLOCK = 512
"""bytes; stat(2), st_blocks"""
FS_IOC_SETFLAGS = 0x40086602
"""ioctl_iflags(2)"""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def deploy(place: Place, folder: str, files: list[tuple[str, bytes, int]]) -> None:
    """Write files (name, content, mode) into /home/student/<folder>, owned by student; what was there is replaced."""
    for name in (folder, *(name for name, _, _ in files)):
        if "/" in name or name in ("", ".", ".."):
            raise AgentError(f"not a file name: {name!r}")
    try:
        with _opened(f"{place.root}/home/student") as home:
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, 0o755, dir_fd=home)
            with _opened(folder, home) as target:
                os.fchown(target, STUDENT, STUDENT)
                for name, content, mode in files:
                    _write(target, name, content, mode)
    except OSError as error:
        raise AgentError(f"cannot deploy into ~/{folder} of {place.name}: {error.strerror}") from error


@contextlib.contextmanager
def _opened(path: str, folder: int | None = None) -> Iterator[int]:
    """A descriptor of a folder that is no link."""
    descriptor = os.open(path, _FOLDER, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _write(folder: int, name: str, content: bytes, mode: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    with os.fdopen(file, "wb") as out:
        out.write(content)
        os.fchown(file, STUDENT, STUDENT)
        os.fchmod(file, mode)


def provide(place: Place, folder: str, files: list[tuple[str, bytes]], owned: dict[str, int]) -> None:
    """Make a folder /run/<folder> anew, with files (name, content) that only root can write.

    Folders in it or beside it, named in `owned` with their modes, are the user service's. No process that could have
    written there may be running: whatever was there is removed.
    """
    for name, _ in files:
        if "/" in name or name in ("", ".", ".."):
            raise AgentError(f"not a file name: {name!r}")
    try:
        with _opened(f"{place.root}/run") as run:
            for path in (folder, *owned):
                _new_folder(run, path)
            with _opened_below(run, folder) as target:
                for name, content in files:
                    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=target)
                    with os.fdopen(file, "wb") as out:
                        out.write(content)
                        os.fchmod(file, 0o644)
            for path, mode in owned.items():
                with _opened_below(run, path) as target:
                    os.fchown(target, SERVICE, SERVICE)
                    os.fchmod(target, mode)
    except OSError as error:
        raise AgentError(f"cannot write to /run/{folder} of {place.name}: {error.strerror}") from error


@contextlib.contextmanager
def _opened_below(top: int, path: str) -> Iterator[int]:
    """A descriptor of a folder below one, by a path in which nothing is a link."""
    with contextlib.ExitStack() as stack:
        for part in path.split("/"):
            top = stack.enter_context(_opened(part, top))
        yield top


def _new_folder(top: int, path: str) -> None:
    """Make a folder and those that lead to it; it is empty then, and root's."""
    with contextlib.ExitStack() as stack:
        for part in path.split("/"):
            if part in ("", ".", ".."):
                raise AgentError(f"not a folder of services: {path!r}")
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=top)
            top = stack.enter_context(_opened(part, top))
        _empty(top)
        os.fchown(top, 0, 0)
        os.fchmod(top, 0o755)


def wipe(place: Place) -> None:
    """Empty every writable folder and make it as it was. No process of the host may be running."""
    for path, (mode, owner) in WRITABLE.items():
        with contextlib.suppress(FileNotFoundError), _opened(place.root + path) as top:
            _empty(top)
            for attribute in os.listxattr(top):
                os.removexattr(top, attribute)
            with contextlib.suppress(OSError):  # a file system without flags
                fcntl.ioctl(top, FS_IOC_SETFLAGS, bytes(8))
            os.fchown(top, owner, owner)
            os.fchmod(top, mode)
            os.utime(top)  # whoever owns a folder can write something into its times


def _empty(top: int) -> None:
    """Remove what lies in a folder. What lies two folders down is moved up first, so no depth is too great."""
    while entries := list(os.scandir(top)):
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.name, dir_fd=top)
                continue
            with _opened(entry.name, top) as folder:
                for inner in list(os.scandir(folder)):
                    if inner.is_dir(follow_symlinks=False):
                        os.rename(inner.name, uuid.uuid4().hex, src_dir_fd=folder, dst_dir_fd=top)
                    else:
                        os.unlink(inner.name, dir_fd=folder)
            os.rmdir(entry.name, dir_fd=top)


def listing(place: Place) -> list[str]:
    """One line per file below the writable folders: path, kind and mode, owner, and a hash of the content.

    Of what lies deeper than MOST_DEPTH folders there is one line that says so.
    """
    lines: list[str] = []
    for path in WRITABLE:
        with contextlib.suppress(FileNotFoundError), _opened(place.root + path) as top:
            lines += _lines(path, top, MOST_DEPTH)
    return sorted(lines)


def _lines(where: str, folder: int, depth: int) -> list[str]:
    lines = [_line(where, os.fstat(folder), "")]
    for name in os.listdir(folder):
        if depth == 0:
            return [*lines, f"{where}/… more, deeper than is looked"]
        try:
            if stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
                with _opened(name, folder) as inner:
                    lines += _lines(f"{where}/{name}", inner, depth - 1)
            else:
                lines.append(_entry(where, name, folder))
        except FileNotFoundError:
            continue  # it went while we looked
        except OSError as error:  # it became something else while we looked
            lines.append(f"{where}/{name} {error.strerror}")
    return lines


def _entry(where: str, name: str, folder: int) -> str:
    status = os.lstat(name, dir_fd=folder)
    digest = ""
    if stat.S_ISREG(status.st_mode) and status.st_size - status.st_blocks * BLOCK > MOST_HOLES:
        digest = f"{status.st_size} bytes with holes"
    elif stat.S_ISREG(status.st_mode):
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        with os.fdopen(file, "rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()[:16]
    elif stat.S_ISLNK(status.st_mode):
        digest = os.readlink(name, dir_fd=folder)
    return _line(f"{where}/{name}", status, digest)


def _line(path: str, status: os.stat_result, digest: str) -> str:
    return f"{path} {stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid} {digest}".rstrip()


def fixed_files(place: Place) -> list[str]:
    """One line per file that Docker made for the host outside its image: name and content's hash."""
    lines = []
    for path in ("/etc/hosts", "/etc/resolv.conf", "/etc/hostname"):
        with open(place.root + path, "rb") as file:
            lines.append(f"{path} {hashlib.sha256(file.read()).hexdigest()[:16]}")
    return lines
