"""Our pytest plugin: hosts as testinfra knows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lab.errors import LabError
from lab.live import Instance

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
    assert lab.fingerprints(["alice"]) == before
    assert host("alice").run("true").rc == 0


def test_a_command_that_prints_without_end_is_ended(lab: Instance) -> None:
    """A trusted command has an output limit: a student's endless file cannot fill our memory."""
    lab.run("alice", ["sh", "-c", "head -c 3000000 /dev/zero > ~/large"])
    with pytest.raises(LabError, match="too much output"):
        lab.wiring.command("alice", ("cat", "/home/student/large"), seconds=10)
    exact = lab.wiring.command("alice", ("cat", "/home/student/large"), seconds=10, limit=3_000_000)
    assert len(exact.stdout) == 3_000_000


def test_input_reaches_a_command(lab: Instance) -> None:
    """More input than a pipe holds comes back whole."""
    data = bytes(range(256)) * 2000
    assert lab.wiring.command("alice", ("cat",), seconds=10, stdin=data).stdout == data
