"""What a lab needs goes away under it: room, an image, a connection, its name, the right time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import images, instances, labfiles, live, prune
from lab.engine import Engine
from lab.errors import AgentError, EngineError, InstanceError
from lab.plan import LABEL_INSTANCE
from tests.faults.support import ANSWER, ASK, SMALL, done, ended, left, process_of, start, told
from tests.live.second_engine import SecondEngine
from tests.live.support import command_line

NAME = "flt-resources"
ROUNDS = int(os.environ.get("SOCKETLAB_FAULT_ROUNDS", "30")) // 10
"""of two starts at once: 20 with `make test-faults`"""


@pytest.fixture(autouse=True)
def clean(engine_two: Engine, second: SecondEngine) -> Iterator[None]:
    """Nothing of it is there afterwards."""
    yield
    if second.answers():
        instances.remove(engine_two, {LABEL_INSTANCE: NAME}, settle=False)


@pytest.fixture
def environment(second: SecondEngine) -> dict[str, str]:
    """In which commands are about NAME."""
    return second.environment | {"SOCKETLAB_NAME": NAME}


# --------------------------------------------------------------------------------------------- room


@pytest.fixture
def full(second: SecondEngine) -> Iterator[SecondEngine]:
    """An engine that has room for the first containers only."""
    folder = str(second.data / "containers")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=60k", "none", folder], check=True)
    yield second
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_the_engines_disk_is_full(full: SecondEngine, engine_two: Engine, environment: dict[str, str]) -> None:
    """In the middle of a start: that is told, with where room is needed, and what was made is removed."""
    said = told(command_line("up", str(SMALL), environment=environment), EngineError)
    assert "no space left on device" in said
    assert "make room where the engine keeps its data" in said
    assert "on Docker networks" not in said
    assert left(engine_two, NAME) == 0
    subprocess.run(["mount", "-o", "remount,size=10m", str(full.data / "containers")], check=True)
    done("up", str(SMALL), environment=environment)
    done("down", environment=environment)


FILL = "dd if=/dev/zero of=/home/student/x bs=1M 2>/dev/null"


def test_a_home_is_full(tmp_path: Path, environment: dict[str, str]) -> None:
    """A program that does not fit is refused with the reason; a reset makes room."""
    program = tmp_path / "program.py"
    program.write_text("print('runs')\n")
    done("up", str(SMALL), environment=environment)
    command_line("exec", "alice", "--", "sh", "-c", FILL, environment=environment)
    said = command_line("run", "alice", str(program), environment=environment)
    assert said.returncode == AgentError.exit_code
    assert "cannot deploy into ~/program of alice: No space left on device" in said.stderr.decode()
    assert done("reset", environment=environment) == f"{NAME}: 3 hosts as at the start\n"
    assert done("run", "alice", str(program), environment=environment) == "runs\n"


# -------------------------------------------------------------------------------------------- images


def test_an_image_is_removed_between_plan_and_start(second: SecondEngine, engine_two: Engine) -> None:
    """It is told which is gone, and what brings it back; nothing else is tried, and nothing is left."""
    refs = images.ensure(engine_two, say=lambda _: None)
    gone = refs["socketlab/gateway"]
    second.docker("tag", gone, "flt/kept")
    engine_two.remove_image(gone)
    said: list[str] = []
    try:
        with pytest.raises(EngineError, match=f"expected the image {gone}, but it is gone by now") as caught:
            live.up(engine_two, labfiles.load(str(SMALL)), name=NAME, images=refs, say=said.append)
    finally:
        second.docker("tag", "flt/kept", gone)
        second.docker("rmi", "flt/kept")
    assert "The next `lab up` builds it again" in caught.value.hint
    assert said == ["creating 3 hosts", "removing what was made"]
    assert left(engine_two, NAME) == 0


# ---------------------------------------------------------------------------------------- connections


def test_a_connection_is_cut_in_the_middle(engine_two: Engine, environment: dict[str, str]) -> None:
    """Whoever waits is told, the program ends, the lab goes on, and others notice nothing."""
    done("up", str(SMALL), environment=environment)
    found = instances.find(engine_two, NAME)
    assert found.helper is not None
    waiting = start("exec", "alice", "--", "sh", "-c", "echo begun; exec sleep 600", environment=environment)
    assert waiting.stdout is not None
    assert waiting.stdout.readline() == b"begun\n"
    os.kill(process_of(found.helper.id, "UNIX-CONNECT"), signal.SIGKILL)
    assert "but the connection ended" in told(ended(waiting), InstanceError)
    with live.attach(engine_two, found) as instance:
        assert instance.run("alice", ASK).stdout == ANSWER
        instance.reset()


# --------------------------------------------------------------------------------------------- names


def test_of_two_starts_at_once_one_wins(engine_two: Engine, environment: dict[str, str]) -> None:
    """Whichever it is: it stays whole and can be reset, and the other is told that the name is taken."""
    for number in range(ROUNDS):
        both = [start("up", str(SMALL), environment=environment) for _ in range(2)]
        results = sorted((ended(one) for one in both), key=lambda one: one.returncode)
        codes = [one.returncode for one in results]
        assert codes == [0, InstanceError.exit_code], (number, [one.stderr for one in results])
        assert f"expected no instance named {NAME}, but one is there" in told(results[1], InstanceError)
        with live.attach(engine_two, instances.find(engine_two, NAME)) as instance:
            assert instances.find(engine_two, NAME).whole
            instance.reset()
        instances.remove(engine_two, {LABEL_INSTANCE: NAME})
        assert left(engine_two, NAME) == 0


# --------------------------------------------------------------------------------------------- time

CLOCK = """
import time
began, real = time.monotonic(), time.time
# From two days ago it jumps by a day each second, back and forth.
time.time = lambda: real() - 2 * 86400 + 86400 * (int(time.monotonic() - began) % 2 or -1)
"""


def test_a_clock_that_jumps(
    second: SecondEngine, engine_two: Engine, environment: dict[str, str], tmp_path: Path
) -> None:
    """Nothing that is waited for, and no age, is told by the clock of whoever calls."""
    (tmp_path / "sitecustomize.py").write_text(CLOCK)
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH", ""))))
    jumping = environment | {"PYTHONPATH": path}
    told_there = subprocess.run(
        [sys.executable, "-c", "import time; print(time.time())"], env=jumping, check=True, stdout=subprocess.PIPE
    ).stdout
    assert time.time() - float(told_there) > 3600, "the clock is right"
    done("up", str(SMALL), environment=jumping)
    assert done("reset", environment=jumping) == f"{NAME}: 3 hosts as at the start\n"
    assert done("prune", "--older", "1h", "--yes", environment=jumping) == "nothing is left of dead runs\n"
    assert instances.find(engine_two, NAME).whole
    second.docker("kill", f"socketlab.{NAME}")
    (row,) = prune.dead(engine_two)
    assert 0 <= row.age < 3600
    done("reset", environment=jumping)
    done("down", environment=jumping)
    assert left(engine_two, NAME) == 0
