"""Live tests run against real containers; none of them may be skipped."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from lab.live import Instance
from lab.observe import Socket, State
from tests.live.support import PROGRAMS, until

os.environ.pop("SOCKETLAB_NAME", None)  # what the caller's shell is about is not what is tested
# A shell starts what runs in the background deaf to Ctrl-C, and children inherit that. Here Ctrl-C is tested.
signal.signal(signal.SIGINT, signal.default_int_handler)

NOT_SKIPPED = "was skipped, and live tests may not be: a claim that was not tried must not look like one that holds"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped live test is a failed one, and so is one that is expected to fail."""
    report = yield
    if report.skipped or hasattr(report, "wasxfail"):
        report.__dict__.pop("wasxfail", None)  # with it, pytest does not count a failure
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} {NOT_SKIPPED}: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """So is a module that skips itself while it is collected."""
    report = yield
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} {NOT_SKIPPED}: {report.longrepr}"
    return report


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


@pytest.fixture
def listens(lab: Instance) -> Callable[[str, int], None]:
    """Wait until a host listens on a port."""

    def wait(host: str, port: int) -> None:
        until(
            lambda: [s for s in lab.look(["sockets"], [host])[host].sockets if s.listens and s.local.port == port],
            wanted=bool,
            what=f"a listener on port {port} of {host}",
        )

    return wait


@pytest.fixture
def ask(lab: Instance) -> Callable[..., str]:
    """Ask a server of serve_once_each.py from a host: ask(host, protocol, address, port[, source port]).

    Gives `own-address own-port | answer`, or the name of the error, such as `timeout` or `ECONNREFUSED`.
    """

    def run(host: str, *arguments: object) -> str:
        cwd = lab.deploy(host, folder="ask", files={"ask.py": (PROGRAMS / "ask.py").read_bytes()})
        printed = lab.run(host, ["python3", "ask.py", *map(str, arguments)], cwd=cwd)
        return (printed.stdout + printed.stderr).decode().strip()

    return run
