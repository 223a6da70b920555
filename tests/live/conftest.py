"""Live tests run against real containers; none of them may be skipped."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TypeVar

import pytest

from lab.live import Instance
from lab.observe import Socket, State

PROGRAMS = Path(__file__).parent / "programs"
HOLD_SECONDS = 10

T = TypeVar("T")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped live test is a failed one: a claim that was not tried must not look like one that holds."""
    report = yield
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and live tests may not be: {report.longrepr}"
    return report


def until(look: Callable[[], T], *, wanted: Callable[[T], bool], what: str) -> T:
    """Look until it is as wanted; fails with the last look."""
    deadline = time.monotonic() + HOLD_SECONDS
    while True:
        seen = look()
        if wanted(seen):
            return seen
        if time.monotonic() > deadline:
            pytest.fail(f"expected {what} within {HOLD_SECONDS} s, observed {seen}")
        time.sleep(0.01)


@pytest.fixture
def start(lab: Instance) -> Callable[..., None]:
    """Start a program of tests/live/programs in a host: start(host, file, *arguments, name=...)."""

    def run(host: str, file: str, *arguments: object, name: str = "") -> None:
        program = name or Path(file).stem
        cwd = lab.deploy(host, folder=program, files={file: (PROGRAMS / file).read_bytes()})
        argv = ("python3", file, *map(str, arguments))
        lab.wiring.start(lab.host(host), program=program, argv=argv, cwd=cwd)

    return run


@pytest.fixture
def established(lab: Instance) -> Callable[[str], tuple[Socket, ...]]:
    """The connections of a host, once it has any."""

    def look(host: str) -> tuple[Socket, ...]:
        return tuple(s for s in lab.look(["owners"], [host])[host].sockets if s.state == State.ESTAB)

    return lambda host: until(lambda: look(host), wanted=bool, what=f"a connection of {host}")


@pytest.fixture
def said(lab: Instance) -> Callable[[str, str], str]:
    """What a started program printed, once it has printed a line."""

    def look(host: str, program: str) -> str:
        return lab.wiring.output(host, program).text.decode()

    return lambda host, program: until(
        lambda: look(host, program), wanted=lambda text: "\n" in text, what=f"a line of {program} on {host}"
    )
