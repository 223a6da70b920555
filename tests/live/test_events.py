"""Events of a gateway's connection tracking, as they happen."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from lab import images, instances, labfiles, live
from lab.engine import Engine
from lab.errors import AgentError, UsageError
from lab.live import Instance
from lab.observe import EventKind
from tests.live.support import command_line

CLIENT = ["python3", "echo_client/echo_client.py", "203.0.113.80", "65432"]


def test_a_connections_life_is_told(lab: Instance) -> None:
    """It comes with its SYN, changes to established and to its end; each with the translation that the table says."""
    with lab.events("router") as events:
        assert not events.entries
        lab.run("alice", [*CLIENT, "5555"])
    found = events.entries
    states = [one.translation.state for one in found]
    assert states[:3] == ["SYN_SENT", "SYN_RECV", "ESTABLISHED"]
    assert states[-1] == "TIME_WAIT"
    assert [one.kind for one in found] == [EventKind.NEW] + [EventKind.UPDATE] * (len(states) - 1)
    (entry,) = lab.translations("router")
    ends = {(one.translation.inside, one.translation.outside) for one in found}
    assert ends == {(entry.inside, entry.outside)}
    assert not events.lost


def test_nothing_after_the_begin_is_missed(lab: Instance) -> None:
    """Every one of many short beginnings: what happens right after the recording has begun is in it."""
    for number in range(20):
        with lab.events("router") as events:
            lab.run("alice", ["ping", "-c", "1", "203.0.113.80"])
        assert [one.kind for one in events.entries][:1] == [EventKind.NEW], number


def test_an_entry_that_is_removed_is_told(lab: Instance) -> None:
    """A reset empties the table, which the recording sees; and it goes on."""
    with lab.events("router") as events:
        lab.run("alice", [*CLIENT, "5555"])
        lab.reset()
        assert [one.kind for one in events.so_far()].count(EventKind.DESTROY) == 1
        lab.run("alice", [*CLIENT, "5555"])
        assert [one.kind for one in events.so_far()].count(EventKind.NEW) == 2


def test_only_a_gateway_has_events(lab: Instance) -> None:
    """Asking another host is an error, not an empty answer for ever."""
    with pytest.raises(UsageError, match="gateways: router"):
        lab.events("alice")


def test_a_gateway_that_tells_nothing_is_an_error(engine: Engine) -> None:
    """Where events are off, asking for them says so, and does not wait for ever."""
    described = labfiles.load("nat")
    off = (("net.netfilter.nf_conntrack_events", "0"),)
    hosts = tuple(replace(one, sysctls=off) if one.name == "router" else one for one in described.hosts)
    name, refs = f"test-events-{os.getpid()}", images.ensure(engine, say=lambda _: None)
    try:
        with live.up(engine, replace(described, hosts=hosts), name=name, images=refs, say=lambda _: None) as instance:
            with pytest.raises(AgentError, match="nf_conntrack_events to be 1 or 2, observed 0"):
                instance.events("router").__enter__()
            done = command_line("nat", "--follow", "--name", name)
            assert done.returncode == AgentError.exit_code
            assert b"nf_conntrack_events" in done.stderr
    finally:
        instances.down(engine, name)


def test_the_command_follows(lab: Instance) -> None:
    """A line per event, until it is interrupted; and no listener is left."""
    command = [sys.executable, "-m", "lab", "nat", "--follow", "--name", lab.name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        assert process.stderr.readline() == b"following router until Ctrl-C\n"
        lab.run("alice", [*CLIENT, "5555"])
        first = process.stdout.readline().decode()
        process.terminate()
        assert process.wait(10) == 0
    assert "NEW     tcp 192.168.1.100:5555 as 203.0.113.1:4" in first
    assert first.endswith("to 203.0.113.80:65432 SYN_SENT, 120s left\n")


def test_what_comes_just_before_the_end_is_told(lab: Instance) -> None:
    """The whole of a connection that was over before the signal: the end reads once more, and loses nothing."""
    command = [sys.executable, "-m", "lab", "nat", "--follow", "--name", lab.name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"following router until Ctrl-C\n"
        lab.run("alice", [*CLIENT, "5555"])
        process.terminate()
        told = process.communicate(timeout=10)[0].decode().splitlines()
        assert process.returncode == 0
    assert told, "no line at all"
    assert "NEW     tcp 192.168.1.100:5555 as 203.0.113.1:4" in told[0]
    assert "TIME_WAIT" in told[-1]
