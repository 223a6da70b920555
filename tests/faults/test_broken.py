"""An instance of which something has ended is shown as broken, in clear words, and a reset repairs it and proves it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import instances, live, repair
from lab.engine import Engine
from lab.errors import AgentError, InstanceError, LabError
from lab.instances import Running
from tests.faults.support import ANSWER, ASK, SMALL, done, ended, left, process_of, start, state, told
from tests.faults.test_prune import InTwoHours
from tests.live.second_engine import SecondEngine
from tests.live.support import command_line, until

NAME = "flt-broken"
AS_AT_UP = "3 hosts as at the start\n"
AS_DECLARED = "3 hosts as declared; what was seen of them now counts as the start\n"
HOG = "import os; print(1, flush=True); input(); os.fork(); hog = [bytearray(1 << 20) for _ in range(1000)]"


class Broken:
    """A lab that is up, for a test to break."""

    def __init__(self, second: SecondEngine, engine: Engine, wiring: str) -> None:
        self.second = second
        self.engine = engine
        self.environment = second.environment | {"SOCKETLAB_WIRING": wiring, "SOCKETLAB_NAME": NAME}
        done("up", str(SMALL), environment=self.environment)
        with live.attach(self.engine, self.found) as instance:
            self.before = instance.fingerprints()

    @property
    def found(self) -> Running:
        """What the engine says of it."""
        return instances.find(self.engine, NAME)

    def docker(self, *arguments: str) -> str:
        """Do something to it behind its back."""
        return self.second.docker(*arguments)

    def call(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """The command line."""
        return command_line(*arguments, environment=self.environment)

    def is_told(self, why: str) -> None:
        """`lab status` says so, and what to do."""
        shown = done("status", environment=self.environment)
        assert f"{NAME} is not up: {why}\n" in shown
        assert f"`lab reset --name {NAME}` repairs it, `lab down --name {NAME}` removes it" in shown

    def is_repaired(self, said: str) -> None:
        """By a reset, that says `said`; then it is what it was at up, and works."""
        assert done("reset", environment=self.environment) == f"{NAME}: {said}"
        self.is_as_at_up()

    def is_as_at_up(self) -> None:
        """It is whole, each host is what it was, and alice gets to the server through the gateway."""
        assert self.found.whole
        with live.attach(self.engine, self.found) as instance:
            assert instance.wiring.is_sealed()
            assert instance.fingerprints() == self.before
            assert instance.run("alice", ASK).stdout == ANSWER
            instance.reset()


@pytest.fixture(scope="module")
def kept() -> Iterator[list[Broken]]:
    """At most one lab, which is used again as long as it is whole."""
    made: list[Broken] = []
    yield made
    for one in made:
        one.call("down")


@pytest.fixture
def lab(second: SecondEngine, kept: list[Broken], engine_two: Engine) -> Broken:
    """A lab that is up."""
    if not kept or not kept[0].found.whole:
        for one in kept:
            one.call("down")
        kept[:] = [Broken(second, engine_two, "fabric")]
    return kept[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_engine_is_restarted(lab: Broken, number: signal.Signals) -> None:
    """All containers have ended. Nobody knows the start any more: what is declared is proven, and kept anew."""
    lab.second.stop(number)
    lab.second.start()
    lab.is_told("its helper has ended; all 3 hosts have ended")
    assert f"`lab reset --name {NAME}` repairs it" in told(lab.call("exec", "server", "--", "true"), InstanceError)
    lab.is_repaired(f"started anew, {AS_DECLARED}")


def test_the_helper_is_killed_while_a_program_runs(lab: Broken) -> None:
    """Whoever waits for the program is told soon, though engines may leave the stream open for ever."""
    waiting = start("exec", "server", "--", "sh", "-c", "echo begun; exec sleep 600", environment=lab.environment)
    assert waiting.stdout is not None
    assert waiting.stdout.readline() == b"begun\n"
    lab.docker("kill", f"socketlab.{NAME}")
    said = told(ended(waiting), InstanceError)
    assert "expected an answer of the instance's helper container, but the connection ended" in said
    assert "`lab reset` repairs it" in said
    lab.is_told("its helper has ended")
    lab.is_repaired(f"started anew, {AS_DECLARED}")


def _kill(lab: Broken) -> str:
    lab.docker("kill", f"socketlab.{NAME}.server")
    return "server has ended"


def _restart(lab: Broken) -> str:
    lab.docker("restart", "--time", "0", f"socketlab.{NAME}.server")
    return "server: started anew, without the network that was made for it"


def _fill_memory(lab: Broken) -> str:
    """When memory is full the kernel ends what it thinks best to end: here the host's first process."""
    hog = start("exec", "server", "--", "python3", "-c", HOG, environment=lab.environment)
    assert hog.stdout is not None
    assert hog.stdout.readline() == b"1\n"
    # Programs are what the kernel ends first (proc(5), oom_score_adj), so that a host survives them. Not here.
    first, container = lab.docker("inspect", "--format", "{{.State.Pid}} {{.Id}}", f"socketlab.{NAME}.server").split()
    Path(f"/proc/{first}/oom_score_adj").write_text("1000")
    Path(f"/proc/{process_of(container, 'hog')}/oom_score_adj").write_text("0")
    assert ended(hog, b"\n").returncode != 0
    until(lambda: lab.found.wrong, wanted=bool, what="the server to end")
    return "server has ended"


@pytest.mark.parametrize("fault", [_kill, _restart, _fill_memory])
def test_a_host_has_ended(lab: Broken, fault: Callable[[Broken], str]) -> None:
    """The others go on; a reset of that host alone says what is to be done, one of all does it, as it was at up."""
    why = fault(lab)
    lab.is_told(why)
    alone = lab.call("reset", "server")
    error: type[LabError] = InstanceError if "has ended" in why else AgentError
    assert "repairs" in told(alone, error)
    assert done("reset", "alice", environment=lab.environment).endswith("alice as at the start\n")
    lab.is_repaired(f"started anew, {AS_AT_UP}")


@pytest.mark.parametrize(("container", "why"), [("", "its helper is paused"), (".server", "server is paused")])
def test_what_is_paused_goes_on(lab: Broken, container: str, why: str) -> None:
    """Nothing was lost, so nothing is started anew; whoever looks meanwhile is told."""
    lab.docker("pause", f"socketlab.{NAME}{container}")
    lab.is_told(why)
    looked = lab.call("nat")
    assert f"{NAME} is not whole: {why}; `lab reset --name {NAME}` repairs it" in looked.stderr.decode()
    assert b"repairs" in lab.call("reset", "server").stderr
    lab.is_repaired(f"repaired, {AS_AT_UP}")


def test_several_repair_at_once(lab: Broken) -> None:
    """All of them succeed, and the lab is whole."""
    lab.docker("kill", f"socketlab.{NAME}", f"socketlab.{NAME}.server")
    resets = [start("reset", environment=lab.environment) for _ in range(3)]
    for one in map(ended, resets):
        assert one.returncode == 0, one.stderr.decode()
    lab.is_as_at_up()


def test_what_is_gone_is_not_repaired(lab: Broken) -> None:
    """A removed host is told; nothing is touched, and `lab down` removes the rest."""
    lab.docker("rm", "--force", f"socketlab.{NAME}.server")
    found = state(NAME, lab.environment)
    assert (found["state"], found["why"]) == ("broken", "1 of 3 hosts is gone")
    assert "repairs" not in done("status", environment=lab.environment)
    assert f"`lab down --name {NAME}`, then `lab up` it again" in told(lab.call("reset"), InstanceError)
    assert left(lab.engine, NAME) == 3
    done("down", environment=lab.environment)
    assert left(lab.engine, NAME) == 0


def test_a_start_that_died_is_completed_only_when_it_is_old(second: SecondEngine) -> None:
    """In the first minutes another may be at work on it, and a reset says so; later it is proven as it is declared."""
    with InTwoHours.connect(at=second.address) as later, Engine.connect(at=second.address) as now:
        lab = Broken(second, later, "fabric")
        with live.attach(now, lab.found) as instance:
            instance.wiring.seal(None)
        with pytest.raises(InstanceError, match="its start never ended") as refused:
            repair.repair(now, NAME, say=lambda _: None)
        assert "if no `lab up` is at work on it" in refused.value.hint
        assert repair.repair(later, NAME, say=lambda _: None) == repair.Repaired(anew=True, as_at_up=False)
        lab.is_as_at_up()
        done("down", environment=lab.environment)


def test_on_docker_networks(second: SecondEngine, engine_two: Engine) -> None:
    """A host, and what is beside it, are killed; then the engine."""
    lab = Broken(second, engine_two, "networks")
    lab.docker("kill", f"socketlab.{NAME}.server")
    lab.is_told("server has ended")
    lab.is_repaired(f"started anew, {AS_AT_UP}")
    second.stop(signal.SIGKILL)
    second.start()
    lab.is_told("its helper has ended; all 3 hosts have ended")
    lab.is_repaired(f"started anew, {AS_DECLARED}")
    done("down", environment=lab.environment)
    assert left(engine_two, NAME) == 0
