"""Submissions that cannot lie in a repository: archives that were made to harm, special files, names that are none."""

from __future__ import annotations

import gzip
import io
import os
import socket
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

MIB = 1 << 20
EVIL = b"raise SystemExit('evil')\n"


def make(folder: Path, name: str, solution: Mapping[str, bytes]) -> Path:
    """Make the submission of that name in a folder; where it is."""
    if name.startswith("zip"):
        path = folder / f"{name}.zip"
        path.write_bytes(_zip(name, solution))
    elif name.startswith("tar"):
        path = folder / f"{name}.tar.gz"
        path.write_bytes(_tar(name, solution))
    else:
        path = folder / name
        _place(path, name, solution)
    return path


def _zip(name: str, solution: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        files = dict(solution)
        match name:
            case "zip_bomb":
                files["serve.py"] = bytes(200 * MIB)
            case "zip_of_zips":
                files = {"homework.zip": _zip("zip", solution)}
            case "zip_of_too_many":
                files |= {f"{number}": b"" for number in range(11_000)}
            case "zip_that_leads_out":
                files = {"../serve.py": EVIL, "/etc/cron.d/x": EVIL, "a/../../ask.py": EVIL, **files}
            case "zip_with_names_that_are_none":
                files |= {"a\nb": EVIL, "\x1b[2J.py": EVIL, "::error::x": EVIL, "serve.py/x": EVIL, "con": EVIL}
            case "zip_with_a_link":
                del files["serve.py"]
                link = zipfile.ZipInfo("serve.py")
                link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
                archive.writestr(link, "/etc/passwd")
            case "zip_of_two_of_a_name":
                archive.writestr("./serve.py", EVIL)
        for path, data in files.items():
            archive.writestr(path, data)
    made = bytearray(target.getvalue())
    if name == "zip_with_a_password":
        for signature, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
            made[made.index(signature) + place] |= 1
    if name == "zip_that_is_none":
        return b"PRINT 'hello'\n"
    return bytes(made[: len(made) // 2] if name == "zip_that_breaks_off" else made)


SPECIAL = {
    "tar_with_a_link": (tarfile.SYMTYPE, "/etc/passwd"),
    "tar_with_a_hard_link": (tarfile.LNKTYPE, "/etc/passwd"),
    "tar_with_a_device": (tarfile.CHRTYPE, ""),
    "tar_with_a_pipe": (tarfile.FIFOTYPE, ""),
}


def _tar(name: str, solution: Mapping[str, bytes]) -> bytes:
    if name == "tar_bomb":
        # Its header says ten gigabytes; a few hundred megabytes of them are beyond every limit already.
        packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
        info = tarfile.TarInfo("serve.py")
        info.size = 10 << 30
        data = packer.compress(info.tobuf(tarfile.GNU_FORMAT))
        return data + b"".join(packer.compress(bytes(MIB)) for _ in range(200)) + packer.flush()
    if name == "tar_with_a_header_of_terabytes":
        header = tarfile.TarInfo("PaxHeader")
        header.type, header.size = tarfile.XHDTYPE, 5 << 40
        return gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + b"x" * 2048)
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        files = dict(solution)
        if name in SPECIAL:
            del files["serve.py"]
            info = tarfile.TarInfo("serve.py")
            info.type, info.linkname = SPECIAL[name]
            archive.addfile(info)
        else:
            files = {"../serve.py": EVIL, "/serve.py": EVIL, "./a/../../serve.py": EVIL, **files}
        for path, data in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return target.getvalue()


def _place(path: Path, name: str, solution: Mapping[str, bytes]) -> None:
    """A folder with the solution and something else, or something in the place of a file or of the folder."""
    if name == "link_in_the_place_of_a_folder":
        path.symlink_to("/etc")
        return
    path.mkdir()
    for file, data in solution.items():
        (path / file).write_bytes(data)
    serve = path / "serve.py"
    match name:
        case "ten_thousand_files":
            for number in range(10_000):
                (path / f"{number}.py").touch()
        case "a_thousand_folders_deep":
            descriptor = os.open(path, os.O_RDONLY)
            for _ in range(1000):
                os.mkdir("d", dir_fd=descriptor)
                deeper = os.open("d", os.O_RDONLY, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = deeper
            os.close(descriptor)
        case "names_that_are_no_text":
            for other in (b"\xff\xfe.py", b"a\nb", b"\x1b]0;x\x07", b"-rf", b"serve.py "):
                (path / os.fsdecode(other)).write_bytes(EVIL)
        case "link_to_etc_passwd":
            serve.unlink()
            serve.symlink_to("/etc/passwd")
        case "pipe_in_the_place_of_a_file":
            serve.unlink()
            os.mkfifo(serve)
        case "socket_in_the_place_of_a_file":
            serve.unlink()
            with socket.socket(socket.AF_UNIX) as listening:
                # Its path is short (unix(7)), and pytest's folders are not.
                before = Path.cwd()
                os.chdir(path)
                try:
                    listening.bind("serve.py")
                finally:
                    os.chdir(before)
        case "file_of_100_megabytes":
            serve.write_bytes(bytes(100 * MIB))
        case "file_of_a_terabyte":
            os.truncate(serve, 1 << 40)
