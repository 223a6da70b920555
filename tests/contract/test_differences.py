"""Where wirings differ: the table in docs/wiring.md, each cell of which is what is measured here.

With SOCKETLAB_WRITE_TABLES=yes in the environment the table is written instead of compared.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import images
from lab.building import WIRINGS
from lab.engine import Engine
from lab.live import Instance
from lab.testing import Instances
from tests.contract.machine import Machine, docker

PAGE = Path(__file__).parents[2] / "docs/wiring.md"
BEGIN, END = "<!-- measured by tests/contract/test_differences.py -->\n", "<!-- end -->\n"
WIRES = str(Path(__file__).parent / "labs/wires.yaml")
LISTENS = ("ss", "-Hnatu", "src", "127.0.0.11")
Measure = Callable[[Instance, Machine], str]


def sees_the_machine(lab: Instance, _: Machine) -> str:
    """Whether the engine lets a container of ours see the machine's processes."""
    modes = docker("inspect", "--format", "{{.HostConfig.PidMode}}", *containers(lab)).split()
    return "yes" if "host" in modes else "no"


def containers(lab: Instance) -> list[str]:
    """The names of all of an instance's."""
    return [one.name for one in lab.engine.containers({"socketlab.instance": lab.name})]


def count_of_containers(lab: Instance, _: Machine) -> str:
    """How many there are, by the number of hosts."""
    hosts, found = len(lab.lab.hosts), len(containers(lab))
    return {hosts + 1: "N + 1", 2 * hosts + 1: "2 N + 1"}[found]


def count_of_networks(lab: Instance, _: Machine) -> str:
    """How many Docker networks there are for it."""
    found = len(lab.engine.networks({"socketlab.instance": lab.name}))
    return {0: "none", len(lab.lab.networks): "one for each of the lab's"}[found]


def devices_on_the_machine(lab: Instance, machine: Machine) -> str:
    """What of it is among the machine's own network devices."""
    bridges = {f"br-{one.id[:12]}" for one in lab.engine.networks({"socketlab.instance": lab.name})}
    links = json.loads(machine.ask("ip -j link show"))
    there = [one for one in links if one["ifname"] in bridges]
    ends = [one for one in links if one.get("master") in bridges]
    if not there and not ends:
        return "none"
    interfaces = sum(len(host.interfaces) for host in lab.lab.hosts)
    assert (len(there), len(ends)) == (len(lab.lab.networks), interfaces)
    return "a bridge for each network, a veth for each interface"


def addresses_on_the_machine(lab: Instance, machine: Machine) -> str:
    """Which addresses and routes the machine has on any of it."""
    bridges = {f"br-{one.id[:12]}" for one in lab.engine.networks({"socketlab.instance": lab.name})}
    links = [one for one in json.loads(machine.ask("ip -j addr show")) if one["ifname"] in bridges]
    scopes = {(one["family"], one["scope"]) for link in links for one in link["addr_info"]}
    routes = [one for one in json.loads(machine.ask("ip -j -4 route show table all")) if one.get("dev") in bridges]
    if not scopes and not routes:
        return "none"
    return "link-local ones of IPv6" if (scopes, routes) == ({("inet6", "link")}, []) else f"{scopes} {routes}"


def what_the_machine_tracks(lab: Instance, machine: Machine) -> str:
    """Which addresses of the traffic the machine's firewall and connection tracking get to see."""
    # Others may have had the same addresses before: an entry lives for as long as five days.
    known = set(entries(machine))
    assert lab.run("alice", ["ping", "-c", "1", "203.0.113.80"]).ended.status == 0
    lines = entries(machine)
    own = {str(address) for host in lab.lab.hosts for address in host.addresses}
    if any(set(re.findall(r"(?:src|dst)=(\S+)", line)) & own for line in set(lines) - known):
        return "the lab's own"
    subnets = [subnet for one in lab.engine.networks({"socketlab.instance": lab.name}) for subnet in one.subnets]
    carriers = {f"src={subnet.rpartition('.')[0]}." for subnet in subnets}
    return "carriers' only, in VXLAN" if any(one in line for line in lines for one in carriers) else "none"


def entries(machine: Machine) -> list[str]:
    """Who talks with whom by the machine's connection tracking, without what changes while they do."""
    lines = machine.ask("conntrack -L 2>/dev/null || true").splitlines()
    return [" ".join(re.findall(r"(?:src|dst|sport|dport|id)=\S+", line)) for line in lines]


def listener_in_a_host(lab: Instance, _: Machine) -> str:
    """Whether Docker's resolver listens in any host."""
    hosts = [host.name for host in lab.lab.hosts]
    return "yes" if any(lab.wiring.command(one, LISTENS, seconds=10).stdout.strip() for one in hosts) else "no"


def listener_beside_a_host(lab: Instance, _: Machine) -> str:
    """Whether it listens in a container of ours, where no program of the lab can reach it."""
    ours = [name for name in containers(lab) if name not in {f"socketlab.{lab.name}.{h.name}" for h in lab.lab.hosts}]
    return "yes" if any(docker("exec", one, *LISTENS).strip() for one in ours) else "no"


def largest_packet(lab: Instance, _: Machine) -> str:
    """What a host can send without cutting it up, and gets through to another."""
    ping = ["ping", "-c", "1", "-W", "2", "-M", "do", "192.0.2.20"]
    assert lab.run("alice", [*ping, "-s", str(1500 - 28)]).ended.status == 0
    assert lab.run("alice", [*ping, "-s", str(1501 - 28)]).ended.status != 0
    return "1500 bytes"


def numbers_of_processes(lab: Instance, _: Machine) -> str:
    """Whether programs that follow each other have numbers that follow each other when something was looked at."""
    code = ["python3", "-c", "import os; print(os.getpid())"]
    lab.reset()
    first = int(lab.run("alice", code).stdout)
    for _number in range(3):
        lab.wiring.command("alice", ("true",), seconds=5)
    second = int(lab.run("alice", code).stdout)
    # A trusted command is a process of the host on every wiring; what starts it there is one only where it runs beside.
    return "every trusted command" if second - first <= 1 + 3 * 2 else "every trusted command and look"


def processes_of_ours(lab: Instance, _: Machine) -> str:
    """Whether a program can find out that a process of ours is there while nobody does anything (kill(2), ESRCH)."""
    code = (
        "import os\n"
        "for pid in range(2, 400):\n"
        "    try: os.kill(pid, 0)\n"
        "    except ProcessLookupError: pass\n"
        "    except PermissionError: print(pid)\n"
    )
    return "yes" if lab.run("alice", ["python3", "-c", code]).stdout else "no"


def sign_of_a_trace(lab: Instance, _: Machine) -> str:
    """Whether a program can see that its calls are traced (proc(5), TracerPid)."""
    code = "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('TracerPid')))"
    return "no" if lab.trace("alice", ["python3", "-c", code]).stdout == b"0\n" else "yes"


ROWS: dict[str, Measure] = {
    "needs `pid_mode=host`": sees_the_machine,
    "containers for N hosts": count_of_containers,
    "Docker networks": count_of_networks,
    "devices on the machine": devices_on_the_machine,
    "addresses that the machine has on them": addresses_on_the_machine,
    "addresses that the machine's connection tracking sees": what_the_machine_tracks,
    "Docker's resolver listens at 127.0.0.11 of a host": listener_in_a_host,
    "it listens beside a host, where no program gets": listener_beside_a_host,
    "largest packet": largest_packet,
    "a program can tell that processes are there which it cannot see": processes_of_ours,
    "what takes up numbers of a host's processes": numbers_of_processes,
    "a program whose calls are traced can see it (`TracerPid`)": sign_of_a_trace,
}


def test_the_table_says_what_is_measured(engine: Engine, instances: Instances) -> None:
    """Every cell, on every wiring."""
    machine = Machine(images.ensure(engine, say=lambda _: None))
    labs = {one: instances.get(WIRES, one) for one in WIRINGS}
    cells = {one: {row: measure(lab, machine) for row, measure in ROWS.items()} for one, lab in labs.items()}
    lines = [f"| | {' | '.join(WIRINGS)} |", f"|---|{'---|' * len(WIRINGS)}"]
    lines += [f"| {row} | {' | '.join(cells[one][row] for one in WIRINGS)} |" for row in ROWS]
    measured = "".join(f"{line}\n" for line in lines)
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    written, after = rest.split(END)
    if os.environ.get("SOCKETLAB_WRITE_TABLES"):
        PAGE.write_text(before + BEGIN + measured + END + after, encoding="utf-8")
        pytest.fail("the table was written, and not compared")
    assert written == measured
