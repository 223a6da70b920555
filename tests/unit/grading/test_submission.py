"""A folder that is handed in: what is taken of it, and what is said of what is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.grading.exercise import FILE_BYTES, AskedFile, Exercise
from lab.grading.record import SubmittedFile
from lab.grading.submission import MOST_TOLD, Submission, read

EXERCISE = Exercise(
    name="06-who", title="", lab="nat", points=1, files=(AskedFile(name="server.py", what="the server"),)
)
ANY = Exercise(name="x", title="", lab="nat", points=1, files=EXERCISE.files, any_language=True)
GOOD = b"print('hello')\n"


def handed(folder: Path, exercise: Exercise = EXERCISE) -> Submission:
    """What a folder holds."""
    return read(folder, exercise)


def fault(folder: Path, exercise: Exercise = EXERCISE) -> str:
    """The one fault of a submission, of which nothing is taken."""
    found = handed(folder, exercise)
    assert found.handed == ()
    (only,) = found.faults
    return f"{only} ({only.hint})"


def test_a_good_one(tmp_path: Path) -> None:
    """The file is taken; what else lies there is told of, but for what tools leave."""
    (tmp_path / "server.py").write_bytes(GOOD)
    (tmp_path / "notes.txt").touch()
    (tmp_path / "__pycache__").mkdir()
    found = handed(tmp_path)
    assert found.faults == ()
    assert found.ignored == ("notes.txt",)
    assert read(tmp_path, EXERCISE, given=["notes.txt"]).ignored == ()
    assert found.handed[0].command == ("python3", "server.py")
    digest = "03e693d9f2f687e0f40e36a8df7fcb4d1c22974012b7c2a55c000eb30f305824"
    assert found.files == (SubmittedFile(name="server.py", size=15, sha256=digest),)


def test_more_files_than_are_told(tmp_path: Path) -> None:
    """The rest is a number."""
    (tmp_path / "server.py").write_bytes(GOOD)
    for number in range(MOST_TOLD + 3):
        (tmp_path / f"{number:02}").touch()
    assert handed(tmp_path).ignored[-2:] == (f"{MOST_TOLD - 1}", "and 3 more")


def test_a_missing_file(tmp_path: Path) -> None:
    """A name that is near is asked for."""
    assert fault(tmp_path) == "server.py: expected a file (the server), found none ()"
    (tmp_path / "sever.py").write_bytes(GOOD)
    assert "is sever.py meant? its name must be server.py" in fault(tmp_path)


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    """It is not looked into."""
    (tmp_path / "server.py").mkdir()
    assert "found a folder" in fault(tmp_path)


@pytest.mark.parametrize("target", ["/etc/passwd", "other.py", "server.py", "missing"])
def test_a_link_is_not_followed(tmp_path: Path, target: str) -> None:
    """Wherever it leads: out, to a file beside it, to itself, to nothing."""
    (tmp_path / "other.py").write_bytes(GOOD)
    (tmp_path / "server.py").symlink_to(target)
    assert "found a symbolic link (hand in the file itself)" in fault(tmp_path)


def test_a_pipe_makes_nobody_wait(tmp_path: Path) -> None:
    """Nobody writes into it, and that is known at once."""
    os.mkfifo(tmp_path / "server.py")
    assert "found something that is no regular file" in fault(tmp_path)


def test_a_file_of_100_megabytes(tmp_path: Path) -> None:
    """No more of it is read than a file may have; one that is just small enough is taken."""
    with (tmp_path / "server.py").open("wb") as file:
        file.truncate(100_000_000)
    assert f"of at most {FILE_BYTES // 1024} KiB, found 100,000,000 bytes" in fault(tmp_path)
    (tmp_path / "server.py").write_bytes(b"#" * FILE_BYTES)
    assert handed(tmp_path).faults == ()


def test_text_that_is_none(tmp_path: Path) -> None:
    """The first byte that is no UTF-8, and its line."""
    (tmp_path / "server.py").write_bytes(b"# one\n# caf\xe9\n")
    assert "expected text in UTF-8, found the byte 0xe9 in line 2, which is not" in fault(tmp_path)
    (tmp_path / "server.py").write_bytes(b"# one\n\0\n")
    assert "found a NUL character in line 2" in fault(tmp_path)


def test_an_empty_file(tmp_path: Path) -> None:
    """Blanks are nothing too."""
    (tmp_path / "server.py").write_bytes(b" \n")
    assert "found an empty one" in fault(tmp_path)


@pytest.mark.parametrize(("name", "command"), [("server.sh", ("sh", "server.sh")), ("server", ("./server",))])
def test_another_language_if_the_exercise_says_so(tmp_path: Path, name: str, command: tuple[str, ...]) -> None:
    """A script or an executable of that name; else it is only a file that nobody asked for."""
    (tmp_path / name).write_bytes(b"\x7fELF\xff" if name == "server" else GOOD)
    assert handed(tmp_path, ANY).handed[0].command == command
    assert "found none" in fault(tmp_path)


def test_two_languages_are_one_too_many(tmp_path: Path) -> None:
    """Nobody can tell which is meant."""
    (tmp_path / "server.py").write_bytes(GOOD)
    (tmp_path / "server").write_bytes(GOOD)
    assert "expected one file, found several: server.py, server (leave one of them)" in fault(tmp_path, ANY)


@pytest.mark.parametrize("name", ["missing", "file"])
def test_what_is_no_folder_is_a_mistake_of_the_command(tmp_path: Path, name: str) -> None:
    """It says how to come by one."""
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="expected a submission, a folder, or an archive"):
        handed(tmp_path / name)
