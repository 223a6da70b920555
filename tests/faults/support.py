"""What tests of faults share that is no fixture."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.engine import Engine
from lab.errors import LabError
from lab.plan import LABEL_INSTANCE
from tests.live.support import command_line, until

WAIT_SECONDS = 120.0
SMALL = Path(__file__).parent / "labs" / "small.yaml"
"""A lab of three hosts: alice, router, server."""
ASK = ("python3", "-c", "import socket; print(socket.create_connection(('203.0.113.80', 7000)).recv(99).decode())")
"""What alice asks the server, which tells the router's address"""
ANSWER = b"203.0.113.1\n"


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


def ended(process: subprocess.Popen[bytes], stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """What such a one printed, and its exit status; it must end by itself."""
    out, err = process.communicate(stdin, timeout=WAIT_SECONDS)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def process_of(container: str, marker: str) -> int:
    """The process of a container, given by its id, with the marker in its command line; as the machine numbers it."""

    def look() -> list[int]:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                ours = container in (folder / "cgroup").read_text()
                found += [int(folder.name)] if ours and marker.encode() in (folder / "cmdline").read_bytes() else []
        return found

    return until(look, wanted=lambda found: len(found) == 1, what=f"one process {marker}")[0]


def start(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """The command line, in the background, with a pipe for each of its streams."""
    return subprocess.Popen(
        [sys.executable, "-m", "lab", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ if environment is None else environment,
    )
