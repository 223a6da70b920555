"""Up means seen; what does not come up is explained and leaves nothing behind.

Of starts that are killed, and of two at once, see tests/faults.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import images, instances, labfiles, live
from lab.checks import differences
from lab.engine import Engine
from lab.errors import InstanceError, NotUpError
from lab.observe import FINGERPRINT_LOOKS, host_view
from lab.plan import LABEL_INSTANCE, plan
from lab.scripts import sysctl_keys
from tests.live.support import LABS, command_line, until

NAME = "test-up"


def left(engine: Engine, name: str = NAME) -> int:
    """How many containers of an instance there are."""
    return len(engine.containers({LABEL_INSTANCE: name}))


@pytest.fixture
def clean(engine: Engine) -> Iterator[None]:
    """Nothing of the instance is there before and after."""
    instances.remove(engine, {LABEL_INSTANCE: NAME})
    yield
    instances.remove(engine, {LABEL_INSTANCE: NAME})


@pytest.mark.usefixtures("clean")
def test_a_program_that_does_not_listen_is_explained(engine: Engine) -> None:
    """What was expected, what was observed, how the program ended and what it printed; exit code 5; nothing is left."""
    failed = command_line("up", str(LABS / "never-ready.yaml"), "--name", NAME)
    said = failed.stderr.decode()
    assert failed.returncode == NotUpError.exit_code == 5
    assert "server: program broken: expected listening on tcp/8000, observed no listening socket" in said
    assert "exit status 1" in said
    assert "no configuration found" in said
    assert "\x1b" not in said
    assert "Traceback" not in said
    assert left(engine) == 0


@pytest.mark.usefixtures("clean")
def test_a_listener_that_nobody_can_reach_is_not_ready(engine: Engine) -> None:
    """`ready: tcp/8000` is not what listens on 127.0.0.1, and the message shows where it does."""
    failed = command_line("up", str(LABS / "loopback-only.yaml"), "--name", NAME)
    assert failed.returncode == NotUpError.exit_code
    assert b"expected listening on tcp/8000, observed" in failed.stderr
    assert left(engine) == 0


@pytest.mark.usefixtures("clean")
def test_a_bad_file_creates_nothing(engine: Engine, tmp_path: Path) -> None:
    """A lab file with mistakes names all of them and is refused before anything is made; exit code 2."""
    bad = tmp_path / "bad.yaml"
    bad.write_text(
        "networks: {home: {ipam: {config: [{subnet: 192.168.1.0/24}]}}}\n"
        "services:\n"
        "  alice: {image: socketlab/host, privileged: true, networks: {home: {ipv4_address: 10.0.0.1}}}\n"
    )
    failed = command_line("up", str(bad), "--name", NAME)
    assert failed.returncode == 2
    assert b"bad.yaml:3:" in failed.stderr
    assert b"privileged" in failed.stderr
    assert b"Traceback" not in failed.stderr
    assert left(engine) == 0


@pytest.mark.usefixtures("clean")
def test_a_taken_name_is_refused_and_the_running_instance_untouched(engine: Engine) -> None:
    """A second `lab up` of one name ends with exit code 4; the first one's hosts are the same as before."""
    assert command_line("up", "nat", "--name", NAME).returncode == 0
    with live.attach(engine, instances.find(engine, NAME)) as instance:
        before = instance.fingerprints()
        failed = command_line("up", "nat", "--name", NAME)
        assert failed.returncode == InstanceError.exit_code == 4
        assert b"`lab down --name test-up`" in failed.stderr
        assert instance.fingerprints() == before


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_removes_what_was_made(engine: Engine, number: signal.Signals) -> None:
    """Ctrl-C, or a polite end, in the middle of the start leaves nothing."""
    process = start("up", "nat", "--name", NAME)
    until(lambda: left(engine), wanted=bool, what="the first container")
    process.send_signal(number)
    assert process.wait(30) in (130, 143)
    assert left(engine) == 0


@pytest.mark.usefixtures("clean")
def test_everything_declared_is_looked_at(engine: Engine) -> None:
    """Each kind of declared fact, when it is taken away from a running lab, is reported as missing."""
    described = labfiles.load("nat")
    refs = images.ensure(engine, say=lambda _: None)
    with live.up(engine, described, name=NAME, images=refs, say=lambda _: None) as lab:
        lab.wiring.clean(described, ["server"])

        def missing() -> list[str]:
            keys = {key for host in described.hosts for key in sysctl_keys(host)}
            seen = lab.wiring.look(FINGERPRINT_LOOKS, sysctls=keys)
            return [
                f"{one.host} {one.subject}"
                for one in differences(described, {h: host_view(t) for h, t in seen.items()})
            ]

        assert missing() == []
        for host, command, subject in (
            ("alice", "ip route del default", "alice routes"),
            ("alice", "ip address del 192.168.1.100/24 dev eth0", "alice addresses of eth0 on home"),
            ("bob", "ip link set eth0 down", "bob state of eth0"),
            ("router", "nft flush chain ip socketlab postrouting", "router nft rules"),
            ("stranger", "ip link add further type veth", "stranger interfaces"),
        ):
            assert lab.wiring.command(host, ("sh", "-c", command), seconds=5).status == 0
            assert subject in missing()


def start(*arguments: str) -> subprocess.Popen[bytes]:
    """The command line, in the background."""
    return subprocess.Popen(
        [sys.executable, "-m", "lab", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ,
    )


@pytest.mark.usefixtures("clean")
def test_a_start_that_died_is_not_shown_as_up(engine: Engine) -> None:
    """An instance whose hosts all run but whose start was killed is `starting`, cannot be reset, and goes down."""
    described = labfiles.load("nat")
    refs = images.ensure(engine, say=lambda _: None)

    def die(text: str) -> None:
        if text.startswith("looking"):
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        with Engine.connect() as own:
            live.up(own, described, name=NAME, images=refs, say=die)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    shown = command_line("status", "--name", NAME, "--json")
    assert [one["state"] for one in json.loads(shown.stdout)] == ["starting"]
    assert command_line("reset", "--name", NAME).returncode == InstanceError.exit_code
    assert command_line("down", "--name", NAME).returncode == 0
    assert left(engine) == 0


@pytest.mark.usefixtures("clean")
def test_a_lab_that_lost_a_host_is_shown_as_broken(engine: Engine) -> None:
    """A host that was killed behind our back is named in the status, and a reset says so instead of succeeding."""
    assert command_line("up", "nat", "--name", NAME).returncode == 0
    bob = next(member for member in instances.find(engine, NAME).hosts if member.host == "bob")
    engine.remove(bob.id)
    (status,) = json.loads(command_line("status", "--name", NAME, "--json").stdout)
    assert status["state"] == "broken"
    assert {host["host"]: host["state"] for host in status["hosts"]}["bob"] == "missing"
    reset = command_line("reset", "--name", NAME)
    assert reset.returncode != 0
    assert b"bob" in reset.stderr
    assert b"Traceback" not in reset.stderr
    assert command_line("down", "--name", NAME).returncode == 0
    assert left(engine) == 0


@pytest.mark.usefixtures("clean")
def test_a_host_that_was_started_anew_is_shown_without_its_network(engine: Engine) -> None:
    """Docker says that it runs; it has lost the network that was made for it, and the lab is broken."""
    assert command_line("up", "nat", "--name", NAME).returncode == 0
    bob = next(member for member in instances.find(engine, NAME).hosts if member.host == "bob")
    described = labfiles.load("nat")
    again = plan(described, instance=NAME, images=images.ensure(engine, say=lambda _: None)).hosts[1]
    engine.remove(bob.id)
    engine.start(engine.create(again))
    (status,) = json.loads(command_line("status", "--name", NAME, "--json").stdout)
    assert status["state"] == "broken"
    assert {host["host"]: host["state"] for host in status["hosts"]}["bob"] == "unwired"


@pytest.mark.usefixtures("clean")
def test_a_reset_that_died_is_not_shown_as_up(engine: Engine) -> None:
    """When a reset was cut off before the programs ran again, the status says which are missing; a reset mends it."""
    assert command_line("up", "nat", "--name", NAME).returncode == 0
    with live.attach(engine, instances.find(engine, NAME)) as instance:
        instance.wiring.clean(instance.lab, ["server"])
    (status,) = json.loads(command_line("status", "--name", NAME, "--json").stdout)
    assert status["state"] == "broken"
    server = next(host for host in status["hosts"] if host["host"] == "server")
    assert server["programs"] == [{"program": "echo", "pid": None, "ended": "not started"}]
    assert command_line("reset", "--name", NAME).returncode == 0
    (status,) = json.loads(command_line("status", "--name", NAME, "--json").stdout)
    assert status["state"] == "up"


LISTENERS = {
    "IPv6 only, where nobody has IPv6": ("s6.setsockopt(41, 26, 1); s6.bind(('::', 8000))", "tcp/8000", False),
    "a mapped loopback address": ("s6.bind(('::ffff:127.0.0.1', 8000))", "tcp/8000", False),
    "a mapped address of its own": ("s6.bind(('::ffff:192.168.1.80', 8000))", "tcp/192.168.1.80:8000", True),
    "both families": ("s6.bind(('::', 8000))", "tcp/8000", True),
}


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("kind", LISTENERS)
def test_ready_is_what_others_reach(kind: str, tmp_path: Path) -> None:
    """A listener counts exactly if another host of this lab could connect to it."""
    bind, ready, counts = LISTENERS[kind]
    stays = 60 if counts else 1.5
    code = f"import socket, time; s6 = socket.socket(socket.AF_INET6); {bind}; s6.listen(); time.sleep({stays})"
    (tmp_path / "serve.py").write_text(code)
    (tmp_path / "lab.yaml").write_text(
        "networks: {home: {ipam: {config: [{subnet: 192.168.1.0/24}]}}}\n"
        "services:\n"
        "  server:\n"
        "    image: socketlab/host\n"
        "    networks: {home: {ipv4_address: 192.168.1.80}}\n"
        f"    x-lab: {{programs: {{serve: {{files: serve.py, run: [python3, serve.py], ready: '{ready}'}}}}}}\n"
    )
    done = command_line("up", str(tmp_path / "lab.yaml"), "--name", NAME)
    assert done.returncode == (0 if counts else NotUpError.exit_code), done.stderr


@pytest.mark.usefixtures("clean")
def test_a_setting_that_the_kernel_refuses_is_explained(engine: Engine, tmp_path: Path) -> None:
    """The lab did not come up: exit code 5, which setting of which host, and nothing is left."""
    (tmp_path / "lab.yaml").write_text(
        "networks: {home: {ipam: {config: [{subnet: 192.168.1.0/24}]}}}\n"
        "services:\n"
        "  server:\n"
        "    image: socketlab/host\n"
        "    sysctls: {net.ipv4.ip_default_ttl: 9999}\n"
        "    networks: {home: {ipv4_address: 192.168.1.80}}\n"
    )
    failed = command_line("up", str(tmp_path / "lab.yaml"), "--name", NAME)
    assert failed.returncode == NotUpError.exit_code
    assert b"server: sysctl net.ipv4.ip_default_ttl = 9999: Invalid argument" in failed.stderr
    assert left(engine) == 0


@pytest.mark.usefixtures("clean")
def test_what_appears_late_is_waited_for(engine: Engine) -> None:
    """A container that the engine makes for a client that is dead already, after `lab down` began, goes too."""
    described = labfiles.load("nat")
    container = plan(described, instance=NAME, images=images.ensure(engine, say=lambda _: None)).hosts[0]
    down = start("down", "--name", NAME)
    time.sleep(1)
    engine.create(container)
    assert down.wait(30) == 0
    assert left(engine) == 0
