"""Run the tests on other Docker engines: python -m tests.engines [--engines VERSIONS] [--tests TESTS] [--write-table].

For each engine: its Debian root is made or taken from the cache, it is started beside the engine in use and given its
images, and pytest runs with DOCKER_HOST set. build/engines/ keeps a log and a JUnit file of each.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from lab import console, images
from lab.engine import Engine, endpoint
from lab.errors import LabError, UsageError
from tests.engines import beside, results, roots

TOP = Path(__file__).resolve().parents[2]
OUT = TOP / "build" / "engines"
README = TOP / "README.md"
SUITES = ("tests/live", "tests/contract", "tests/engines")
QUICK = TOP / "tests" / "engines" / "quick.txt"
"""What `quick` stands for: the common ground of all that a lab is, in two minutes; one argument of pytest in a line."""
INTERRUPTED = 130


def say(text: str) -> None:
    """Tell what happens, in the order of what pytest tells."""
    sys.stdout.write(f"engines: {text}\n")
    sys.stdout.flush()


def run(version: str, tests: list[str], *, out: Path) -> tuple[int, tuple[results.Row, ...]]:
    """Run tests on an engine: pytest's exit status, and what passed. Raises EngineError, ImageError."""
    root = roots.ensure(version, say=say)
    log, junit = out / f"{version}.log", out / f"{version}.xml"
    junit.unlink(missing_ok=True)
    with Engine.connect() as engine:
        references = images.ensure(engine, say=say).values()
    say(f"starting docker.io {root.package}; its log is {log}")
    with beside.running(root.folder, log=log) as address:
        beside.give_images(references, to=address)
        number, api = beside.version(address)
        say(f"engine {number}, API {api}, answers at {address}")
        # A program of that name is what tests of their own engines start.
        programs = (out / f"{version}.bin").absolute()
        beside.write_dockerd(programs / "dockerd", root.folder)
        status = pytest(tests, junit=junit, environment=_environment(version, address, programs))
    if not junit.is_file():
        raise UsageError(f"expected pytest to run {' '.join(tests)}, it ended with the status {status}")
    results.label(junit, engine=number, api=api)
    return status, results.read(junit)


def _environment(version: str, address: str, programs: Path) -> dict[str, str]:
    """Of tests on an engine: that one is in use, and some programs come before the machine's."""
    environment = os.environ | {
        "DOCKER_HOST": address,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "SOCKETLAB_TEST_ENGINE": version,
        beside.BUILDER: endpoint() or "unix:///var/run/docker.sock",
    }
    environment.pop("DOCKER_CONTEXT", None)
    return environment


def pytest(tests: list[str], *, junit: Path, environment: Mapping[str, str]) -> int:
    """Run pytest to its end, or to ours; its exit status."""
    command = [sys.executable, "-m", "pytest", f"--junit-xml={junit}", "-o", "junit_family=xunit1", *tests]
    # A Ctrl-C at the terminal reaches this process alone: twice, it would end the tests before they have cleaned up.
    process = subprocess.Popen(
        [*beside.WITH_US, *command], env=environment, cwd=TOP, stdin=subprocess.DEVNULL, process_group=0
    )
    try:
        return process.wait()
    except BaseException:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(beside.END_SECONDS)
        process.kill()
        process.wait()
        raise


def main() -> int:
    """Run, tell what passed where, and write it where that is asked for; 0 if all did."""
    parser = argparse.ArgumentParser(prog="python -m tests.engines", description=__doc__.splitlines()[0])
    parser.add_argument("--engines", default="", help=f"of {' '.join(roots.RELEASES)}; all if empty")
    parser.add_argument("--tests", default="", help=f"what pytest runs, or quick; {' '.join(SUITES)} if empty")
    parser.add_argument(
        "--out", default=OUT, type=Path, help="where logs and JUnit files go; build/engines if not given"
    )
    parser.add_argument("--write-table", action="store_true", help="write what passed where into README.md")
    wanted = parser.parse_args()
    versions = wanted.engines.split() or list(roots.RELEASES)
    tests = [f"@{QUICK}" if one == "quick" else one for one in wanted.tests.split()] or list(SUITES)
    for version in versions:
        roots.suite(version)  # a mistake is told before anything is done
    if os.geteuid() != 0:
        raise UsageError("expected root, who may start an engine; found another user", hint="sudo make test-engines")
    wanted.out.mkdir(parents=True, exist_ok=True)
    ran = [run(version, tests, out=wanted.out) for version in versions]
    text = results.table(row for _, rows in ran for row in rows)
    say(f"what passed where:\n{text}")
    if wanted.write_table:
        README.write_text(results.put(text, README.read_text(encoding="utf-8")), encoding="utf-8")
        say("written into README.md")
    return max(status for status, _ in ran)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        code = main()
    except LabError as error:
        console.tell(error)
        code = error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        code = INTERRUPTED
    sys.exit(code)
