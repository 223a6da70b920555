"""`lab doctor` on this machine, and where something is taken away."""

from __future__ import annotations

import grp
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab import images, instances
from lab.doctor import probe, trial
from lab.doctor.facts import Failure
from lab.doctor.judgement import Finding, judge
from lab.doctor.rows import State
from lab.engine import Engine
from lab.plan import LABEL_INSTANCE
from tests.engines import beside
from tests.live.refusing_engine import (
    Answer,
    RefusingEngine,
    Request,
    Rule,
    changing,
    dropping_capability,
    filtering_calls,
    refusal,
    refusing,
    refusing_capability,
    refusing_networks,
    refusing_pid_mode,
)
from tests.live.second_engine import SecondEngine
from tests.live.support import command_line

PACKET_SOCKETS = {"names": ["socket"], "args": [{"index": 0, "value": socket.AF_PACKET, "op": "SCMP_CMP_EQ"}]}
NETFILTER = {
    "names": ["socket"],
    "args": [
        {"index": 0, "value": socket.AF_NETLINK, "op": "SCMP_CMP_EQ"},
        {"index": 2, "value": 12, "op": "SCMP_CMP_EQ"},  # linux/netlink.h, NETLINK_NETFILTER
    ],
}


def found_at(address: str, monkeypatch: pytest.MonkeyPatch, *, seconds: int = 20) -> Finding:
    """What is found at an engine's address."""
    monkeypatch.setenv("DOCKER_HOST", address)
    return judge(probe.look(say=lambda _: None, seconds=seconds))


def found(monkeypatch: pytest.MonkeyPatch, *rules: Rule) -> Finding:
    """What is found at the engine in use, behind rules."""
    with RefusingEngine(*rules) as engine:
        return found_at(engine.address, monkeypatch)


def observed(finding: Finding, name: str) -> str:
    """What a row says."""
    return next(row.observed for row in finding.rows if row.name == name)


@pytest.fixture(scope="module")
def told(engine: Engine) -> dict[str, Any]:
    """What is told of this machine as it is, as JSON."""
    images.ensure(engine, say=lambda _: None)
    done = command_line("doctor", "--json")
    assert done.returncode == 0, done.stderr.decode()
    value: dict[str, Any] = json.loads(done.stdout)
    return value


@pytest.fixture
def usual(told: dict[str, Any]) -> frozenset[str]:
    """The rows that are degraded on this machine as it is."""
    return frozenset(row["row"] for row in told["rows"] if row["state"] == "degraded")


# -------------------------------------------------------------------------------------- on this machine


def test_labs_work_here(engine: Engine) -> None:
    """By the wiring that is asked for, without a terminal and without a home, a connection is seen from three sides."""
    images.ensure(engine, say=lambda _: None)
    environment = {key: value for key, value in os.environ.items() if key == "PATH" or key.startswith("DOCKER_")}
    done = command_line("doctor", "--wiring", "networks", environment=environment | {"COLUMNS": "100"})
    assert done.returncode == 0, done.stderr.decode()
    assert max(map(len, done.stdout.decode().splitlines())) <= 100
    text = " ".join(done.stdout.decode().split())
    assert "labs work here, by the wiring networks" in text
    assert "-> 203.0.113.1:40" in text
    assert "neither HOME nor XDG_STATE_HOME is set" in text
    assert "Traceback" not in done.stderr.decode()
    name = done.stderr.decode().partition(" grants, as ")[2].splitlines()[0]
    assert engine.containers({LABEL_INSTANCE: name}) == ()


def test_data_are_told(told: dict[str, Any]) -> None:
    """As JSON, by the first wiring; the gateway's port is the one that the server saw."""
    assert (told["works"], told["exit_status"], told["wiring"]) == (True, 0, "fabric")
    rows = {row["row"]: row for row in told["rows"]}
    gateway, server = rows["masquerade"]["observed"].split("; ")[1:]
    assert gateway.split(" -> ")[1] == server.removeprefix("server ")


def test_a_wiring_that_there_is_not() -> None:
    """Nothing is looked at."""
    done = command_line("doctor", "--wiring", "network")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"did you mean networks?" in done.stderr


def test_without_translation_there_is_no_masquerade(engine: Engine) -> None:
    """Positive control: the same lab without NAT is not taken for one that works, and is removed."""
    described, name = trial.lab_of_three(), f"test-doctor-{os.getpid()}"
    changed = replace(described, hosts=tuple(replace(host, nat=None) for host in described.hosts))
    refs = images.ensure(engine, say=lambda _: None)
    seen = trial.masquerade(engine, changed, "fabric", name=name, refs=refs, say=lambda _: None)
    assert isinstance(seen, Failure) or not seen.agree
    assert name not in {one.name for one in instances.running(engine)}


def interrupted(process: subprocess.Popen[str], *, at: str, number: int) -> str:
    """Send a signal to a doctor when it says that; the name of its instance."""
    assert process.stderr is not None
    name = ""
    for line in process.stderr:
        name = line.partition(" grants, as ")[2].strip() or name
        if line.strip() == at:
            process.send_signal(number)
            return name
    pytest.fail(f"expected it to say {at!r}, it ended")


@pytest.mark.parametrize(
    ("at", "number", "status"),
    [
        ("looking at the kernel", signal.SIGINT, 130),
        ("starting a lab of three hosts", signal.SIGTERM, 143),
        ("connecting through a gateway", signal.SIGINT, 130),
    ],
)
def test_an_interrupt_leaves_nothing(engine: Engine, at: str, number: int, status: int) -> None:
    """Wherever it comes, what was made is removed."""
    images.ensure(engine, say=lambda _: None)
    command = [sys.executable, "-m", "lab", "doctor"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        name = interrupted(process, at=at, number=number)
        output, said = process.communicate(timeout=60)
    assert process.returncode == status, said
    assert "Traceback" not in said
    assert output == ""
    assert engine.containers({LABEL_INSTANCE: name}) == ()


def test_what_a_kill_leaves_is_an_instance(engine: Engine) -> None:
    """It has a name that was told, and `lab down` removes it."""
    images.ensure(engine, say=lambda _: None)
    command = [sys.executable, "-m", "lab", "doctor"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        name = interrupted(process, at="looking at the kernel", number=signal.SIGKILL)
        process.wait(60)
    assert engine.containers({LABEL_INSTANCE: name})
    done = command_line("down", "--name", name)
    assert done.returncode == 0, done.stderr.decode()
    assert engine.containers({LABEL_INSTANCE: name}) == ()


# ------------------------------------------------------------------------------------------ no engine


@pytest.mark.parametrize("host", ["unix:///nonexistent/docker.sock", "tcp://127.0.0.1:1", "nonsense://"])
def test_no_engine(host: str) -> None:
    """It is said where one was looked for, and what follows; what depends on it was not tried."""
    done = command_line("doctor", environment={**os.environ, "DOCKER_HOST": host})
    assert done.returncode == 3, done.stderr.decode()
    text = done.stdout.decode()
    assert "labs do not work here: missing engine" in text
    assert "UNTRIED" in text
    assert "Traceback" not in done.stderr.decode()


def test_a_context_that_is_not_there() -> None:
    """It is named."""
    environment = {key: value for key, value in os.environ.items() if key != "DOCKER_HOST"}
    done = command_line("doctor", environment={**environment, "DOCKER_CONTEXT": "no-such-context"})
    assert done.returncode == 3, done.stderr.decode()
    assert "expected a docker context named no-such-context" in done.stdout.decode()


def test_an_engine_that_keeps_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the connection and never answers: it is not waited for without an end."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        finding = found_at(f"tcp://127.0.0.1:{silent.getsockname()[1]}", monkeypatch, seconds=1)
    assert finding.named(State.MISSING) == ("engine",)
    assert finding.exit_code == 3


AS_NOBODY = """
import os, sys
from lab.cli.common import app
from lab.__main__ import main
os.environ["DOCKER_HOST"], wanted = "unix:///nonexistent", os.environ["DOCKER_HOST"]
sys.stdout, out = open(os.devnull, "w"), sys.stdout
try:
    app(["doctor"], standalone_mode=False)  # whatever has to be read for it is read by root
except BaseException:
    pass
sys.stdout = out
os.environ["DOCKER_HOST"] = wanted
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
sys.argv = ["lab", "doctor"]
main()
"""


def test_a_socket_without_permission() -> None:
    """Another user is told which group may use it, and how to get in."""
    with RefusingEngine() as engine:
        engine.socket.parent.chmod(0o755)
        engine.socket.chmod(0o660)
        os.chown(engine.socket, 0, grp.getgrnam("daemon").gr_gid)
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY], env=engine.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 3, done.stderr
        assert "Traceback" not in done.stderr
        assert "labs do not work here: missing access" in done.stdout
        flat = " ".join(done.stdout.split())
        assert f"may not use {engine.socket}; members of the group daemon may" in flat
        assert "adduser nobody daemon" in flat
        # Positive control: with permission it is no matter who asks.
        engine.socket.chmod(0o666)
        connects = AS_NOBODY.replace("main()", "from lab.engine import Engine; Engine.connect()")
        assert subprocess.run([sys.executable, "-c", connects], env=engine.environment, check=False).returncode == 0


# ------------------------------------------------------------------------------------- no images, no room


@pytest.fixture
def small_engine() -> Iterator[tuple[SecondEngine, Path]]:
    """An engine without images, and its folder, which holds 600 MiB."""
    # A unix socket's path is short (unix(7)), and pytest's folders are not.
    top = Path(tempfile.mkdtemp(prefix="socketlab-", dir="/tmp"))
    made, folder = SecondEngine(top), top / "data"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600m", "tmpfs", folder], check=True)
    try:
        made.start()
        yield made, folder
    finally:
        made.stop()
        subprocess.run(["umount", "--recursive", "--lazy", folder], capture_output=True, check=False)
        shutil.rmtree(top, ignore_errors=True)


def fill(file: Path) -> None:
    """Write until there is no room."""
    with file.open("wb", buffering=0) as to:
        while True:
            to.write(bytes(1 << 20))


def test_an_engine_with_little_room(engine: Engine, small_engine: tuple[SecondEngine, Path]) -> None:
    """Without images, with a full disk, and ended in the middle: each is said, and nothing is built or left."""
    second, folder = small_engine

    def doctor() -> tuple[int, dict[str, dict[str, str]]]:
        done = command_line("doctor", "--json", environment=second.environment)
        assert "Traceback" not in done.stderr.decode()
        return done.returncode, {row["row"]: row for row in json.loads(done.stdout)["rows"]}

    status, rows = doctor()
    assert status == 6
    assert [name for name, row in rows.items() if row["state"] == "missing"] == ["disk", "images"]
    assert "lab setup" in rows["images"]["do"]
    assert rows["masquerade"]["observed"] == "images are missing"
    assert rows["engine"]["state"] == rows["version"]["state"] == "ok"
    with Engine.connect(at=second.address) as other:
        assert images.built(other) == ()

    beside.give_images(images.ensure(engine, say=lambda _: None).values(), to=second.address)
    with pytest.raises(OSError, match="No space left"):
        fill(folder / "filler")
    status, rows = doctor()
    assert status == 3
    assert [name for name, row in rows.items() if row["state"] == "missing"] == ["disk", "containers"]
    assert rows["disk"]["observed"] == f"{folder} is full"
    with Engine.connect(at=second.address) as other:
        assert other.containers({}) == ()

    (folder / "filler").unlink()
    command = [sys.executable, "-m", "lab", "doctor"]
    with subprocess.Popen(
        command, env=second.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert any("trying what the engine grants" in line for line in process.stderr)
        second.stop()
        output, said = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "Traceback" not in said
    assert "labs do not work here: missing containers" in output


# ---------------------------------------------------------------------------------- an engine that refuses


def test_pid_mode_host_refused(monkeypatch: pytest.MonkeyPatch, usual: frozenset[str]) -> None:
    """It is said in the plugin's words, and which wiring that takes away; the other is taken, and works."""
    finding = found(monkeypatch, refusing_pid_mode("host"))
    assert set(finding.named(State.DEGRADED)) == usual | {"pid-mode-host", "wiring"}
    assert observed(finding, "pid-mode-host") == "authorization denied by plugin test: pid_mode host"
    assert (finding.works, finding.wiring) == (True, "networks")


def test_every_way_into_hosts_refused(monkeypatch: pytest.MonkeyPatch, usual: frozenset[str]) -> None:
    """What is left out in silence is no grant. The rest is looked at all the same."""
    finding = found(monkeypatch, changing(lambda _: {"PidMode": ""}))
    assert finding.named(State.MISSING) == ("pid-mode-host", "joining", "wiring")
    assert finding.named(State.UNTRIED) == ("masquerade",)
    assert set(finding.named(State.DEGRADED)) == usual
    assert finding.exit_code == 3


def test_a_capability_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that is refused is found among all; with the others the kernel is looked at."""
    finding = found(monkeypatch, refusing_capability("SYS_PTRACE"))
    assert finding.named(State.MISSING) == ("capabilities", "wiring")
    assert observed(finding, "capabilities") == "SYS_PTRACE: authorization denied by plugin test: capability SYS_PTRACE"
    assert finding.named(State.UNTRIED) == ("masquerade",)


def test_a_capability_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is seen to be missing, and nothing is said of the kernel that cannot be known without it."""
    finding = found(monkeypatch, dropping_capability("NET_ADMIN"))
    assert finding.named(State.MISSING) == ("capabilities", "wiring")
    assert observed(finding, "capabilities") == "NET_ADMIN: silently left out"
    assert {"nat", "netem", "links", "masquerade"} <= set(finding.named(State.UNTRIED))
    assert not {"sock-diag", "packet", "pidfd"} & set(finding.named(State.UNTRIED))


def test_what_only_some_need_taken_away(monkeypatch: pytest.MonkeyPatch, usual: frozenset[str]) -> None:
    """Packet sockets, a capability of name servers, read-only roots, networks: labs work, and each is told."""
    finding = found(
        monkeypatch,
        filtering_calls(PACKET_SOCKETS),
        dropping_capability("NET_BIND_SERVICE"),
        changing(lambda _: {"ReadonlyRootfs": False}),
        refusing_networks(),
    )
    assert set(finding.named(State.DEGRADED)) == usual | {"packet", "capabilities", "storage", "docker-networks"}
    assert (finding.works, finding.exit_code) == (True, 0)


def test_rules_of_the_kernel_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without netfilter no gateway translates: a lab is tried, and its own failure is told, too."""
    finding = found(monkeypatch, filtering_calls(NETFILTER))
    assert finding.named(State.MISSING) == ("nat", "conntrack", "masquerade")
    assert {"ingress", "numgen", "ipv6"} <= set(finding.named(State.DEGRADED))
    assert finding.exit_code == 5


def only_looking(request: Request) -> Request | Answer:
    """Processes in containers are refused."""
    return refusal("exec") if request.path.endswith("/exec") else request


@pytest.mark.parametrize(
    ("rule", "reason"), [(refusing("containers", lambda _: True), "containers"), (only_looking, "exec")]
)
def test_no_container_can_be_used(monkeypatch: pytest.MonkeyPatch, rule: Rule, reason: str) -> None:
    """The reason is told once, and all that takes one was not tried; nothing is left."""
    finding = found(monkeypatch, rule)
    assert finding.named(State.MISSING) == ("containers",)
    assert observed(finding, "containers") == f"authorization denied by plugin test: {reason}"
    assert {"storage", "capabilities", "nat", "wiring", "masquerade"} <= set(finding.named(State.UNTRIED))
    assert finding.exit_code == 3
