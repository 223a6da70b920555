"""Instances beside each other, resets, and what lies outside a lab."""

from __future__ import annotations

import dataclasses
import json
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network, ip_network
from pathlib import Path

import pytest

from lab import images, instances, labfiles, live
from lab.engine import Engine
from lab.errors import NotPristineError
from lab.live import Instance
from lab.model import Lab
from lab.plan import plan
from lab.wiring import networks
from tests.contract.machine import Machine, docker
from tests.live.support import PROGRAMS, until

WIRES = str(Path(__file__).parent / "labs/wires.yaml")
Ask = Callable[..., str]
Start = Callable[..., None]
Listens = Callable[[str, int], None]
AT_ONCE = 10


@pytest.fixture(scope="session")
def refs(engine: Engine) -> dict[str, str]:
    """The images of today."""
    return images.ensure(engine, say=lambda _: None)


@pytest.fixture(scope="session")
def machine(refs: dict[str, str]) -> Machine:
    """The engine's machine."""
    return Machine(refs)


@pytest.fixture
def twin(engine: Engine, refs: dict[str, str], wiring: str) -> Iterator[Instance]:
    """A second instance of the lab, on the same wiring."""
    name = f"contract-twin-{wiring}"
    with live.up(engine, labfiles.load(WIRES), name=name, images=refs, say=lambda _: None, wiring=wiring) as instance:
        try:
            yield instance
        finally:
            instances.down(engine, name)


def small(folder: Path, prefix: str) -> Lab:
    """A lab of two hosts on one network, whose addresses begin with `prefix`."""
    file = folder / "small.yaml"
    file.write_text(
        f"name: small\nnetworks: {{wire: {{ipam: {{config: [{{subnet: {prefix}.0/24}}]}}}}}}\nservices:\n"
        f"  alice: {{image: socketlab/host, networks: {{wire: {{ipv4_address: {prefix}.10}}}}}}\n"
        f"  bob: {{image: socketlab/host, networks: {{wire: {{ipv4_address: {prefix}.2}}}}}}\n"
    )
    return labfiles.load(str(file))


def served(lab: Instance, word: str) -> None:
    """Have the server answer with a word."""
    file = "serve_once_each.py"
    cwd = lab.deploy("server", folder="serve", files={file: (PROGRAMS / file).read_bytes()})
    lab.start("server", ["python3", file, "tcp", "203.0.113.80", "7000", word], name="serve", cwd=cwd)


def asked(lab: Instance) -> str:
    """What the server answers alice, from one and the same port."""
    cwd = lab.deploy("alice", folder="ask", files={"ask.py": (PROGRAMS / "ask.py").read_bytes()})
    command = "for i in 1 2 3 4 5 6 7 8 9; do python3 ask.py tcp 203.0.113.80 7000 5555 && exit; sleep 0.1; done"
    return lab.run("alice", ["sh", "-c", command], cwd=cwd).stdout.decode()


def test_equal_addresses_never_meet(lab: Instance, twin: Instance) -> None:
    """One client address and port, one server address and port, at the same time, in two instances: each its own."""
    for one in (lab, twin):
        served(one, one.name)
    for _ in range(3):
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(asked, (lab, twin)))
        assert [answer.split(" | ")[1].split()[0] for answer in answers] == [lab.name, twin.name]
    with twin.capture(["alice", "zeta", "middle", "server"]) as capture:
        asked(lab)
    assert [one for one in capture.packets if one.icmp_type is None] == []


def test_a_reset_takes_everything_back_and_is_proven(lab: Instance, start: Start) -> None:
    """Processes, files, sockets, mappings and shared memory of a program that leaves as much as it can; and a shell."""
    start("alice", "mess.py")
    start("server", "mess.py")
    container = next(one for one in instances.running(lab.engine) if one.name == lab.name)
    entered = next(one.id for one in container.hosts if one.host == "alice")
    docker("exec", "--detach", entered, "sleep", "1000")

    def commands(host: str) -> list[str]:
        return [" ".join(one["command"]) for one in lab.wiring.look(["processes"], hosts=[host])[host]["processes"]]

    # The engine answers before what it was asked for runs.
    until(lambda: commands("alice"), wanted=lambda seen: any("sleep" in one for one in seen), what="the shell's sleep")
    assert any("mess.py" in one for one in commands("server"))
    lab.reset()
    assert commands("alice") == commands("server") == []
    assert lab.look(["conntrack"], ["router"])["router"].translations == ()


def test_one_host_is_reset_alone(lab: Instance) -> None:
    """What runs on another goes on."""
    lab.start("alice", ["sleep", "1000"])
    lab.start("server", ["sleep", "1000"])
    lab.reset(["alice"])
    assert [one.host for one in lab.wiring.started() if one.program == "sleep"] == ["server"]


def test_programs_run_are_traced_and_talk(lab: Instance) -> None:
    """What a program prints, how it ends, which calls it makes, what it answers while others are looked at."""
    printed = lab.run("alice", ["sh", "-c", "cat; echo err >&2; exit 3"], stdin=b"given")
    assert (printed.stdout, printed.stderr, printed.ended.status) == (b"given", b"err\n", 3)
    assert lab.run("alice", ["sleep", "1000"], seconds=0.5).ended.reason == "timeout"
    traced = lab.trace("alice", ["python3", "-c", "import socket; socket.socket().bind(('127.0.0.1', 5555))"])
    assert any(one.name == "bind" for one in traced.calls)
    talk = lab.talk("alice", ["cat"])
    talk.tell("hello")
    assert lab.run("server", ["echo", "meanwhile"]).stdout == b"meanwhile\n"
    assert talk.line(seconds=10) == "hello"
    talk.close()


def test_a_program_sees_and_signals_none_but_its_own(lab: Instance) -> None:
    """Nothing of ours is among the processes that it sees, and it can signal none that is not its own."""
    code = (
        "import os, signal\n"
        "own = {os.getpid(), os.getppid()}\n"
        "print(sorted(int(p) for p in os.listdir('/proc') if p.isdigit() and int(p) not in own))\n"
        "done = []\n"
        "for pid in range(1, 3000):\n"
        "    if pid in own: continue\n"
        "    try: os.kill(pid, signal.SIGKILL); done.append(pid)\n"
        "    except OSError: pass\n"
        "print(done)\n"
    )
    assert lab.run("alice", ["python3", "-c", code]).stdout == b"[]\n[]\n"
    assert lab.run("alice", ["echo", "still there"]).stdout == b"still there\n"


def test_the_machine_does_not_answer(lab: Instance, machine: Machine) -> None:
    """Not at the link-local address that a bridge of its has, nor to who asks all; hosts of the lab do answer."""
    of_lab = {f"socketlab.{lab.name}.{one.name}" for one in lab.lab.networks}
    bridges = [f"br-{one.id[:12]}" for one in lab.engine.networks() if one.name in of_lab]
    links = json.loads(machine.ask("ip -j addr show"))
    addresses = [
        a["local"] for one in links if one["ifname"] in bridges for a in one["addr_info"] if a["family"] == "inet6"
    ]
    assert len(bridges) == (len(of_lab) if lab.access.wiring == networks.NAME else 0)
    for address in [*addresses, "fe80::1"]:
        assert lab.run("alice", ["ping", "-c", "2", "-W", "1", "-i", "0.2", f"{address}%eth0"]).ended.status == 1
    printed = lab.run("alice", ["ping", "-c", "2", "-W", "1", "ff02::1%eth0"]).stdout.decode()
    # Her own and the router's, which are of the lab (RFC 4291, appendix A); no other.
    assert set(re.findall(r"from (fe80::[0-9a-f:]+)", printed)) == {"fe80::ff:fe00:100", "fe80::ff:fe00:500"}


def test_an_address_of_the_machine_in_a_labs_subnet_is_the_labs(
    engine: Engine, refs: dict[str, str], wiring: str, tmp_path: Path
) -> None:
    """Where the machine has an address in a subnet that a lab uses too, a host that asks for it gets no answer.

    Positive control: a host of the lab that has such an address does answer.
    """
    stand_in = docker("network", "create", "--subnet=198.18.77.0/24", "--gateway=198.18.77.1", f"contract-{wiring}")
    name = f"contract-same-{wiring}"
    try:
        described = small(tmp_path, "198.18.77")
        with live.up(engine, described, name=name, images=refs, say=lambda _: None, wiring=wiring) as lab:
            ping = ["ping", "-c", "2", "-W", "1", "-i", "0.2"]
            assert lab.run("alice", [*ping, "198.18.77.2"]).ended.status == 0
            assert lab.run("alice", [*ping, "198.18.77.1"]).ended.status == 1
            neighbours = lab.wiring.command("alice", ("ip", "-j", "neigh", "show", "to", "198.18.77.1"), seconds=5)
            assert all("lladdr" not in one for one in json.loads(neighbours.stdout))
    finally:
        instances.remove(engine, {"socketlab.instance": name}, settle=False)
        docker("network", "rm", stand_in.strip())


def test_ten_instances_at_once_take_subnets_that_nobody_has(
    engine: Engine, refs: dict[str, str], machine: Machine, tmp_path: Path
) -> None:
    """No carrier overlaps another, nor a network that was there; the machine gets no route to any of them."""
    whole = small(tmp_path, "192.0.2")
    described = dataclasses.replace(whole, hosts=whole.hosts[:1])
    names = [f"contract-ten-{number}" for number in range(AT_ONCE)]
    first = next(networks.candidates(plan(described, instance=names[0], images=refs), "wire", taken=[]))
    there = docker("network", "create", f"--subnet={first}", "contract-there").strip()

    def up(name: str) -> None:
        live.up(engine, described, name=name, images=refs, say=lambda _: None, wiring=networks.NAME).close()

    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(up, names))
        found = [ip_network(one) for net in engine.networks() for one in net.subnets]
        assert len(found) >= AT_ONCE * len(described.networks)
        assert not [
            (a, b) for i, a in enumerate(found) for b in found[i + 1 :] if a.version == b.version and a.overlaps(b)
        ]
        routes = [IPv4Network(one["dst"]) for one in json.loads(machine.ask("ip -j route")) if one["dst"] != "default"]
        assert not [one for one in routes if one.subnet_of(networks.RESERVED) and str(one) != str(first)]
    finally:
        for name in names:
            instances.remove(engine, {"socketlab.instance": name}, settle=False)
        docker("network", "rm", there)
    assert not engine.networks({"socketlab.instance": names[0]})


def test_rules_that_somebody_changed_are_told(lab: Instance) -> None:
    """Where segments are, in the helper or beside a host: a reset is not proven while they are not as they were."""
    beside = next((container for host, container in lab.access.sidecars if host == "alice"), "")
    there = ["exec", beside, "ip", "netns", "exec", networks.SEGMENTS] if beside else ["exec", lab.helper]
    rules = docker(*there, "nft", "list", "ruleset")
    docker(*there, "nft", "add", "rule", "netdev", "socketlab", "n0", "drop")
    try:
        with pytest.raises(NotPristineError, match="the segments: "):
            lab.reset()
    finally:
        text = re.sub(r"packets \d+ bytes \d+", "", rules)
        docker(*there, "sh", "-c", f"nft -f - <<'END'\nflush ruleset\n{text}\nEND")
    lab.reset()


def test_a_container_of_anothers_on_a_carrier_holds_nothing_back(
    engine: Engine, refs: dict[str, str], tmp_path: Path
) -> None:
    """It loses the network, which was the lab's, when that is taken down; and lives on."""
    name, other = "contract-joined", "contract-stranger"
    described = small(tmp_path, "192.0.2")
    try:
        live.up(engine, described, name=name, images=refs, say=lambda _: None, wiring=networks.NAME).close()
        image = refs["socketlab/host"]
        docker("run", "--detach", "--name", other, "--network", f"socketlab.{name}.wire", "--tmpfs=/run", image)
        instances.down(engine, name)
        assert not engine.networks({"socketlab.instance": name})
        assert docker("inspect", "--format", "{{.State.Running}}", other) == "true\n"
    finally:
        docker("rm", "--force", other)
        instances.remove(engine, {"socketlab.instance": name}, settle=False)


def test_what_another_start_left_is_no_obstacle(engine: Engine, refs: dict[str, str], tmp_path: Path) -> None:
    """A network without a container: the next start of that name takes it away; without one, `lab down` does."""
    name = "contract-left"
    described = small(tmp_path, "192.0.2")
    planned = plan(described, instance=name, images=refs)
    subnet = next(networks.candidates(planned, "wire", taken=[]))
    engine.create_network(networks.carrier(planned, "wire", subnet))
    try:
        live.up(engine, described, name=name, images=refs, say=lambda _: None, wiring=networks.NAME).close()
        assert len(engine.networks({"socketlab.instance": name})) == 1
        instances.down(engine, name)
        engine.create_network(networks.carrier(planned, "wire", subnet))
        assert instances.down(engine, name) == 1
    finally:
        instances.remove(engine, {"socketlab.instance": name}, settle=False)


def test_a_reset_is_proven_while_others_look(lab: Instance) -> None:
    """What looks from beside a host is not taken for what runs in it, whether it begins, works or has just ended."""
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            with lab.again() as other:
                other.look(["sockets", "addresses", "rules"])

    with ThreadPoolExecutor(2) as pool:
        lookers = [pool.submit(look) for _ in range(2)]
        try:
            for _ in range(15):
                lab.reset()
        finally:
            over.set()
        for one in lookers:
            one.result()


def test_no_program_ends_its_host_in_a_reset(lab: Instance) -> None:
    """While they are ended programs may signal the host's first process, in the name of anybody."""
    spin = (
        "import ctypes, os, struct\n"
        "libc, said = ctypes.CDLL(None), struct.pack('iiiiiI', 15, 0, -1, 0, 0, 0) + bytes(104)\n"
        "while True:\n"
        "    for number in (2, 15): libc.syscall(129, 1, number, said)\n"
    )
    for _ in range(10):
        for name in ("one", "two"):
            lab.start("alice", ["python3", "-c", spin], name=name)
        lab.reset()
    assert lab.wiring.living() == {host.name for host in lab.lab.hosts}
