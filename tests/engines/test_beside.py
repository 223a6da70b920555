"""An engine beside the one in use ends with whoever started it. `make test-engines` runs this, too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.engines import beside
from tests.live.support import until

VERSION = os.environ.get("SOCKETLAB_TEST_ENGINE", "28.5")
# Making a root is part of it where there is none yet.
START_SECONDS = 200.0
ROOT = Path(__file__).resolve().parents[2]
WAITS = """
import pathlib, time
HERE = pathlib.Path(__file__).parent
def test_waits():
    try:
        (HERE / "began").touch()
        time.sleep(600)
    finally:
        (HERE / "taken_down").touch()
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A run of the program whose only test waits, on an engine that answers."""

    program: subprocess.Popen[str]
    folder: Path
    namespace: int
    """a descriptor of the engine's pid namespace, which keeps its number from being given to another"""

    def nothing_runs(self) -> bool:
        """Whether every process of the engine's namespace has ended, and with them its mounts and networks."""
        return os.fstat(self.namespace).st_ino not in {namespace_of(path) for path in Path("/proc").glob("[0-9]*")}

    def nothing_is_left(self) -> bool:
        """Whether that is so, and there is no folder, control group or mount of its name."""
        mounts = Path("/proc/self/mountinfo").read_text()
        cgroups = [*beside.CGROUPS.glob(self.folder.name), *beside.CGROUPS.glob(f"*/{self.folder.name}")]
        return self.nothing_runs() and not self.folder.exists() and self.folder.name not in mounts and not cgroups


def namespace_of(process: Path) -> int:
    """The number of a process's pid namespace, 0 if it has just ended."""
    try:
        return (process / "ns/pid").stat().st_ino
    except OSError:
        return 0


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """One that has got as far as its test."""
    (tmp_path / "test_waits.py").write_text(WAITS)
    command = [sys.executable, "-m", "tests.engines", "--engines", VERSION, "--out", str(tmp_path / "out")]
    with subprocess.Popen(
        [*command, "--tests", str(tmp_path / "test_waits.py")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        said = next(line for line in program.stdout if "answers at" in line)
        folder = Path(said.rpartition("unix://")[2].strip()).parent
        engine = next(
            path.parent for path in Path("/proc").glob("[0-9]*/cmdline") if f"--data-root={folder}" in path.read_text()
        )
        children = (engine / "task" / engine.name / "children").read_text().split()
        namespace = os.open(Path("/proc", children[0] if children else engine.name, "ns/pid"), os.O_RDONLY)
        assert os.fstat(namespace).st_ino != namespace_of(Path("/proc/self"))
        until((tmp_path / "began").exists, wanted=bool, what="a test that runs", seconds=START_SECONDS)
        one = Run(program=program, folder=folder, namespace=namespace)
        assert not one.nothing_runs()
        yield one
        program.kill()
    os.close(namespace)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_nothing(run: Run, number: signal.Signals, tmp_path: Path) -> None:
    """The tests take down what they started; then the engine goes, with all that it made."""
    run.program.send_signal(number)
    assert run.program.wait(60) == 130
    assert (tmp_path / "taken_down").exists()
    assert run.nothing_is_left()


def test_a_killed_run_leaves_nothing_that_runs(run: Run) -> None:
    """The engine goes at once, and with the next start what it had on disk and its control groups."""
    run.program.kill()
    until(run.nothing_runs, wanted=bool, what="the engine's end")
    assert run.folder.exists()
    beside.remove_leftovers()
    assert run.nothing_is_left()
