"""The pytest plugin: running labs as fixtures, and hosts that testinfra can ask.

    @pytest.mark.instance("nat")      # or a path to a lab file, relative to the test's own
    def test_something(lab, host, sockets, translations): ...

An instance is started once per lab file and session, under a name of its own, and is reset before each test that
uses it. The only module that imports testinfra; it serves as command runner and for files, processes and
interfaces. Its `socket().is_listening` is not used: it takes a listener on [::] for one on every address, and a
failing `ss` for no listener.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host as TestinfraHost

from lab import images, instances, labfiles, live
from lab.engine import Engine
from lab.live import Instance, Traced
from lab.observe import Socket, Translation
from lab.recordings import Capture

COMMAND_SECONDS = 20.0


class NamespaceBackend(BaseBackend):  # type: ignore[misc]
    """Runs testinfra's commands in a host's namespaces with the programs of its image, over the open connection.

    No program of the host can have written what is executed, so a replaced `ss` changes nothing.
    """

    NAME = "socketlab"

    def __init__(self, instance: Instance, name: str) -> None:
        self.instance = instance
        self.name = name
        super().__init__(name)

    def run(self, command: str, *args: str, **_: Any) -> CommandResult:
        """Run a shell command; a time-out or an overlong output raises LabError."""
        text = self.get_command(command, *args)
        done = self.instance.wiring.command(self.name, ("sh", "-c", text), seconds=COMMAND_SECONDS)
        return self.result(done.status, self.encode(text), done.stdout, done.stderr)


class Instances:
    """The instances of one test session, by lab file."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        self.running: dict[tuple[str, str | None], Instance] = {}

    def get(self, lab: str, wiring: str | None = None) -> Instance:
        """The instance of a lab file, as new; on a wiring, see live.up."""
        if (lab, wiring) in self.running:
            self.running[lab, wiring].reset()
            return self.running[lab, wiring]
        described = labfiles.load(lab)
        # Numbered, because two lab files may have one name.
        name = f"test-{os.getpid()}-{self.worker}-{len(self.running)}-{described.name}"
        refs = images.ensure(self.engine, say=_quiet)
        self.running[lab, wiring] = live.up(self.engine, described, name=name, images=refs, say=_quiet, wiring=wiring)
        return self.running[lab, wiring]

    def close(self) -> None:
        """Take all of them down."""
        for instance in self.running.values():
            instance.close()
            instances.down(self.engine, instance.name)


def _quiet(_: str) -> None:
    pass


class Fixtures:
    """Registered late, because testinfra's own plugin has a fixture `host` too, and the last one is used."""

    @pytest.fixture(scope="session")
    @classmethod
    def engine(cls) -> Iterator[Engine]:
        """A connection to the Docker engine."""
        with Engine.connect() as engine:
            yield engine

    @pytest.fixture(scope="session")
    @classmethod
    def instances(cls, engine: Engine) -> Iterator[Instances]:
        """The instances of this session."""
        instances = Instances(engine)
        yield instances
        instances.close()

    @pytest.fixture
    def lab(self, request: pytest.FixtureRequest, instances: Instances) -> Instance:
        """The lab named by the marker `instance` (default: nat), as it was when it came up.

        A path in it is relative to the test's file.
        """
        marker = request.node.get_closest_marker("instance")
        named = str(marker.args[0]) if marker else "nat"
        return instances.get(str(request.path.parent / named) if labfiles.is_path(named) else named)

    @pytest.fixture
    def host(self, lab: Instance) -> Callable[[str], TestinfraHost]:
        """A host of the lab as testinfra knows hosts: `host("alice").file("/etc/hosts")`."""

        def get(name: str) -> TestinfraHost:
            return TestinfraHost(NamespaceBackend(lab, lab.host(name).name))

        return get

    @pytest.fixture
    def sockets(self, lab: Instance) -> Callable[[str], tuple[Socket, ...]]:
        """Every socket of a host, seen from outside."""
        return lambda name: lab.look(["owners", "packet_sockets"], [lab.host(name).name])[name].sockets

    @pytest.fixture
    def translations(self, lab: Instance) -> Callable[[str], tuple[Translation, ...]]:
        """Every translation of a gateway. Raises UsageError for a host that is none: it has none, whatever happens."""
        return lab.translations

    @pytest.fixture
    def capture(self, lab: Instance) -> Callable[..., Capture]:
        """Packets of hosts and networks, for a `with`: see Instance.capture."""
        return lab.capture

    @pytest.fixture
    def trace(self, lab: Instance) -> Callable[..., Traced]:
        """Run a program and trace its system calls: see Instance.trace."""
        return lab.trace


def pytest_configure(config: pytest.Config) -> None:
    """See Fixtures."""
    config.addinivalue_line("markers", "instance(lab): the lab file whose instance the fixtures give")
    config.pluginmanager.register(Fixtures(), "socketlab-fixtures")
