"""The claims of the note: each holds on its lab, and each is seen not to hold where something makes it untrue."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from lab import images, instances, labfiles, live, note
from lab.engine import Engine
from lab.live import Instance
from lab.note.claim import Verdict
from lab.note.run import demonstrate
from lab.testing import Instances
from tests.live.breaks import BREAKS, Break
from tests.live.support import command_line


def test_every_claim_has_something_that_breaks_it() -> None:
    """A claim whose demonstration was never seen to fail proves nothing."""
    assert {one.claim for one in BREAKS} == {claim.id for claim in note.CLAIMS}


@pytest.mark.parametrize("one", BREAKS, ids=[f"{one.claim}, {one.what}" for one in BREAKS])
def test_a_claim_does_not_hold_where_it_is_broken(
    one: Break, engine: Engine, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The demonstration sees it, by a check that fails: it is no error, and it does not hold."""
    claim = note.find(one.claim)
    with _world(one, engine, tmp_path, request) as instance:
        for host, command in one.commands:
            done = instance.wiring.command(host, tuple(command.split()), seconds=5)
            assert done.status == 0, done.stderr
        outcome = demonstrate(claim, instance, _programs(one))
    assert outcome.verdict is Verdict.DOES_NOT_HOLD, outcome
    assert [check for check in outcome.checks if not check.holds and one.fails in check.what], outcome.checks


def _programs(one: Break) -> dict[str, bytes]:
    programs = labfiles.programs()
    for file, old, new in one.programs:
        text = programs[file].decode()
        assert old in text, f"{file} no longer has {old!r}"
        programs[file] = text.replace(old, new).encode()
    return programs


@contextmanager
def _world(one: Break, engine: Engine, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Instance]:
    """The claim's lab; one of its own where it is changed, so that others find theirs as it was."""
    claim = note.find(one.claim)
    if not one.lab and not one.commands:
        shared: Instances = request.getfixturevalue("instances")
        yield shared.get(claim.lab)
        return
    folder = shutil.copytree(labfiles.folder(), tmp_path / "compose")
    file = folder / f"{claim.lab}.yaml"
    for old, new in one.lab:
        text = file.read_text()
        assert old in text, f"{file.name} no longer has {old!r}"
        file.write_text(text.replace(old, new))
    name = f"test-{os.getpid()}-broken"
    refs = images.ensure(engine, say=lambda _: None)
    try:
        with live.up(engine, labfiles.load(str(file)), name=name, images=refs, say=lambda _: None) as instance:
            yield instance
    finally:
        instances.down(engine, name)


def test_a_claim_whose_tool_is_missing_is_an_error(engine: Engine) -> None:
    """Nothing is known of it then, and it says what is missing; a claim that does without is shown as always."""
    name = f"test-{os.getpid()}-tool"
    refs = images.ensure(engine, say=lambda _: None)
    try:
        with live.up(engine, labfiles.load("ports"), name=name, images=refs, say=lambda _: None) as instance:
            hide = ("sh", "-c", "mount --bind /dev/null /usr/bin/strace && echo hidden")
            with closing(engine.stream(instance.helper, hide)) as stream:
                assert stream.receive() == b"hidden\n"
            missing = demonstrate(note.find("lifecycle"), instance, labfiles.programs())
            instance.reset()
            other = demonstrate(note.find("accept"), instance, labfiles.programs())
    finally:
        instances.down(engine, name)
    assert (missing.verdict, other.verdict) == (Verdict.ERROR, Verdict.WITH_CARE)
    assert "strace" in missing.reason


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing(number: signal.Signals, engine: Engine) -> None:
    """A demonstration that would go on for long ends at once, also where the signal comes twice, as timeout(1) does."""
    command = [sys.executable, "-m", "lab", "note", "cache-system"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in range(2)]
        while not lines[-1].startswith("showing"):
            lines.append(process.stderr.readline())
            assert lines[-1], lines
        process.send_signal(number)
        process.send_signal(number)
        process.communicate(timeout=30)
    name = lines[-1].split()[-1]
    assert name.startswith("note-names-")
    assert process.returncode == 128 + number
    assert [one.name for one in instances.running(engine) if one.name == name] == []


def test_two_at_once_never_meet(engine: Engine) -> None:
    """Each has an instance of its own, and both claims hold."""
    command = [sys.executable, "-m", "lab", "note", "accept", "--json"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    printed = [process.communicate(timeout=60) for process in processes]
    assert [json.loads(out)[0]["verdict"] for out, _ in printed] == ["HOLDS, WITH CARE"] * 2
    names = {line.split()[-1] for _, said in printed for line in said.splitlines() if line.startswith("showing")}
    assert len(names) == 2
    assert not names & {one.name for one in instances.running(engine)}


def test_a_kept_lab_is_used_again(engine: Engine) -> None:
    """With --keep the lab stays, as it was at its start; the next claim is shown on it, unless it is in use."""
    assert "note-ports" not in [one.name for one in instances.running(engine)], "it is somebody's"
    kept, again = (command_line("note", claim, "--keep").stderr.decode() for claim in ("accept", "connection"))
    try:
        assert "note-ports stays" in kept
        assert "starting" not in again
        assert "showing connection in note-ports\n" in again
        with live.attach(engine, instances.find(engine, "note-ports")) as instance, instance.wiring.turn():
            beside = command_line("note", "accept").stderr.decode()
        assert "starting note-ports-" in beside
    finally:
        instances.down(engine, "note-ports")


def test_all_claims_hold(tmp_path: Path) -> None:
    """`lab note --all` shows every one of them, with evidence, and writes its page."""
    state, page = {"XDG_STATE_HOME": str(tmp_path)}, tmp_path / "note.html"
    done = command_line("note", "--all", "--json", "--html", str(page), environment={**os.environ, **state})
    outcomes = json.loads(done.stdout)
    assert [one["claim"] for one in outcomes] == [claim.id for claim in note.CLAIMS]
    assert [one for one in outcomes if not one["verdict"].startswith("HOLDS")] == []
    assert all(one["evidence"] and one["checks"] for one in outcomes)
    assert done.returncode == 0
    assert all(f'id="{claim.id}"' in page.read_text() for claim in note.CLAIMS)
    listed = json.loads(command_line("note", "--json", environment={**os.environ, **state}).stdout)
    assert {one["claim"]: one["verdict"] for one in listed} == {one["claim"]: one["verdict"] for one in outcomes}
