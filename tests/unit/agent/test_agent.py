"""The parts of the agent that need no host: commands, lines, names of settings, and how programs ended."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import network
import programs
import pytest
from namespaces import Place

MAIN = Path(__file__).parents[3] / "images/fabric/agent/__main__.py"
ALICE = Place(name="alice", container="c", pid=42, process=-1, net=-1, ipc=-1, pid_namespace=0)


@pytest.fixture(scope="module")
def agent() -> ModuleType:
    """The agent's main module, under a name that does not start it."""
    spec = importlib.util.spec_from_file_location("agent_main", MAIN)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected sockets."""
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_requests_may_come_in_any_pieces(agent: ModuleType, pair: tuple[socket.socket, socket.socket]) -> None:
    """A line is handed on once it is whole; what follows waits for its end."""
    ours, theirs = pair
    connection = agent.Connection(agent.Agent(), ours)
    seen = []
    for piece in (b'{"op"', b': 1}\n{"op": 2}\n{', b"}", b"\n"):
        theirs.sendall(piece)
        seen.append(connection.lines())
    assert seen == [[], [b'{"op": 1}', b'{"op": 2}'], [], [b"{}"]]
    theirs.close()
    assert connection.lines() is None


def conversation(agent: ModuleType, pair: tuple[socket.socket, socket.socket], *requests: object) -> list[Any]:
    """What is answered to these requests, sent at once by somebody who then hangs up."""
    ours, theirs = pair
    theirs.sendall(b"".join(json.dumps(request).encode() + b"\n" for request in requests))
    theirs.shutdown(socket.SHUT_WR)
    agent.Connection(agent.Agent(), ours).serve()
    with theirs.makefile("rb") as answers:
        return [json.loads(line) for line in answers]


def test_each_request_is_answered_in_its_turn(agent: ModuleType, pair: tuple[socket.socket, socket.socket]) -> None:
    """Values are kept from one request to the next."""
    requests = [{"op": "sealed"}, {"op": "seal", "value": [1]}, {"op": "sealed"}, {"op": "programs"}]
    assert conversation(agent, pair, *requests) == [{"ok": None}, {"ok": None}, {"ok": [1]}, {"ok": []}]


def test_a_failure_is_an_answer(agent: ModuleType, pair: tuple[socket.socket, socket.socket]) -> None:
    """A host that is not wired, an operation that does not exist, a request that lacks something: all are said."""
    requests = [{"op": "output", "host": "alice", "program": "p"}, {"op": "dance"}, {"op": "start"}, {"op": "sealed"}]
    answers = conversation(agent, pair, *requests)
    assert [list(answer) for answer in answers] == [["error"], ["error"], ["error"], ["ok"]]
    assert answers[0]["error"] == "alice: no program p was started"


def test_a_turn_is_ended_by_who_has_it(agent: ModuleType) -> None:
    """Another client's end of a turn that it does not have lets nobody in."""
    shared = agent.Agent()
    pairs = [socket.socketpair() for _ in range(2)]
    one, other = (agent.Connection(shared, ours) for ours, _ in pairs)
    assert one.handle({"op": "take_turn", "seconds": 0.01}) == {"ok": None}
    assert other.handle({"op": "end_turn"}) == {"ok": None}
    assert "error" in other.handle({"op": "take_turn", "seconds": 0.01})
    assert one.handle({"op": "end_turn"}) == {"ok": None}
    assert other.handle({"op": "take_turn", "seconds": 0.01}) == {"ok": None}
    for ends in pairs:
        for end in ends:
            end.close()


def test_a_host_that_is_not_there_is_named(agent: ModuleType, pair: tuple[socket.socket, socket.socket]) -> None:
    """Whoever asks for several hosts learns which of them have ended."""
    (answer,) = conversation(agent, pair, {"op": "look", "hosts": ["alice", "bob"], "what": ["rules"]})
    assert answer == {"error": "expected alice, bob to run, but the container has ended"}


@pytest.mark.parametrize("ended", [False, True])
def test_a_host_lives_as_long_as_its_first_process(ended: bool) -> None:
    """A pidfd is readable once its process has ended (pidfd_open(2))."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        descriptor = os.pidfd_open(process.pid)
        try:
            if ended:
                process.kill()
                process.wait()
            assert replace(ALICE, process=descriptor).lives is not ended
        finally:
            os.close(descriptor)


def test_input_after_its_program_ended_is_no_request(
    agent: ModuleType, pair: tuple[socket.socket, socket.socket]
) -> None:
    """It is passed over without an answer, else every later answer would belong to the request before."""
    late = {"stdin": base64.b64encode(b"late").decode()}
    assert conversation(agent, pair, late, {"op": "sealed"}) == [{"ok": None}]


def test_the_looks_are_those_that_the_readers_are_made_for() -> None:
    """No header, numbers, all sockets, one line each: what observe.sockets reads."""
    assert network.LOOKS["sockets"][:6] == ["ss", "-H", "-n", "-a", "-O", "-e"]


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward"),
        ("net.ipv4.conf.eth0/5.rp_filter", "/proc/sys/net/ipv4/conf/eth0.5/rp_filter"),
    ],
)
def test_a_setting_has_its_file(key: str, path: str) -> None:
    """Dots separate, and a slash stands for a dot inside a name (sysctl(8))."""
    assert network._path(key) == path


@pytest.mark.parametrize("chunk", [1000, programs.KEPT_BYTES - 1, programs.KEPT_BYTES + 1])
def test_of_a_programs_output_the_end_is_kept(chunk: int) -> None:
    """However it comes in, at most KEPT_BYTES are kept, and how many were forgotten is known."""
    running = programs.Running(name="p", pid=1)
    total = 2 * programs.KEPT_BYTES + 3
    output = bytes(number % 251 for number in range(total))
    for start in range(0, total, chunk):
        running.keep(output[start : start + chunk])
    assert bytes(running.output) == output[-programs.KEPT_BYTES :]
    assert running.dropped == total - programs.KEPT_BYTES


@pytest.mark.parametrize(
    ("said", "words", "status"),
    [
        ("exit 0", "exit status 0", 0),
        ("exit 3", "exit status 3", 3),
        ("signal 9", "killed by SIGKILL", 137),
        ("signal 15", "killed by SIGTERM", 143),
        ("", "ended with its host", 137),
    ],
)
def test_how_a_program_ended(said: str, words: str, status: int) -> None:
    """In words for people, and as the status that a shell gives: 128 + N for signal N."""
    assert (programs._end(said), programs._status(said)) == (words, status)


def test_a_program_is_started_under_a_name_that_is_free(agent: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one asked for, else the first number that no running program has; one that has ended frees its own."""
    found = agent.Agent()
    monkeypatch.setattr(found, "place", lambda _: ALICE)
    monkeypatch.setattr(programs, "start", lambda _, name, *__: programs.Running(name=name, pid=1))
    request = {"host": "alice", "program": "echo", "argv": ["a"], "environment": {}, "cwd": "/"}
    assert [found.do_start(request) for _ in range(3)] == ["echo", "echo-2", "echo-3"]
    found.programs["alice", "echo-2"].end = "exit status 0"
    assert found.do_start(request) == "echo-2"
    assert found.do_start(request) == "echo-4"
