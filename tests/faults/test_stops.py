"""The engine ends in the middle of a command: that is told, and once it runs again nothing is lost or left.

Of grading see tests/live/test_grade.py.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest

from lab import instances, live
from lab.engine import Engine
from lab.errors import EngineError, InstanceError
from lab.plan import LABEL_INSTANCE
from tests.faults.support import SMALL, done, ended, left, start, told
from tests.live.second_engine import SecondEngine
from tests.live.support import until

NAME = "flt-stops"
WHOLE = 4
"""containers"""


@pytest.fixture(autouse=True)
def clean(engine_two: Engine, second: SecondEngine) -> Iterator[None]:
    """Whatever a failed test leaves."""
    yield
    if not second.answers():
        second.stop()
        second.start()
    instances.remove(engine_two, {LABEL_INSTANCE: NAME}, settle=False)


def end(second: SecondEngine, number: signal.Signals) -> None:
    """End an engine that has not answered what it was just asked, if it is killed."""
    if number == signal.SIGKILL:
        second.freeze()
    second.stop(number)


def interrupted(
    second: SecondEngine, engine: Engine, number: signal.Signals, *arguments: str, when: Callable[[int], bool]
) -> subprocess.CompletedProcess[bytes]:
    """A command in whose middle, when there are so many containers, the engine ends and comes again."""
    process = start(*arguments, "--name", NAME, environment=second.environment)
    until(lambda: left(engine, NAME), wanted=when, what="the middle")
    end(second, number)
    result = ended(process)
    second.start()
    return result


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_during_up(second: SecondEngine, engine_two: Engine, number: signal.Signals) -> None:
    """It says that something is left, and what removes it: `lab down` does, and the name can be used again."""
    said = told(interrupted(second, engine_two, number, "up", str(SMALL), when=lambda count: count >= 2), EngineError)
    assert f"`lab down --name {NAME}` removes" in said
    assert 0 < left(engine_two, NAME) <= WHOLE
    done("down", "--name", NAME, environment=second.environment)
    assert left(engine_two, NAME) == 0
    done("up", str(SMALL), "--name", NAME, environment=second.environment)


def test_during_down(second: SecondEngine, engine_two: Engine) -> None:
    """A second `lab down` removes the rest."""
    done("up", str(SMALL), "--name", NAME, environment=second.environment)
    first = interrupted(second, engine_two, signal.SIGKILL, "down", when=lambda count: count < WHOLE)
    if left(engine_two, NAME):
        told(first, EngineError)
        done("down", "--name", NAME, environment=second.environment)
    assert left(engine_two, NAME) == 0


@pytest.mark.parametrize(("command", "number"), [("run", signal.SIGTERM), ("reset", signal.SIGKILL)])
def test_during_what_is_done_inside(
    second: SecondEngine, engine_two: Engine, command: str, number: signal.Signals
) -> None:
    """A program that runs, and a reset that waits for its turn: both are told, and a reset repairs the lab."""
    done("up", str(SMALL), "--name", NAME, environment=second.environment)
    with live.attach(engine_two, instances.find(engine_two, NAME)) as instance, instance.wiring.turn():
        if command == "run":
            process = start(
                *("exec", "--name", NAME, "alice", "--", "sh", "-c", "echo begun; exec sleep 600"),
                environment=second.environment,
            )
            assert process.stdout is not None
            assert process.stdout.readline() == b"begun\n"
        else:
            process = start("reset", "--name", NAME, environment=second.environment)
            until(lambda: waits_for_its_turn(engine_two, instance.helper), wanted=bool, what="a second client")
        end(second, number)
        result = ended(process)
        # One that ends politely may end the host, and with it the program, before the connection.
        if (command, number, result.returncode) != ("run", signal.SIGTERM, 128 + signal.SIGKILL):
            told(result, InstanceError)
    second.start()
    assert "3 hosts as declared" in done("reset", "--name", NAME, environment=second.environment)
    done("down", "--name", NAME, environment=second.environment)
    assert left(engine_two, NAME) == 0


def waits_for_its_turn(engine: Engine, helper: str) -> bool:
    """Whether a second client is connected with a helper."""
    stream = engine.stream(helper, ("cat", "/proc/net/unix"))
    rows = b"".join(iter(stream.receive, b"")).splitlines()
    stream.close()
    # Of a stream socket there is a row for the one that listens, and one for each that was accepted.
    return sum(row.endswith(b" /run/agent.sock") for row in rows) == 3
