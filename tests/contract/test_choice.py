"""Which wiring is taken: the one that is named, else the first that the engine lets be."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from lab import images, instances, labfiles, live
from lab.engine import Engine
from lab.errors import EngineRefusedError, NoWayInError
from lab.wiring import fabric, networks
from tests.live.refusing_engine import RefusingEngine, Rule, changing, refusing_pid_mode
from tests.live.support import command_line

NAME = f"contract-choice-{os.getpid()}"
REFUSES = refusing_pid_mode("host")
SAYS_YES_AND_DOES_NOT = changing(lambda wanted: {"PidMode": ""} if wanted.get("PidMode") == "host" else {})


@pytest.fixture
def nothing_is_left(engine: Engine) -> Iterator[None]:
    """Whatever a test has started is removed."""
    yield
    instances.remove(engine, {"socketlab.instance": NAME}, settle=False)


@pytest.mark.usefixtures("nothing_is_left")
def test_the_fabric_where_it_works(engine: Engine) -> None:
    """It is the first choice, and nothing is said of it."""
    told: list[str] = []
    refs = images.ensure(engine, say=lambda _: None)
    with live.up(engine, labfiles.load("lossy"), name=NAME, images=refs, say=told.append, wiring=live.AUTO) as instance:
        assert instance.access.wiring == fabric.NAME
    assert not [one for one in told if "does not work" in one]


@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.parametrize(
    ("rule", "why", "error"),
    [(REFUSES, "authorization denied", EngineRefusedError), (SAYS_YES_AND_DOES_NOT, "to be found", NoWayInError)],
    ids=["refused", "not done"],
)
def test_docker_networks_where_the_machines_processes_are_not_seen(
    engine: Engine, rule: Rule, why: str, error: type[Exception]
) -> None:
    """`auto` goes there and says why; who named the fabric is told what would work; nothing is left of the attempt."""
    told: list[str] = []
    refs = images.ensure(engine, say=lambda _: None)
    lab = labfiles.load("lossy")
    with RefusingEngine(rule) as refusing, Engine.connect(at=refusing.address) as other:
        with pytest.raises(error, match=why) as raised:
            live.up(other, lab, name=NAME, images=refs, say=told.append, wiring=fabric.NAME)
        assert "--wiring networks" in str(raised.value)
        assert not engine.containers({"socketlab.instance": NAME})
        with live.up(other, lab, name=NAME, images=refs, say=told.append, wiring=live.AUTO) as instance:
            assert instance.access.wiring == networks.NAME
            assert instance.run("alice", ["ping", "-c", "5", "-i", "0.2", "192.0.2.80"]).stdout
            instance.reset()
        assert any("on Docker networks, because" in one and why in one for one in told)
        assert instances.down(other, NAME) == 1 + 2 * len(lab.hosts) + len(lab.networks)


@pytest.mark.usefixtures("nothing_is_left")
def test_the_command_line_names_one() -> None:
    """By an option or the environment; `lab status` says which it is; a wrong name is told before anything is made."""
    said = command_line("up", "lossy", "--name", NAME, "--wiring", "networks")
    assert said.returncode == 0, said.stderr
    assert b"lab lossy, up (networks)\n" in said.stdout
    (status,) = json.loads(command_line("status", "--name", NAME, "--json").stdout)
    assert (status["wiring"], status["state"]) == ("networks", "up")
    assert command_line("reset", "--name", NAME).returncode == 0
    assert command_line("down", "--name", NAME).returncode == 0
    wrong = command_line("up", "lossy", "--name", NAME, environment={**os.environ, "SOCKETLAB_WIRING": "network"})
    assert (wrong.returncode, wrong.stderr) == (
        2,
        b"lab: expected a wiring, found 'network'\nhint: did you mean networks?\n",
    )
