"""What is done about a Docker engine that does not answer."""

from __future__ import annotations

import itertools
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from lab.machine import GUIDE, Decision, Facts, decide, remove_stale_pid

NOTHING = Facts(answers=False, elsewhere="", forbidden=False, root=False, debian=False, installed=False)
ROOT = replace(NOTHING, root=True)

START_IT = "start it: `sudo systemctl start docker`, or `dockerd` as root"
INSTALL_IT = "install one: `sudo apt-get install docker.io`, and join its group: `sudo adduser $USER docker`"
READ_ABOUT_IT = f"install one, see {GUIDE}"
FORBIDDEN = "SOCKETLAB_ENGINE=no forbids starting one here; "
AT = "tcp://engine:2376"


@pytest.mark.parametrize(
    ("facts", "decision", "advice"),
    [
        (replace(ROOT, installed=True), Decision.START, ""),
        (replace(ROOT, installed=True, debian=True), Decision.START, ""),
        (replace(ROOT, debian=True), Decision.INSTALL_AND_START, ""),
        (ROOT, Decision.REFUSE, READ_ABOUT_IT),
        (replace(NOTHING, installed=True), Decision.REFUSE, START_IT),
        (replace(NOTHING, installed=True, debian=True), Decision.REFUSE, START_IT),
        (replace(NOTHING, debian=True), Decision.REFUSE, INSTALL_IT),
        (NOTHING, Decision.REFUSE, READ_ABOUT_IT),
        (replace(ROOT, installed=True, forbidden=True), Decision.REFUSE, FORBIDDEN + START_IT),
        (replace(ROOT, debian=True, forbidden=True), Decision.REFUSE, FORBIDDEN + INSTALL_IT),
        (replace(ROOT, forbidden=True), Decision.REFUSE, FORBIDDEN + READ_ABOUT_IT),
    ],
)
def test_without_an_engine(facts: Facts, decision: Decision, advice: str) -> None:
    """Root may start one, and install one where that is Debian's way; everybody else is told what to do."""
    assert decide(facts) == (decision, advice)


def every(**fixed: object) -> list[Facts]:
    """Every combination of facts, with some of them given."""
    names = ("answers", "forbidden", "root", "debian", "installed", "denied")
    found = []
    for values in itertools.product((False, True), repeat=len(names)):
        for elsewhere in ("", AT):
            found.append(Facts(**(dict(zip(names, values, strict=True)) | {"elsewhere": elsewhere})))  # type: ignore[arg-type]
    return [facts for facts in found if all(getattr(facts, name) == value for name, value in fixed.items())]


def test_an_engine_that_answers_is_used() -> None:
    """Whatever else is so: nothing is started, installed or advised."""
    assert {decide(facts) for facts in every(answers=True)} == {(Decision.USE, "")}


def test_a_socket_that_may_not_be_used_is_no_missing_engine() -> None:
    """Who is not in the group docker is told that, not to install or to start what runs already."""
    found = {decide(facts) for facts in every(answers=False, denied=True, elsewhere="")}
    assert found == {
        (Decision.REFUSE, "this user may not use its socket: `sudo adduser $USER docker`, then log in again")
    }


def test_an_engine_elsewhere_is_never_started_here() -> None:
    """Where DOCKER_HOST or a context points elsewhere, an engine here would be one that nobody talks to."""
    found = {decide(facts) for facts in every(answers=False, elsewhere=AT)}
    assert found == {(Decision.REFUSE, f"start the engine at {AT}, or unset DOCKER_HOST and the docker context")}


def test_nothing_is_done_without_root_or_where_it_is_forbidden() -> None:
    """No more privilege is used than the caller has, and none against the caller's word."""
    for facts in (*every(answers=False, root=False), *every(answers=False, forbidden=True)):
        assert decide(facts)[0] is Decision.REFUSE, facts


def test_every_refusal_says_what_to_do() -> None:
    """A refusal comes with advice, and nothing else does."""
    for facts in every():
        decision, advice = decide(facts)
        assert bool(advice) is (decision is Decision.REFUSE), facts


# --------------------------------------------------------------------------- the pid file that dockerd left


def removed(pid_file: Path) -> tuple[bool, list[str]]:
    """Whether the file is gone afterwards, and what was said."""
    said: list[str] = []
    remove_stale_pid(pid_file, say=said.append)
    return not pid_file.exists(), said


def ended_pid() -> int:
    """The pid of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_a_pid_file_of_a_dead_engine_is_removed(tmp_path: Path) -> None:
    """dockerd would refuse to start; it is said, because a file of somebody else's is removed."""
    file = tmp_path / "docker.pid"
    file.write_text(f"{ended_pid()}\n")
    assert removed(file) == (True, [f"removing {file}, left by an engine that was killed"])


def test_a_pid_that_another_program_has_by_now_is_stale(tmp_path: Path) -> None:
    """Pids are given anew: here it is this test's."""
    file = tmp_path / "docker.pid"
    file.write_text(str(os.getpid()))
    gone, said = removed(file)
    assert gone
    assert len(said) == 1


def test_a_pid_file_of_a_living_engine_stays(tmp_path: Path) -> None:
    """A process that is called dockerd keeps its file; starting a second one is dockerd's to refuse."""
    program = tmp_path / "dockerd"
    program.write_text("#!/bin/sh\necho ready\nread line\n")
    program.chmod(0o755)
    file = tmp_path / "docker.pid"
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as engine:
        assert engine.stdout is not None
        assert engine.stdout.readline() == b"ready\n"  # only now it surely has its own name
        file.write_text(f"{engine.pid}\n")
        assert removed(file) == (False, [])


@pytest.mark.parametrize("text", ["", "\n", "not a number", "-1", "99999999999"])
def test_a_pid_file_without_a_process_is_removed(tmp_path: Path, text: str) -> None:
    """An engine that was killed while it wrote leaves an empty file, in which no process can be found."""
    file = tmp_path / "docker.pid"
    file.write_text(text)
    assert removed(file)[0]


def test_no_pid_file_is_fine(tmp_path: Path) -> None:
    """The usual case: nothing is removed and nothing is said."""
    assert removed(tmp_path / "docker.pid") == (True, [])
