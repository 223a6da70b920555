"""`lab grade` on an engine of its own: whatever ends it, each submission has exactly one result at last."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from lab import instances
from lab.engine import Engine
from lab.errors import EngineError, LabError
from lab.grading import library
from lab.grading.batch import journal
from tests.live.second_engine import SecondEngine, second
from tests.live.support import until

__all__ = ["second"]  # a fixture

COUNT = 200
WAIT_SECONDS = 240.0
HEAD = "import os, signal, socket, sys, time\nport, word = int(sys.argv[1]), sys.argv[2]\n"
SERVE = """
with socket.create_server(("0.0.0.0", port)) as listening:
    while True:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(f"hello {word}\\n".encode())
"""
PLANTED = "import pytest\n@pytest.hookimpl\ndef pytest_runtest_makereport(item, call):\n    raise SystemExit(0)\n"
RIGHT, NO_LISTENER, NO_GREETING, NO_FILES = "PASSED PASSED", "FAILED BLOCKED", "PASSED FAILED", "FAILED BLOCKED BLOCKED"
KINDS: Mapping[str, tuple[str, str]] = {
    # What is right comes from the exercise itself.
    "right": ("", RIGHT),
    "wrong": (HEAD + SERVE.replace("hello", "hallo"), NO_GREETING),
    "deaf": (HEAD + "sys.exit()\n", NO_LISTENER),
    "archive": ("", RIGHT),
    "empty": ("", NO_FILES),
    "no_archive": ("", NO_FILES),
    "planted": (HEAD + SERVE, RIGHT),
    "kills": (HEAD + "os.kill(-1, signal.SIGKILL)\n" + SERVE, RIGHT),
    "forks": (HEAD + "while True:\n    try:\n        os.fork()\n    except OSError:\n        break\n", NO_LISTENER),
    "fills": (
        HEAD
        + "try:\n    open('/tmp/x', 'wb').write(bytes(1 << 30))\nexcept (OSError, MemoryError):\n    pass\n"
        + SERVE,
        RIGHT,
    ),
}


@pytest.fixture(scope="module")
def exercise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `lab new exercise` makes it."""
    return library.make_new(str(tmp_path_factory.mktemp("exercises") / "77-greeter"))


def hand_in(folder: Path, exercise: Path, count: int) -> dict[str, str]:
    """Make so many submissions of all kinds; which states each must end in."""
    solution = (exercise / "solution" / "greeter.py").read_text()
    expected = {}
    kinds = list(KINDS)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        id_ = f"{number:03}-{kind}"
        program, expected[id_] = KINDS[kind]
        place = folder / id_
        if kind == "no_archive":
            place.with_name(f"{id_}.zip").write_bytes(b"none")
        elif kind == "archive":
            with zipfile.ZipFile(place.with_name(f"{id_}.zip"), "w") as archive:
                archive.writestr("homework/greeter.py", solution)
        else:
            place.mkdir(parents=True)
        if kind not in ("no_archive", "archive", "empty"):
            (place / "greeter.py").write_text(program or solution)
        if kind == "planted":
            for name in ("conftest.py", "sitecustomize.py", "socket.py"):
                (place / name).write_text(PLANTED)
    return expected


class Run:
    """`lab grade` in a process of its own."""

    def __init__(self, *arguments: str, environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "lab", "grade", *arguments], env=environment, stdout=file, stderr=file
            )

    def ended(self) -> int:
        """Its exit status."""
        return self.process.wait(WAIT_SECONDS)

    @property
    def said(self) -> str:
        """All that it printed."""
        return self._log.read_text()


def kept(out: Path) -> list[str]:
    """The ids of the results in a journal, in its order."""
    try:
        lines = (out / journal.NAME).read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    values = [json.loads(line) for line in lines if line.endswith(b"\n")]
    return [one["result"]["id"] for one in values if "result" in one]


def test_two_hundred_are_graded_through_all_that_happens(exercise: Path, second: SecondEngine, tmp_path: Path) -> None:
    """The grader is killed, then its engine; each time it goes on, and each submission has its one right result."""
    expected = hand_in(tmp_path / "in", exercise, COUNT)
    out = tmp_path / "out"

    def run(*arguments: str) -> Run:
        return Run(*arguments, "--out", str(out), environment=second.environment, log=tmp_path / "log")

    def at_least(count: int) -> None:
        until(lambda: len(kept(out)), wanted=lambda n: n >= count, what=f"{count} results", seconds=WAIT_SECONDS)

    first = run(str(exercise), str(tmp_path / "in"))
    at_least(COUNT // 4)
    first.process.kill()
    first.ended()
    again = run("--resume")
    at_least(COUNT // 2)
    assert again.process.poll() is None, again.said
    second.stop(signal.SIGKILL)
    assert again.ended() == EngineError.exit_code, again.said
    assert f"`lab grade --resume --out {out}` goes on" in again.said
    second.start()
    last = run("--resume")
    assert last.ended() == 0, last.said

    ids = kept(out)
    assert sorted(ids) == sorted(expected)
    results = json.loads((out / "results.json").read_text())
    states = {one["id"]: " ".join(one["checks"].values()) for one in results["submissions"]}
    assert states == expected
    with Engine.connect(at=second.address) as engine:
        assert instances.running(engine) == ()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder in which there is little room."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_in_the_middle(exercise: Path, small_disk: Path, tmp_path: Path) -> None:
    """It ends with what to do, and goes on when there is room."""
    folder, out = tmp_path / "in", small_disk / "out"
    expected = hand_in(folder, exercise, 12)
    filler = small_disk / "filler"
    filler.write_bytes(bytes(52 * 1024))
    run = Run(str(exercise), str(folder), "--out", str(out), environment=os.environ, log=tmp_path / "log")
    assert run.ended() == LabError.exit_code, run.said
    assert "no space left on device" in run.said
    assert "make room; then" in run.said
    before = kept(out)
    assert len(before) < len(expected)
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    again = Run("--resume", "--out", str(out), environment=os.environ, log=tmp_path / "log")
    assert again.ended() == 0, again.said
    assert kept(out)[: len(before)] == before
    assert sorted(kept(out)) == sorted(expected)


def test_an_interrupt_ends_it_and_leaves_nothing(exercise: Path, engine: Engine, tmp_path: Path) -> None:
    """It says how to go on. Then one of them is graded again, with the same values, and ends as before."""
    folder, out = tmp_path / "in", tmp_path / "out"
    hand_in(folder, exercise, 10)
    run = Run(str(exercise), str(folder), "--out", str(out), "-j", "2", environment=os.environ, log=tmp_path / "log")
    until(lambda: len(kept(out)), wanted=lambda n: n >= 1, what="a result", seconds=WAIT_SECONDS)
    run.process.send_signal(signal.SIGINT)
    assert run.ended() == 130, run.said
    assert "--resume" in run.said
    head = journal.read(out).head
    assert not [one.name for one in instances.running(engine) if head.batch in one.name]
    again = Run("--resume", "--out", str(out), "--json", environment=os.environ, log=tmp_path / "log")
    assert again.ended() == 0, again.said
    before = {one["id"]: one for one in json.loads((out / "results.json").read_text())["submissions"]}
    regraded = regrade("001-wrong", "--out", str(out), "--json")
    record = json.loads(regraded.stdout)
    assert regraded.stderr.decode().splitlines()[-1] == "as before"
    assert record["variant"] == before["001-wrong"]["variant"]
    assert regraded.returncode == 1
    shutil.copy(exercise / "solution" / "greeter.py", folder / "001-wrong" / "greeter.py")
    better = regrade("001-wrong", "--out", str(out), "--keep")
    assert better.returncode == 0, better.stderr.decode()
    assert better.stderr.decode().splitlines()[-1] == (
        "not as before: greets was FAILED and is PASSED; its files have changed since"
    )
    after = {one["id"]: one for one in json.loads((out / "results.json").read_text())["submissions"]}
    assert (before["001-wrong"]["score"], after["001-wrong"]["score"]) == (4, 10)
    assert len(after) == 10


def regrade(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Grade one again."""
    return subprocess.run(
        [sys.executable, "-m", "lab", "regrade", *arguments], capture_output=True, check=False, timeout=WAIT_SECONDS
    )


# ------------------------------------------------------------------------------- several machines


class Dask:
    """A scheduler on loopback, and workers with an engine each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: list[subprocess.Popen[bytes]] = []
        self.address = ""

    def _run(self, *arguments: str, environment: Mapping[str, str] = os.environ) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard"]
        log = (self._folder / f"log-{len(self._children)}").open("wb")
        self._children.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=self._folder))
        return self._children[-1]

    def begin(self) -> None:
        """Start the scheduler."""
        file = self._folder / "scheduler.json"
        self._run("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
        until(file.is_file, wanted=bool, what="a scheduler", seconds=60)
        self.address = json.loads(file.read_text())["address"]

    def worker(self, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start a worker that grades one at a time."""
        return self._run("worker", self.address, "--nthreads", "1", "--no-nanny", environment=environment)

    def end(self) -> None:
        """End all of them."""
        for one in reversed(self._children):
            one.terminate()
        for one in self._children:
            one.wait(60)


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Dask]:
    """A cluster without workers yet."""
    made = Dask(tmp_path)
    made.begin()
    yield made
    made.end()


def test_a_cluster_grades_and_survives_a_worker(
    exercise: Path, second: SecondEngine, dask: Dask, tmp_path: Path
) -> None:
    """Two workers on two engines, one of which is killed in the middle: all results arrive, and are right."""
    expected = hand_in(tmp_path / "in", exercise, 20)
    out = tmp_path / "out"
    workers = [dask.worker(os.environ), dask.worker(second.environment)]
    run = Run(
        *(str(exercise), str(tmp_path / "in"), "--out", str(out), "--scheduler", dask.address),
        environment={**os.environ, "DOCKER_HOST": "unix:///nowhere"},  # whoever hands out needs no engine
        log=tmp_path / "log",
    )
    until(
        lambda: names(second.address),
        wanted=lambda found: any(one.startswith("grade-") for one in found),
        what="an instance on the second engine",
        seconds=WAIT_SECONDS,
    )
    until(lambda: len(kept(out)), wanted=lambda n: n >= 8, what="8 results", seconds=WAIT_SECONDS)
    workers[1].kill()
    assert run.ended() == 0, run.said
    assert sorted(kept(out)) == sorted(expected)
    results = json.loads((out / "results.json").read_text())
    assert {one["id"]: " ".join(one["checks"].values()) for one in results["submissions"]} == expected
    batch = journal.read(out).head.batch
    # The killed worker's grading process notices, and takes its instance along.
    for address in ("", second.address):
        until(partial(left, address, batch), wanted=lambda found: not found, what="nothing left", seconds=60)


def left(address: str, batch: str) -> list[str]:
    """Of a batch's instances on an engine."""
    return [one for one in names(address) if batch in one]


def names(address: str) -> list[str]:
    """Of the instances on an engine."""
    with Engine.connect(at=address) as engine:
        return [one.name for one in instances.running(engine)]


def test_no_scheduler(exercise: Path, tmp_path: Path) -> None:
    """It says how one is started, and begins nothing."""
    hand_in(tmp_path / "in", exercise, 1)
    run = Run(
        *(str(exercise), str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--scheduler", "tcp://127.0.0.1:9"),
        environment=os.environ,
        log=tmp_path / "log",
    )
    assert run.ended() == 2, run.said
    assert "expected a dask scheduler at tcp://127.0.0.1:9" in run.said
    assert "`dask scheduler` starts one" in run.said
