"""What lies in a folder of submissions, and how each is called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import UsageError
from lab.grading.batch.entries import LONGEST_FILE, Entry, entries, file_name, find, harmless, identified

NAMES = st.one_of(
    st.binary(min_size=1, max_size=40).map(lambda name: os.fsdecode(name.translate(None, b"/\0")) or "x"),
    st.sampled_from(["a", "a.zip", "a.tar", "a.zip.zip", "a.zip.tar", "%", "%25", "a%"]),
)


def test_each_thing_in_the_folder_is_a_submission(tmp_path: Path) -> None:
    """But what is hidden. An archive is called without its suffix."""
    for name in ("bob.tar.gz", "carol.ZIP", ".DS_Store"):
        (tmp_path / name).touch()
    (tmp_path / "alice").mkdir()
    assert [(one.id, one.path.name) for one in entries(tmp_path)] == [
        ("alice", "alice"),
        ("bob", "bob.tar.gz"),
        ("carol", "carol.ZIP"),
    ]


def test_two_of_one_name_keep_what_tells_them_apart() -> None:
    """None takes the other's place."""
    assert identified(["alice", "alice.zip", "bob.zip"]) == {
        "alice": "alice",
        "alice.zip": "alice.zip",
        "bob": "bob.zip",
    }


@pytest.mark.parametrize(
    ("name", "id_"),
    [
        ("Ünal", "Ünal"),
        ("a\nb", "a%0Ab"),
        ("\x1b[2J", "%1B[2J"),
        ("100%", "100%25"),
        ("\udcff", "%FF"),
        ("\u202e", "%E2%80%AE"),
    ],
)
def test_a_name_drives_nothing(name: str, id_: str) -> None:
    """No line end, no escape, no half of a character, no other direction of writing."""
    assert harmless(name) == id_


@given(st.lists(NAMES, unique=True, max_size=6))
def test_ids_and_files_are_as_many_as_names(names: list[str]) -> None:
    """Whatever they are, and each file's name is one on every file system."""
    ids = identified(names)
    assert sorted(ids.values()) == sorted(names)
    files = [file_name(one) for one in ids]
    assert len(set(files)) == len(names)
    for file in files:
        assert 0 < len(file.encode()) <= LONGEST_FILE + 13
        assert not set(file) & set('/\\:*?"<>|\0\n')
        assert file.strip(". ") == file


def test_names_of_the_longest_length_on_a_disk(tmp_path: Path) -> None:
    """And such as are no text."""
    for name in (b"x" * 255, b"\xff\xfe", b"new\nline", "ö".encode() * 120):
        (tmp_path / os.fsdecode(name)).mkdir()
    found = entries(tmp_path)
    assert len({file_name(one.id) for one in found}) == 4
    assert all(one.path.is_dir() for one in found)


def test_no_folder_and_nothing_in_it(tmp_path: Path) -> None:
    """Both are mistakes of the call."""
    with pytest.raises(UsageError, match="found nothing in"):
        entries(tmp_path)
    with pytest.raises(UsageError, match="no such file or directory"):
        entries(tmp_path / "none")


def test_a_name_that_is_near_is_meant() -> None:
    """Of a submission that there is not."""
    there = [Entry(id="alice", path=Path("alice"))]
    assert find(there, "alice").path == Path("alice")
    with pytest.raises(UsageError) as caught:
        find(there, "alcie")
    assert caught.value.hint == "did you mean alice?"


def test_nobody_takes_the_files_of_another() -> None:
    """A name that looks like another's with its digest is none of its."""
    mangled = file_name("O'Brien")
    assert file_name(mangled) != mangled
