"""Commands are interrupted, ended and killed at random moments; `lab down` then leaves nothing, and `lab up` works.

The moments come from a seed, which a failure tells. SOCKETLAB_FAULT_SEED repeats them, SOCKETLAB_FAULT_ROUNDS says how
many rounds there are: `make test-faults` runs 200, `make test` as many as fit.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import instances
from lab.engine import Engine
from lab.errors import InstanceError, LabError
from lab.plan import LABEL_INSTANCE
from tests.faults.support import SMALL, done, ended, left, start
from tests.live.second_engine import SecondEngine
from tests.live.support import command_line

NAME = "flt-kills"
WHOLE = 4
"""containers"""
ROUNDS = int(os.environ.get("SOCKETLAB_FAULT_ROUNDS", "20"))
SEED = int(os.environ.get("SOCKETLAB_FAULT_SEED", secrets.randbelow(1 << 32)))
CHECK_UP_EACH = 10
OURS = str(Path(__file__).resolve().parents[2] / "lab")
COMMANDS = ("up", "up", "reset", "down")
"""A start is the longest, and the one that makes most."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
CODES = {one: {0, 128 + one, -one} for one in SIGNALS}
"""What it may end with: it may have been done already, or just begun, when the signal ended the interpreter."""


@dataclass(frozen=True, kw_only=True)
class Round:
    """A command, the signal, and when it comes: a part of how long the command takes when it is left alone."""

    command: str
    signal: signal.Signals
    moment: float


def rounds(count: int, seed: int) -> list[Round]:
    """What a seed stands for."""
    source = random.Random(seed)
    return [
        Round(command=source.choice(COMMANDS), signal=source.choice(SIGNALS), moment=source.uniform(0, 1.1))
        for _ in range(count)
    ]


@pytest.fixture
def clean(engine_two: Engine) -> Iterator[None]:
    """Nothing of it is there before and after."""
    instances.remove(engine_two, {LABEL_INSTANCE: NAME}, settle=False)
    yield
    instances.remove(engine_two, {LABEL_INSTANCE: NAME})


class Attempt:
    """Rounds on one engine."""

    def __init__(self, second: SecondEngine, engine: Engine) -> None:
        self.engine = engine
        self.environment = second.environment | {"SOCKETLAB_NAME": NAME}
        self.takes: dict[str, float] = {}
        """how long each command takes, in seconds"""

    def arguments(self, command: str) -> tuple[str, ...]:
        """Of a command."""
        return (command, str(SMALL)) if command == "up" else (command,)

    def measure(self) -> None:
        """How long commands take."""
        for command in ("up", "reset", "down"):
            began = time.monotonic()
            done(*self.arguments(command), environment=self.environment)
            self.takes[command] = time.monotonic() - began

    def play(self, one: Round) -> bool:
        """A round; whether it hit the command before its end."""
        if one.command != "up" and not left(self.engine, NAME):
            done(*self.arguments("up"), environment=self.environment)
        if one.command == "up":
            instances.remove(self.engine, {LABEL_INSTANCE: NAME}, settle=False)
        process = start(*self.arguments(one.command), environment=self.environment)
        time.sleep(self.takes[one.command] * one.moment)
        process.send_signal(one.signal)
        result = ended(process)
        said = result.stderr.decode()
        if "KeyboardInterrupt" in said and OURS not in said:
            return False  # before the first line of ours: what Python says, and how it ends, is its own
        assert result.returncode in CODES[one.signal], said
        assert "Traceback" not in said
        if one.command == "up" and one.signal != signal.SIGKILL:
            # It takes away what it has made, unless it had told already that all is there. The signal itself ends it
            # only before it has made anything, and after that.
            expected = {0: {WHOLE}, -one.signal: {0, WHOLE}}.get(result.returncode, {0})
            assert left(self.engine, NAME) in expected, (result.returncode, said)
        if one.command == "reset":
            # What was left in its middle another one completes.
            done("reset", environment=self.environment)
        if one.command == "down" or one.signal == signal.SIGKILL:
            self.down()
        return result.returncode != 0

    def down(self) -> None:
        """What is left goes, and nothing comes later."""
        code = command_line("down", environment=self.environment).returncode
        assert code in (0, InstanceError.exit_code)
        assert left(self.engine, NAME) == 0
        assert not self.engine.networks({LABEL_INSTANCE: NAME})


@pytest.mark.usefixtures("clean")
@pytest.mark.timeout(60 + 20 * ROUNDS)
def test_at_random_moments(second: SecondEngine, engine_two: Engine) -> None:
    """After each round nothing is left, or what is left can be used."""
    attempt = Attempt(second, engine_two)
    attempt.measure()
    hit = 0
    for number, one in enumerate(rounds(ROUNDS, SEED)):
        try:
            hit += attempt.play(one)
            if number % CHECK_UP_EACH == CHECK_UP_EACH - 1:
                attempt.down()
                done(*attempt.arguments("up"), environment=attempt.environment)
        except (AssertionError, LabError, subprocess.TimeoutExpired) as error:
            pytest.fail(f"round {number} of SOCKETLAB_FAULT_SEED={SEED}, {one}: {error}")
    assert hit > ROUNDS // 4, f"SOCKETLAB_FAULT_SEED={SEED}: only {hit} of {ROUNDS} rounds hit a command under way"


DROPS = """
import os, signal, sys, time
from lab import __main__ as program

class Dropping:
    def __del__(self):
        os.kill(os.getpid(), int(sys.argv[1]))
        time.sleep(0.01)

def app(**_):
    Dropping()
    time.sleep(60)

program.app = app
program.main()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_that_comes_where_python_drops_exceptions(number: signal.Signals, code: int) -> None:
    """A finalizer cannot be ended by it (sys.unraisablehook); the command is, a moment later, and quietly."""
    ended = subprocess.run(
        [sys.executable, "-c", DROPS, str(int(number))], capture_output=True, check=False, timeout=50
    )
    assert ended.returncode == code
    assert b"Traceback" not in ended.stderr
