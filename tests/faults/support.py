"""What tests of faults share that is no fixture."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from lab.engine import Engine
from lab.errors import LabError
from lab.plan import LABEL_INSTANCE
from tests.live.support import command_line


def done(*arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """What the command line printed on standard output, where it must succeed."""
    ended = command_line(*arguments, environment=environment)
    assert ended.returncode == 0, ended.stderr.decode()
    return ended.stdout.decode()


def state(name: str, environment: Mapping[str, str] | None = None) -> Any:
    """What `lab status --json` says of an instance."""
    (found,) = json.loads(done("status", "--name", name, "--json", environment=environment))
    return found


def told(ended: subprocess.CompletedProcess[bytes], error: type[LabError]) -> str:
    """What was said of a failure of that kind: with advice, and without a traceback."""
    said = ended.stderr.decode()
    assert ended.returncode == error.exit_code, said
    assert "Traceback" not in said
    assert "hint: " in said
    return said


def left(engine: Engine, name: str) -> int:
    """How many containers of an instance there are."""
    return len(engine.containers({LABEL_INSTANCE: name}))


def start(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """The command line, in the background; what it says on standard error can be read."""
    return subprocess.Popen(
        [sys.executable, "-m", "lab", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ if environment is None else environment,
    )
