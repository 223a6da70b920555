"""Archives that are handed in: good ones are read, and those that were made to harm are refused, or do none."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import UsageError
from lab.grading import archives
from lab.grading.archives import ArchiveError
from lab.grading.exercise import FILE_BYTES, AskedFile, Exercise
from lab.grading.submission import Submission, read, read_any

EXERCISE = Exercise(
    name="06-who",
    title="",
    lab="nat",
    points=1,
    files=(AskedFile(name="server.py", what="the server"), AskedFile(name="client.py", what="the client")),
)
SERVER, CLIENT = b"print('server')\n", b"print('client')\n"
FILES = {"server.py": SERVER, "client.py": CLIENT}
MIB = 1 << 20


def zipped(files: Mapping[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target.getvalue()


def tarred(files: Mapping[str, bytes | tarfile.TarInfo]) -> bytes:
    """A tar file."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, data in files.items():
            if isinstance(data, tarfile.TarInfo):
                archive.addfile(data)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return target.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """A member of a tar file that is no regular file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def handed(folder: Path, data: bytes, name: str = "alice.zip") -> Submission:
    """What is taken of an archive."""
    path = folder / name
    path.write_bytes(data)
    return read(path, EXERCISE)


def fault(folder: Path, data: bytes) -> str:
    """The one thing that is wrong with an archive."""
    (only,) = handed(folder, data).faults
    return f"{only} ({only.hint})"


PACKED: dict[str, Callable[[Mapping[str, bytes]], bytes]] = {
    "zip": zipped,
    "zip, stored": lambda files: zipped(files, method=zipfile.ZIP_STORED),
    "tar": tarred,
    "tar.gz": lambda files: gzip.compress(tarred(files)),
    "tar.bz2": lambda files: bz2.compress(tarred(files)),
    "tar.xz": lambda files: lzma.compress(tarred(files)),
}


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("within", ["", "./", "alice-main/"])
def test_every_kind_is_read(tmp_path: Path, kind: str, within: str) -> None:
    """At its top, or in the one folder that it holds, which is how many tools make them."""
    found = handed(tmp_path, PACKED[kind]({f"{within}{name}": data for name, data in FILES.items()}))
    assert found.faults == ()
    assert {one.asked: one.data for one in found.handed} == FILES


def test_what_a_learning_platform_makes(tmp_path: Path) -> None:
    """A folder for each, in it the archive; or in it the folder that was zipped. What macOS adds is nobody's file."""
    inner = tmp_path / "alice_123_file"
    inner.mkdir()
    (inner / "homework.zip").write_bytes(zipped({**FILES, "__MACOSX/._server.py": b"x"}))
    found = read_any(inner, EXERCISE)
    assert (found.faults, found.ignored) == ((), ())
    deep = tmp_path / "bob"
    (deep / "homework").mkdir(parents=True)
    for name, data in FILES.items():
        (deep / "homework" / name).write_bytes(data)
    assert read_any(deep, EXERCISE).faults == ()


def test_others_files_are_named(tmp_path: Path) -> None:
    """As in a folder."""
    found = handed(tmp_path, zipped({**FILES, "notes\n.txt": b"x", "more/x": b"x"}))
    assert found.ignored == ("more", "notes�.txt")


@pytest.mark.parametrize("name", ["../server.py", "/server.py", "a/../server.py", "..", "a/../../server.py"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_path_that_leads_out_is_no_file_of_it(tmp_path: Path, kind: str, name: str) -> None:
    """It is not taken for the file that it would replace, and nothing is written anywhere."""
    found = handed(tmp_path, PACKED[kind]({name: b"print('evil')\n", **FILES}))
    assert found.faults == ()
    assert {one.asked: one.data for one in found.handed} == FILES
    assert [one.name for one in tmp_path.iterdir()] == ["alice.zip"]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (tarfile.SYMTYPE, "a symbolic link (hand in the file itself)"),
        (tarfile.LNKTYPE, "a hard link"),
        (tarfile.FIFOTYPE, "something that is no regular file"),
        (tarfile.CHRTYPE, "something that is no regular file"),
        (tarfile.DIRTYPE, "a folder"),
    ],
)
def test_what_is_no_regular_file(tmp_path: Path, kind: bytes, said: str) -> None:
    """Of a link no target is read, inside or outside."""
    made = tarred({"client.py": CLIENT, "server.py": special("server.py", kind, "/etc/passwd")})
    assert f"server.py: expected a file (the server), found {said}" in fault(tmp_path, made)


def test_a_link_in_a_zip_file(tmp_path: Path) -> None:
    """It is a file whose content is the target."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("client.py", CLIENT)
        info = zipfile.ZipInfo("server.py")
        info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    assert "found a symbolic link" in fault(tmp_path, target.getvalue())


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_of_a_name(tmp_path: Path) -> None:
    """Readers of archives do not agree on which of them counts."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in [("server.py", SERVER), ("client.py", CLIENT), ("./server.py", b"other\n")]:
            archive.writestr(name, data)
    assert "found several of that name" in fault(tmp_path, target.getvalue())


def test_an_encrypted_one(tmp_path: Path) -> None:
    """It says what to do."""
    data = bytearray(zipped({"client.py": CLIENT}, method=zipfile.ZIP_STORED))
    for place in (data.index(b"PK\3\4") + 6, data.index(b"PK\1\2") + 8):
        data[place] |= 1
    path = tmp_path / "alice.zip"
    path.write_bytes(data)
    hints = [one.hint for one in read(path, EXERCISE).faults if one.name == "client.py"]
    assert hints == ["make the archive without a password"]


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_one_that_breaks_off(tmp_path: Path, kind: str, part: float) -> None:
    """It is a fault of the submission's, whatever its reader raises."""
    data = PACKED[kind]({"server.py": os.urandom(50_000), "client.py": os.urandom(50_000)})
    assert handed(tmp_path, data[: int(len(data) * part)]).faults


def peak(work: Callable[[], object]) -> int:
    """The most memory in use at once, in bytes."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def zeros(mebibytes: int) -> bytes:
    """A gzip file of a tar file of as many."""
    packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    info = tarfile.TarInfo("server.py")
    info.size = mebibytes * MIB
    data = packer.compress(info.tobuf())
    return data + b"".join(packer.compress(bytes(MIB)) for _ in range(mebibytes)) + packer.flush()


def test_a_tar_that_grows_beyond_all_measure(tmp_path: Path) -> None:
    """It is unpacked up to the limit, and refused."""
    data = zeros(500)
    assert len(data) < MIB
    used = peak(lambda: fault(tmp_path, data))
    assert "expected an archive of at most 64 MiB when it is unpacked, found more" in fault(tmp_path, data)
    assert used < 4 * archives.MOST_UNPACKED


def test_a_zip_that_grows_beyond_all_measure(tmp_path: Path) -> None:
    """Of each file no more is unpacked than it may have."""
    data = zipped({"server.py": bytes(200 * MIB), "client.py": CLIENT})
    used = peak(lambda: fault(tmp_path, data))
    assert f"expected a file (the server) of at most {FILE_BYTES // 1024} KiB, found more" in fault(tmp_path, data)
    assert used < 40 * MIB


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_of_an_unusual_method_is_not_unpacked(tmp_path: Path, method: int) -> None:
    """Python's reader would not stop where it is told to."""
    data = zipped({"server.py": bytes(100 * MIB), "client.py": CLIENT}, method=method)
    path = tmp_path / "alice.zip"
    path.write_bytes(data)
    used = peak(lambda: read(path, EXERCISE))
    assert {one.observed for one in read(path, EXERCISE).faults} == {"one that is packed in an unusual way"}
    assert used < 40 * MIB


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE)])
def test_what_is_packed_twice_is_unpacked_once(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """What comes out is no archive."""
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 500 * MIB
    data = pack(header.tobuf(tarfile.GNU_FORMAT) + bytes(100 * MIB))
    path = tmp_path / "alice.tar.gz"
    path.write_bytes(gzip.compress(data))
    used = peak(lambda: read_any(path, EXERCISE))
    assert read_any(path, EXERCISE).faults
    assert used < 60 * MIB


def extended(kind: bytes, text: bytes) -> bytes:
    """An extended header of a tar file, and what it holds."""
    header = tarfile.TarInfo("PaxHeader")
    header.type, header.size = kind, len(text)
    return header.tobuf(tarfile.GNU_FORMAT) + text + bytes(-len(text) % tarfile.BLOCKSIZE)


@pytest.mark.parametrize(
    "headers",
    [
        extended(tarfile.XHDTYPE, b"2 " * 20_000 + b"="),
        extended(tarfile.XGLTYPE, b"".join(b"%d a%05d=\n" % (len("12 a00000=\n"), n) for n in range(20_000))),
        b"".join(extended(tarfile.XGLTYPE, b"%d a%05d=%s\n" % (512, n, b"x" * 500)) for n in range(20)),
    ],
)
def test_extended_headers_are_few_and_short(tmp_path: Path, headers: bytes) -> None:
    """They are slow to read, and global ones are copied to every member."""
    made = gzip.compress(headers + tarred({"server.py": SERVER, "client.py": CLIENT}))
    used = peak(lambda: fault(tmp_path, made))
    assert "found one with long extended headers" in fault(tmp_path, made)
    assert used < 40 * MIB


def test_an_archive_of_git_is_read(tmp_path: Path) -> None:
    """It has a global header with the commit."""
    comment = extended(tarfile.XGLTYPE, b"52 comment=" + b"a" * 40 + b"\n")
    assert handed(tmp_path, comment + tarred({"server.py": SERVER, "client.py": CLIENT})).faults == ()


def test_a_header_that_claims_gigabytes(tmp_path: Path) -> None:
    """There is no more to be read than there is."""
    header = tarfile.TarInfo("PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, 5 << 40
    used = peak(lambda: handed(tmp_path, header.tobuf() + b"x" * 2048))
    assert handed(tmp_path, header.tobuf() + b"x" * 2048).faults
    assert used < 40 * MIB


def test_a_size_below_zero_ends(tmp_path: Path) -> None:
    """Readers have gone round in circles on it (CVE-2025-8194)."""
    header = bytearray(tarfile.TarInfo("server.py").tobuf(format=tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 10 + b"\xfc\x00"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    assert handed(tmp_path, bytes(header) * 3).faults


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_more_files_than_anyone_hands_in(tmp_path: Path, kind: str) -> None:
    """It says how many there may be."""
    data = PACKED[kind]({f"{number}": b"" for number in range(archives.MOST_MEMBERS + 1)})
    assert "expected an archive of at most 10,000 files, found more" in fault(tmp_path, data)


def test_an_archive_larger_than_any(tmp_path: Path) -> None:
    """It is not even read."""
    path = tmp_path / "alice.zip"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    (only,) = read(path, EXERCISE).faults
    assert "expected an archive of at most 16 MiB, found 1,099,511,627,776 bytes" in str(only)


def test_what_is_no_archive(tmp_path: Path) -> None:
    """On the command line it is a mistake; among submissions it is one with a fault, and so are a link and a pipe."""
    path = tmp_path / "alice.zip"
    path.write_bytes(b"PRINT 'hello'")
    with pytest.raises(UsageError, match=r"expected a submission, a folder, or an archive .*: a file that is none"):
        read(path, EXERCISE)
    (tmp_path / "link").symlink_to("/etc")
    os.mkfifo(tmp_path / "pipe")
    said = {
        "alice.zip": "a file that is none",
        "link": "a symbolic link",
        "pipe": "something that is no regular file",
        "gone": "no such file or directory",
    }
    for name, observed in said.items():
        (only,) = read_any(tmp_path / name, EXERCISE).faults
        assert (only.name, only.observed) == (name, observed)


@given(st.sampled_from(sorted(PACKED)), st.integers(0, 10_000), st.binary(min_size=1, max_size=8))
def test_no_damage_makes_anything_but_a_fault(kind: str, place: int, damage: bytes) -> None:
    """Whatever a reader of archives raises."""
    data = bytearray(PACKED[kind](FILES))
    place %= len(data)
    data[place : place + len(damage)] = damage
    try:
        for member in archives.members(bytes(data)).values():
            member.content(FILE_BYTES)
    except ArchiveError:
        pass
