"""Exercises on disk: which one is meant, and what is said of those that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import note
from lab.errors import LabFileError, UsageError
from lab.grading import library

POINTS = "points: 10"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """The folder of a new exercise."""
    return library.make_new(str(tmp_path / "11-hello-there"))


def changed(made: Path, old: str, new: str) -> str:
    """What is said of it if its file says something else."""
    file = made / library.FILE
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.raises(UsageError) as caught:
        library.load(str(made))
    return str(caught.value)


@pytest.mark.parametrize("named", ["1", "01", "001", "01-one-port-two-addresses"])
def test_an_exercise_is_meant_by_number_or_name(named: str) -> None:
    """Leading zeros do not matter."""
    assert library.load(named).exercise.name == "01-one-port-two-addresses"


def test_an_exercise_that_there_is_not() -> None:
    """The nearest is named, else where to look."""
    with pytest.raises(UsageError, match="did you mean 01-one-port-two-addresses"):
        library.find("01-one-port-two-adresses")
    with pytest.raises(UsageError, match="lab exercise list"):
        library.find("0")


def test_a_new_exercise_is_whole(made: Path) -> None:
    """It can be read; its title is its name's, and its checks are in a file of its name."""
    loaded = library.load(str(made))
    assert loaded.exercise.title == "Hello there"
    assert [(one.file, one.check.id) for one in loaded.checks] == [
        ("test_11_hello_there.py", "listens"),
        ("test_11_hello_there.py", "greets"),
    ]
    assert set(loaded.files("starter")) == {"greeter.py"}
    assert not loaded.lab_varies


@pytest.mark.parametrize("name", ["Eleven", "a b", "../-x"])
def test_a_name_that_no_exercise_may_have(name: str, tmp_path: Path) -> None:
    """It becomes part of names of files and instances."""
    with pytest.raises(UsageError, match="expected a name of lower-case letters, digits and -"):
        library.make_new(str(tmp_path / name))


def test_a_wrong_answer_without_a_folder(made: Path) -> None:
    """Told at its line."""
    said = changed(made, "another_word: [greets]", "another_wrd: [greets]")
    assert "wrong.another_wrd: expected a folder wrong/another_wrd, found none" in said
    assert ":20:16: " in said


def test_a_file_of_a_name_of_ours(made: Path) -> None:
    """Programs of a submission and ours must be told apart."""
    said = changed(made, "greeter.py: the server", "server.py: the server")
    assert "submission.files: expected a name that no program of socketlab's has, found server.py" in said


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    """Without exercise.yaml there is no exercise."""
    with pytest.raises(UsageError, match=r"expected a folder with exercise.yaml, found .*: a folder without it"):
        library.load(str(tmp_path))
    with pytest.raises(UsageError, match="no such folder"):
        library.load(str(tmp_path / "none"))


def test_the_task_has_the_values(made: Path) -> None:
    """`${NAME}` is replaced, `$$` is a $, and a name that there is not is told."""
    loaded = library.load(str(made))
    (made / library.README).write_text("port ${PORT} for $$5")
    assert loaded.task({"PORT": "80"}) == "port 80 for $5"
    (made / library.README).write_text("${PROT}")
    with pytest.raises(UsageError, match="expected \\$NAME only for variables of the exercise, found: 'PROT'"):
        loaded.task({"PORT": "80"})


def test_nothing_of_a_learners_is_overwritten(made: Path, tmp_path: Path) -> None:
    """What is there stays; what is missing comes."""
    loaded, target = library.load(str(made)), tmp_path / "work"
    values = {"PORT": "80", "WORD": "x"}
    assert set(library.hand_out(loaded, target, values)) == {"README.md", "greeter.py"}
    (target / "greeter.py").write_text("mine")
    (target / "README.md").unlink()
    assert library.hand_out(loaded, target, values) == ("README.md",)
    assert (target / "greeter.py").read_text() == "mine"


def test_a_wrong_answer_has_only_what_differs(made: Path) -> None:
    """The rest is the solution's; whoever hands in has to hand in everything."""
    file = made / library.FILE
    file.write_text(file.read_text().replace("as greeter.py PORT WORD", "so\n    more.py: something else"))
    (made / "solution" / "more.py").write_text("right = True\n")
    loaded = library.load(str(made))
    wrong = loaded.handed_in(made / "wrong" / "another_word")
    assert [(one.asked, one.data) for one in wrong.handed] == [
        ("greeter.py", (made / "wrong" / "another_word" / "greeter.py").read_bytes()),
        ("more.py", b"right = True\n"),
    ]
    assert [str(one) for one in loaded.handed_in(made / "starter").faults] == [
        "more.py: expected a file (something else), found none"
    ]


def test_a_lab_that_varies(made: Path) -> None:
    """Its file names a variable of the exercise's."""
    file = made / library.FILE
    file.write_text(file.read_text().replace("lab: nat", "lab: ./lab.yaml"))
    (made / "lab.yaml").write_text(
        "name: x\nnetworks: {n: {ipam: {config: [{subnet: 192.0.2.0/24}]}}}\n"
        "services: {a: {image: socketlab/host, networks: {n: {ipv4_address: '192.0.2.${PORT:-10}'}}}}\n"
    )
    loaded = library.load(str(made))
    assert loaded.lab_varies
    assert str(loaded.lab({"PORT": "77"}).hosts[0].interfaces[0].addresses[0].ip) == "192.0.2.77"
    with pytest.raises(LabFileError):
        loaded.lab({"PORT": "777"})


@pytest.mark.parametrize("place", library.available(), ids=lambda place: place.name)
def test_an_exercise_that_comes_along(place: Path) -> None:
    """It is about claims of the note, has hints, a starter and a solution with the files asked for, and a task."""
    loaded = library.load(str(place))
    known = {claim.id for claim in note.CLAIMS}
    assert loaded.exercise.claims
    assert set(loaded.exercise.claims) <= known
    assert len(loaded.exercise.hints) >= 2
    asked = {one.name for one in loaded.exercise.files}
    for part in (library.STARTER, library.SOLUTION):
        assert set(loaded.files(part)) >= asked
    values = {name: "1" for name, _ in loaded.exercise.variables}
    assert f"lab check {int(loaded.exercise.number)} " in loaded.task(values)
    for check in loaded.checks:
        assert any(check.check.id in mistake.fails for mistake in loaded.exercise.mistakes), check.check.id


def test_all_exercises_together_are_about_every_claim() -> None:
    """None of the note is left out."""
    told = {claim for place in library.available() for claim in library.load(str(place)).exercise.claims}
    assert told == {claim.id for claim in note.CLAIMS}
