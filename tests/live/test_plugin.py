"""Our pytest plugin: hosts as testinfra knows them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabError, UsageError
from lab.live import Instance
from lab.observe import Translation, listeners
from lab.testing import Instances
from tests.live.support import until

Host = Callable[[str], Any]


def test_files_are_the_hosts_own(lab: Instance, host: Host) -> None:
    """testinfra sees the very files that a program of the host has written, links as links."""
    lab.run("alice", ["sh", "-c", "echo hello > ~/greeting; ln -s /etc/shadow ~/link; chmod 600 ~/greeting"])
    greeting = host("alice").file("/home/student/greeting")
    assert greeting.content_string == "hello\n"
    assert (greeting.user, greeting.mode) == ("student", 0o600)
    assert host("alice").file("/home/student/link").is_symlink
    assert not host("bob").file("/home/student/greeting").exists


def test_processes_and_interfaces_are_the_hosts_own(host: Host) -> None:
    """testinfra lists the host's processes, and its addresses."""
    (server,) = host("server").process.filter(comm="python3")
    assert (server.user, server.args) == ("student", "python3 echo_server.py 203.0.113.80 65432")
    assert host("alice").process.filter(comm="python3") == []
    assert "192.168.1.100" in host("alice").interface("eth0").addresses
    assert host("router").run("hostname").stdout.strip() == "router"


def test_a_command_that_does_not_end_is_ended(lab: Instance, host: Host) -> None:
    """A trusted command has a time limit, and nothing of it is left in the host."""
    before = lab.fingerprints(["alice"])
    with pytest.raises(LabError, match="no end in time"):
        lab.wiring.command("alice", ("sleep", "60"), seconds=0.2)
    # It is killed, and gone when the host's first process has seen to it.
    until(lambda: lab.fingerprints(["alice"]), wanted=lambda seen: seen == before, what="nothing of it")
    assert host("alice").run("true").rc == 0


def test_a_command_that_prints_without_end_is_ended(lab: Instance) -> None:
    """A trusted command has an output limit: a student's endless file cannot fill our memory."""
    lab.run("alice", ["sh", "-c", "head -c 3000000 /dev/zero > ~/large"])
    with pytest.raises(LabError, match="too much output"):
        lab.wiring.command("alice", ("cat", "/home/student/large"), seconds=10)
    exact = lab.wiring.command("alice", ("cat", "/home/student/large"), seconds=10, limit=3_000_000)
    assert len(exact.stdout) == 3_000_000


def test_what_would_find_nothing_for_ever_is_refused(
    lab: Instance, translations: Callable[[str], tuple[Translation, ...]]
) -> None:
    """A look that there is not, and translations of a host that translates nothing, are errors, not empty answers."""
    with pytest.raises(UsageError, match="did you mean sockets"):
        lab.look(["socketss"])
    with pytest.raises(UsageError, match="gateways: router"):
        translations("alice")
    with pytest.raises(UsageError, match="list of words"):
        lab.run("alice", "ls -l")


def test_a_program_that_takes_too_long_or_prints_too_much_is_its_own_fault(lab: Instance) -> None:
    """No exception: the reason is in what comes back, with the output so far; and nothing of it is left running."""
    slow = lab.run("alice", ["sh", "-c", "echo begun; sleep 60"], seconds=0.3)
    assert (slow.ended.status, slow.ended.reason, slow.stdout) == (124, "timeout", b"begun\n")
    loud = lab.run("alice", ["seq", "1000000"], limit=1000)
    assert (loud.ended.reason, len(loud.stdout)) == ("output", 1000)
    until(
        lambda: lab.wiring.look(["processes"], hosts=["alice"])["alice"]["processes"],
        wanted=lambda processes: processes == [],
        what="no process in alice",
    )


def test_started_programs_have_names_of_their_own(lab: Instance, listens: Callable[[str, int], None]) -> None:
    """A second program of one name gets another; each has its own output, and one is stopped without the other."""
    serve = ["python3", "-u", "-c", "import http.server as h, sys; h.test(port=int(sys.argv[1]))"]
    names = [lab.start("alice", [*serve, port], name="web") for port in ("8000", "8001")]
    assert names == ["web", "web-2"]
    listens("alice", 8000)
    listens("alice", 8001)
    lab.stop("alice", "web")
    assert lab.output("alice", "web").end == "stopped"
    assert lab.output("alice", "web-2").end == ""
    until(
        lambda: {str(one) for one in listeners(lab.look(["sockets"], ["alice"])["alice"].sockets)},
        wanted=lambda seen: seen == {"tcp/0.0.0.0:8001"},
        what="the second one only",
    )
    assert lab.start("alice", [*serve, "8000"], name="web") == "web"
    with pytest.raises(UsageError, match="did you mean web-2"):
        lab.stop("alice", "web-3")


def test_two_lab_files_of_one_name_are_two_instances(lab: Instance, instances: Instances, tmp_path: Path) -> None:
    """A copy of a lab file that was changed, but not its name, starts beside the first."""
    shutil.copytree("compose", tmp_path / "compose")
    other = instances.get(str(tmp_path / "compose/nat.yaml"))
    assert other.lab.name == lab.lab.name
    assert other.name != lab.name
    assert other.run("alice", ["true"]).ended.status == 0


def test_input_reaches_a_command(lab: Instance) -> None:
    """More input than a pipe holds comes back whole."""
    data = bytes(range(256)) * 2000
    assert lab.wiring.command("alice", ("cat",), seconds=10, stdin=data).stdout == data
