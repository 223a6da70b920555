"""The exercises that come along prove themselves, and the commands that lead a learner through one."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import instances, live
from lab.engine import Engine
from lab.errors import InstanceError, LabError, UsageError
from lab.grading import library
from tests.live.support import command_line

STARTED = {**os.environ, "SOCKETLAB_NAME": "exercise-1-started"}


@pytest.mark.timeout(1500)
def test_every_exercise_is_proven() -> None:
    """Of each, the solution passes, the starter gets no points, each wrong answer fails what it names; twice."""
    done = subprocess.run([sys.executable, "-m", "lab", "verify", "--json"], capture_output=True, check=False)
    results = {one["exercise"]: one for one in json.loads(done.stdout)}
    assert [f"{name}: {problem}" for name, one in results.items() for problem in one["problems"]] == []
    assert done.returncode == 0
    for place in library.available():
        loaded = library.load(str(place))
        assert results[place.name]["submissions"] == 2 * (2 + len(loaded.exercise.mistakes))


@pytest.fixture
def started(tmp_path: Path, engine: Engine) -> Iterator[Path]:
    """A folder to work in, with exercise 1 started."""
    done = command_line("exercise", "start", "1", "--variant", "started", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert b"the lab is up: exercise-1-started" in done.stdout
    yield tmp_path
    with contextlib.suppress(InstanceError):  # one test has it removed
        instances.down(engine, "exercise-1-started")


def test_a_learners_way(started: Path) -> None:
    """Started, the task has the variant's values; solved, it has full score, on the lab that was started."""
    work = started / "01-one-port-two-addresses"
    shown = command_line("exercise", "show", "1", environment=STARTED).stdout.decode()
    assert (work / "README.md").read_text() == shown
    assert "${" not in shown
    first = command_line("check", "1", str(work), environment=STARTED)
    assert (first.returncode, b"0 of 10 points" in first.stdout) == (LabError.exit_code, True)
    assert b"starting" not in first.stderr
    solution = library.load("1").files(library.SOLUTION)
    (work / "one_port.py").write_bytes(solution["one_port.py"])
    second = command_line("check", "1", ".", "--name", "exercise-1-started", cwd=work)
    assert b" on exercise-1-started" in second.stdout
    assert (second.returncode, b"10 of 10 points" in second.stdout) == (0, True)


def test_starting_again_changes_nothing(started: Path) -> None:
    """What was written stays, and the same lab is used."""
    work = started / "01-one-port-two-addresses"
    (work / "one_port.py").write_text("mine")
    again = command_line("exercise", "start", "1", cwd=started, environment=STARTED)
    assert again.returncode == 0
    assert b"the lab was up already: exercise-1-started" in again.stdout
    assert b"nothing new, what is there is yours" in again.stdout
    assert (work / "one_port.py").read_text() == "mine"


@pytest.mark.usefixtures("started")
def test_of_several_labs_none_is_taken(engine: Engine, tmp_path: Path) -> None:
    """They may be somebody else's; the one that is named is used, and the verdict says so."""
    solution = str(library.find("1") / "solution")
    other = command_line("exercise", "start", "1", str(tmp_path / "other"), "--variant", "other")
    try:
        assert b"export SOCKETLAB_NAME=exercise-1-other" in other.stdout
        done = command_line("check", "1", solution)
        assert b"starting exercise-1-" in done.stderr
        assert b" on exercise-1-" not in done.stdout
        named = command_line("check", "1", solution, "--name", "exercise-1-other")
        assert b" on exercise-1-other" in named.stdout
    finally:
        instances.down(engine, "exercise-1-other")


@pytest.mark.usefixtures("started")
def test_a_kept_lab_that_cannot_be_reset_is_not_used(engine: Engine) -> None:
    """It is removed, and the submission is checked on another one."""
    with live.attach(engine, instances.find(engine, "exercise-1-started")) as instance:
        instance.wiring.command("ann", ("ip", "address", "add", "192.0.2.77/24", "dev", "eth0"), seconds=5)
    done = command_line("check", "1", str(library.find("1") / "solution"), environment=STARTED)
    assert done.returncode == 0, done.stdout.decode()
    assert b"removing exercise-1-started, which cannot be made as it was" in done.stderr
    assert b"starting exercise-1-" in done.stderr


def test_the_list_has_every_exercise() -> None:
    """With its points, for people and for scripts."""
    listed = json.loads(command_line("exercise", "list", "--json").stdout)
    assert [one["exercise"] for one in listed] == [place.name for place in library.available()]
    table = command_line("exercise", "list").stdout.decode()
    assert all(one["exercise"] in table and one["title"] in table for one in listed)


def test_hints_come_one_after_the_other() -> None:
    """One, and how many more there are."""
    hints = library.load("1").exercise.hints
    done = command_line("hint", "1")
    assert hints[0].split()[0] in done.stdout.decode()
    assert f"{len(hints) - 1} more: lab hint 1 -n 2" in done.stderr.decode()
    everything = command_line("hint", "1", "-n", str(len(hints)))
    assert f"{len(hints)}. " in everything.stdout.decode()
    assert everything.stderr == b""


def test_mistakes_of_a_call() -> None:
    """No traceback, but what was expected."""
    for words in (["check", "99", "."], ["exercise", "show", "one"], ["verify", "99"], ["hint", ""]):
        done = command_line(*words)
        assert done.returncode == UsageError.exit_code
        assert b"expected an exercise, found" in done.stderr
    done = command_line("check", "1", str(library.find("1") / "solution"), "--variant", "No!")
    assert done.returncode == UsageError.exit_code
    assert b"expected a variant of lower-case letters" in done.stderr
    done = command_line("check", "1", str(library.find("1") / "solution"), "--junit", "/none/such.xml")
    assert done.returncode == UsageError.exit_code
