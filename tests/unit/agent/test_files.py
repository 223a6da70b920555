"""What a program may write, seen and changed from outside: no link that lies there is ever followed.

What changes owners needs root and is tried on real hosts; here is what any user may do to folders of its own.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import files
import pytest
from namespaces import AgentError, Place


@dataclass(frozen=True, kw_only=True)
class Folder(Place):
    """A host whose root is a folder."""

    folder: Path

    @property
    def root(self) -> str:
        """See Place."""
        return str(self.folder)


@pytest.fixture
def place(tmp_path: Path) -> Folder:
    """A host with the folders that every host has, and beside it a file that is none of its own."""
    root = tmp_path / "root"
    for path in files.WRITABLE:
        (root / path[1:]).mkdir(parents=True)
    (root / "etc").mkdir()
    for name in ("hosts", "resolv.conf", "hostname"):
        (root / "etc" / name).write_text(name)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    return Folder(name="alice", container="c", pid=1, process=-1, net=-1, ipc=-1, pid_namespace=0, folder=root)


def entries(place: Folder, path: str) -> list[str]:
    """The lines of a listing that are about one path: kind and mode, and what it holds."""
    found = [line.split(" ", 3) for line in files.listing(place)]
    return [" ".join([line[1], *line[3:]]) for line in found if line[0] == path]


def test_a_listing_names_the_writable_folders() -> None:
    """What a student can write to in a host: its home, and three that everybody has."""
    assert set(files.WRITABLE) == {"/home/student", "/tmp", "/dev/shm", "/dev/mqueue"}


def test_a_file_is_listed_with_a_hash_of_its_content(place: Folder) -> None:
    """Equal contents have equal hashes, different ones different; the mode is there too."""
    for name, text in (("a", "x"), ("b", "x"), ("c", "y")):
        (place.folder / "tmp" / name).write_text(text)
        (place.folder / "tmp" / name).chmod(0o640)
    (one,), (same,), (other,) = (entries(place, f"/tmp/{name}") for name in "abc")
    assert one.startswith("-rw-r----- ")
    assert one == same != other


def test_a_link_is_listed_and_not_followed(place: Folder) -> None:
    """A link to a file and one to a folder: where they lead to is all that is read of them."""
    outside = place.folder.parent / "outside"
    (place.folder / "tmp" / "file").symlink_to(outside / "secret")
    (place.folder / "tmp" / "folder").symlink_to(outside)
    assert entries(place, "/tmp/file") == [f"lrwxrwxrwx {outside}/secret"]
    assert entries(place, "/tmp/folder") == [f"lrwxrwxrwx {outside}"]
    assert not [line for line in files.listing(place) if line.startswith("/tmp/folder/")]


def test_folders_are_walked_to_the_end(place: Folder) -> None:
    """A file far down is listed with its whole path."""
    (place.folder / "home/student/a/b/c").mkdir(parents=True)
    (place.folder / "home/student/a/b/c/deep").touch()
    assert entries(place, "/home/student/a/b/c/deep")
    assert entries(place, "/home/student/a/b/c")


def test_a_listing_goes_no_deeper_than_it_can(place: Folder) -> None:
    """A program makes a folder in a folder, and so on: the line that says there is more ends the listing."""
    (place.folder / "tmp" / "/".join("d" * 40) / "e").mkdir(parents=True)
    last = [line for line in files.listing(place) if line.startswith("/tmp/d")][-1]
    assert last == "/tmp" + "/d" * files.MOST_DEPTH + "/… more, deeper than is looked"


@pytest.mark.timeout(10)
def test_a_file_of_holes_is_not_read(place: Folder) -> None:
    """It takes no room, and reading it would take for ever; its size tells it from others."""
    with (place.folder / "tmp/holes").open("wb") as file:
        file.truncate(1 << 42)
    assert entries(place, "/tmp/holes")[0].endswith(f" {1 << 42} bytes with holes")


def test_everything_in_a_folder_is_removed(place: Folder) -> None:
    """Wide and deep, closed and full of links; and nothing that a link leads to."""
    outside = place.folder.parent / "outside"
    for name in ("a/b/c/d", "a/b/e", "f/g"):
        (place.folder / "tmp" / name).mkdir(parents=True)
        (place.folder / "tmp" / name / "link").symlink_to(outside)
        (place.folder / "tmp" / name / "file").touch()
    with files._opened(str(place.folder / "tmp")) as top:
        files._empty(top)
    assert list((place.folder / "tmp").iterdir()) == []
    assert [path.name for path in outside.iterdir()] == ["secret"]


@pytest.mark.timeout(10)
def test_a_pipe_does_not_hold_up_the_listing(place: Folder) -> None:
    """Opening a pipe for reading would wait for a writer."""
    os.mkfifo(place.folder / "tmp/pipe", 0o600)
    assert entries(place, "/tmp/pipe") == ["prw-------"]


def test_a_folder_that_is_missing_is_not_listed(place: Folder) -> None:
    """An engine may give a host no /dev/mqueue."""
    (place.folder / "dev/mqueue").rmdir()
    assert sorted(line.split()[0] for line in files.listing(place)) == ["/dev/shm", "/home/student", "/tmp"]


def test_what_docker_writes_into_a_host_is_hashed(place: Folder) -> None:
    """Names and resolvers are part of a host's state."""
    before = files.fixed_files(place)
    (place.folder / "etc/hosts").write_text("192.0.2.1 evil\n")
    after = files.fixed_files(place)
    assert [line.split()[0] for line in before] == ["/etc/hosts", "/etc/resolv.conf", "/etc/hostname"]
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, True, True]


def test_nothing_is_deployed_through_a_link(place: Folder) -> None:
    """A program that put a link in the place of a folder gets no file written where the link leads to."""
    outside = place.folder.parent / "outside"
    (place.folder / "home/student/echo").symlink_to(outside)
    with pytest.raises(AgentError, match="cannot deploy into ~/echo of alice"):
        files.deploy(place, "echo", [("secret", b"changed", 0o644)])
    assert (outside / "secret").read_text() == "secret"


def test_nothing_is_deployed_into_a_home_that_is_a_link(place: Folder) -> None:
    """Not even the home folder itself is followed."""
    outside = place.folder.parent / "outside"
    (place.folder / "home/student").rmdir()
    (place.folder / "home/student").symlink_to(outside)
    with pytest.raises(AgentError, match=r"Not a directory|Too many levels"):
        files.deploy(place, "echo", [])
    assert sorted(path.name for path in outside.iterdir()) == ["secret"]


@pytest.mark.parametrize("link", ["services", "services/nsd", "nscd"])
def test_a_daemons_files_go_through_no_link(place: Folder, link: str) -> None:
    """Nothing is emptied or written where a link in the place of one of its folders leads to."""
    outside = place.folder.parent / "outside"
    (place.folder / "run" / link).parent.mkdir(parents=True)
    (place.folder / "run" / link).symlink_to(outside)
    with pytest.raises(AgentError, match=r"cannot write to /run/services/nsd of alice: (Not a directory|Too many)"):
        files.provide(place, "services/nsd", [("secret", b"changed")], {"nscd": 0o755, "services/nsd/state": 0o700})
    assert (outside / "secret").read_text() == "secret"


@pytest.mark.parametrize("folder", ["../etc", "services/..", "services//nsd", "", "/etc"])
def test_a_daemons_folder_is_below_run(place: Folder, folder: str) -> None:
    """A folder that would lead elsewhere is refused before anything is emptied."""
    (place.folder / "run").mkdir()
    with pytest.raises(AgentError, match="not a folder of services"):
        files.provide(place, folder, [], {})
    assert (place.folder / "etc/hosts").exists()


def test_a_daemons_file_is_one_name(place: Folder) -> None:
    """As a program's is."""
    with pytest.raises(AgentError, match="not a file name"):
        files.provide(place, "services/nsd", [("../x", b"")], {})


@pytest.mark.parametrize("folder", ["a/b", "..", ".", "", "/tmp"])
def test_a_programs_folder_is_one_name(place: Folder, folder: str) -> None:
    """A folder that would lead elsewhere is refused before anything is opened."""
    with pytest.raises(AgentError, match="not a file name"):
        files.deploy(place, folder, [])
