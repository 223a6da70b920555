"""Lab files on disk: found by name or path, read with the programs beside them and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab import labfiles
from lab.errors import LabFileError, UsageError
from lab.model import Lab

LAB = """
networks: {lan: {ipam: {config: [{subnet: 192.168.1.0/24}]}}}
services:
  alice:
    image: socketlab/host
    networks: {lan: {ipv4_address: "${ALICE:-192.168.1.100}"}}
    x-lab: {programs: {echo: {files: [programs/echo.py]}}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A lab file with its program beside it, in a folder of its own."""
    top = tmp_path / "labs"
    (top / "programs").mkdir(parents=True)
    (top / "programs" / "echo.py").write_text("print()\n")
    path = top / "own.yaml"
    path.write_text(LAB)
    return path


def content(lab: Lab) -> bytes:
    """What the lab's only program file holds."""
    return lab.host("alice").programs[0].files[0].content


def fault_of_program(file: Path) -> str:
    """What is said of the lab's only program file."""
    with pytest.raises(LabFileError) as caught:
        labfiles.load(str(file))
    (problem,) = caught.value.problems
    assert problem.key == "services.alice.x-lab.programs.echo.files[0]"
    assert problem.expected == "a file below the lab file's folder"
    return problem.observed


def test_every_lab_that_comes_along_is_good() -> None:
    """Each lab that is listed can be read, under the name that is listed."""
    names = [name for name, _ in labfiles.available()]
    assert "nat" in names
    assert [labfiles.load(name).name for name in names] == names


def test_lab_by_name_and_by_path_are_one() -> None:
    """A lab is named by its name, or by the path of its file."""
    assert labfiles.load("nat") == labfiles.load(str(labfiles.folder() / "nat.yaml"))


def test_misspelt_name_is_recognized() -> None:
    """A name that no lab has is answered with the nearest one that there is."""
    with pytest.raises(UsageError) as caught:
        labfiles.find("nta")
    assert caught.value.hint == "did you mean nat?"


def test_strange_name_is_answered_with_all_names() -> None:
    """A name that resembles none is answered with what there is."""
    with pytest.raises(UsageError) as caught:
        labfiles.find("zzzzzz")
    assert "nat" in caught.value.hint


def test_file_named_without_its_ending(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever leaves out the ending of a file of their own is told to give its path."""
    monkeypatch.chdir(file.parent)
    with pytest.raises(UsageError) as caught:
        labfiles.find("own")
    assert caught.value.hint == "a file of your own is named with its path: ./own.yaml"


def test_own_file(file: Path) -> None:
    """A file of one's own is read with the programs beside it; its name is the file's."""
    lab = labfiles.load(str(file))
    assert lab.name == "own"
    assert content(lab) == b"print()\n"


@pytest.mark.parametrize(
    ("stem", "name"), [("My Lab.v2", "my-lab-v2"), ("Übung", "bung"), ("--", "lab"), ("a_b", "a-b")]
)
def test_name_is_made_of_the_file_s(file: Path, stem: str, name: str) -> None:
    """A file whose name could be no lab's gives one that can."""
    other = file.rename(file.with_name(f"{stem}.yaml"))
    assert labfiles.load(str(other)).name == name


@pytest.mark.parametrize("stem", ["2024", "9-nat", "a" * 60])
def test_name_made_of_a_file_s_is_a_lab_s_name(file: Path, stem: str) -> None:
    """The name that a file gives keeps to the rule of names, so that it can be an instance's too."""
    name = labfiles.load(str(file.rename(file.with_name(f"{stem}.yaml")))).name
    file.with_name(f"{stem}.yaml").write_text(f"name: {name}\n{LAB}")
    assert labfiles.load(str(file.with_name(f"{stem}.yaml"))).name == name


def test_variables_of_the_environment(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`${NAME:-default}` is what the environment says, or else the default."""
    assert str(labfiles.load(str(file)).host("alice").interfaces[0].addresses[0]) == "192.168.1.100/24"
    monkeypatch.setenv("ALICE", "192.168.1.7")
    assert str(labfiles.load(str(file)).host("alice").interfaces[0].addresses[0]) == "192.168.1.7/24"


def test_messages_show_the_path_as_it_is_seen_from_here(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message begins with the path that leads from the working folder to the file, so that editors can follow it."""
    file.write_text("name: Own\n" + LAB)
    for folder, shown in ((file.parent, "own.yaml"), (file.parent.parent, "labs/own.yaml"), (Path("/proc"), str(file))):
        monkeypatch.chdir(folder)
        with pytest.raises(LabFileError) as caught:
            labfiles.load(str(file))
        assert str(caught.value).startswith(f"{shown}:1:7: name: ")


def test_large_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    """A file beyond the limit is refused, however large it is."""
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(LabFileError) as caught:
        labfiles.load(str(path))
    assert caught.value.problems[0].expected == "a file of at most 1024 KiB"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("no.yaml", "no such file"),
        ("folder.yaml", "a folder"),
        ("pipe.yaml", "no regular file"),
        ("loop.yaml", "no such file"),
    ],
)
def test_what_is_no_file(tmp_path: Path, path: str, reason: str) -> None:
    """Only a regular file is read: nothing waits for a pipe."""
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    with pytest.raises(UsageError) as caught:
        labfiles.load(str(tmp_path / path))
    assert caught.value.message.endswith(f": {reason}")


def test_path_that_no_system_takes() -> None:
    """A path with a NUL in it is an error like any other."""
    with pytest.raises(UsageError):
        labfiles.load("./a\0b.yaml")


# ------------------------------------------------------------------------------- programs beside the lab file


def test_program_that_is_missing(file: Path) -> None:
    """A program file that does not exist is a problem of the lab file."""
    (file.parent / "programs" / "echo.py").unlink()
    assert fault_of_program(file) == "programs/echo.py: no such file or directory"


def test_link_inside_the_folder(file: Path) -> None:
    """A symbolic link may lead anywhere below the lab file's folder."""
    program = file.parent / "programs" / "echo.py"
    program.rename(file.parent / "shared.py")
    program.symlink_to("../shared.py")
    assert content(labfiles.load(str(file))) == b"print()\n"


def test_link_out_of_the_folder(file: Path) -> None:
    """A symbolic link that leads out of the lab file's folder is not followed."""
    (file.parent.parent / "secret").write_text("secret")
    program = file.parent / "programs" / "echo.py"
    program.unlink()
    program.symlink_to("../../secret")
    assert fault_of_program(file) == "programs/echo.py: it leads out of the lab file's folder"


def test_folder_that_leads_out(file: Path) -> None:
    """A folder on the way that is a link to the outside is not followed either."""
    (file.parent / "programs").rename(file.parent.parent / "elsewhere")
    (file.parent / "programs").symlink_to("../elsewhere")
    assert fault_of_program(file) == "programs/echo.py: it leads out of the lab file's folder"


def test_folder_whose_name_begins_alike_is_outside(file: Path) -> None:
    """Below a folder means below it, not beside it with a longer name."""
    beside = file.parent.with_name("labs-of-others")
    beside.mkdir()
    (beside / "echo.py").write_text("")
    program = file.parent / "programs" / "echo.py"
    program.unlink()
    program.symlink_to(beside / "echo.py")
    assert fault_of_program(file) == "programs/echo.py: it leads out of the lab file's folder"


def test_lab_file_in_a_linked_folder(file: Path, tmp_path: Path) -> None:
    """The lab file's own folder may be reached through a link."""
    (tmp_path / "link").symlink_to(file.parent)
    assert content(labfiles.load(str(tmp_path / "link" / "own.yaml"))) == b"print()\n"


def test_links_in_a_circle(file: Path) -> None:
    """Symbolic links that lead in a circle are a problem and no crash."""
    program = file.parent / "programs" / "echo.py"
    program.unlink()
    program.symlink_to("echo.py")
    assert fault_of_program(file) == "programs/echo.py: its symbolic links lead in a circle"


def test_folder_is_no_program(file: Path) -> None:
    """What is deployed is a regular file: nothing waits for a pipe, and no folder is taken."""
    program = file.parent / "programs" / "echo.py"
    program.unlink()
    program.mkdir()
    assert fault_of_program(file) == "programs/echo.py: it is not a regular file"
    program.rmdir()
    os.mkfifo(program)
    assert fault_of_program(file) == "programs/echo.py: it is not a regular file"


def test_large_program_is_not_read_to_its_end(file: Path) -> None:
    """A program file beyond the limit is refused, however large it is."""
    with (file.parent / "programs" / "echo.py").open("wb") as program:
        program.truncate(10**12)
    with pytest.raises(LabFileError) as caught:
        labfiles.load(str(file))
    assert [problem.expected for problem in caught.value.problems] == ["a file of at most 256 KiB"]


def test_path_with_names_too_long(file: Path) -> None:
    """A path that the system refuses is a problem and no crash."""
    file.write_text(LAB.replace("programs/echo.py", "x" * 5000))
    assert fault_of_program(file).endswith("file name too long")
