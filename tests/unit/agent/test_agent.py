"""The parts of the agent that need no host: commands, lines, names of settings, and how programs ended."""

from __future__ import annotations

import base64
import importlib.util
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import network
import programs
import pytest
from namespaces import Place

MAIN = Path(__file__).parents[3] / "images/fabric/agent/__main__.py"
ALICE = Place(name="alice", container="c", pid=42, net=-1, ipc=-1, pid_namespace=0)


@pytest.fixture(scope="module")
def agent() -> ModuleType:
    """The agent's main module, under a name that does not start it."""
    spec = importlib.util.spec_from_file_location("agent_main", MAIN)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_command_runs_in_the_hosts_namespaces_with_our_own_programs(agent: ModuleType) -> None:
    """The host's network, name, IPC and processes, but not its root: only what is its own is laid over ours."""
    argv = agent.view_command(ALICE, ["ping", "-c1", "bob"])
    assert argv[:7] == [
        "unshare",
        "--mount",
        "nsenter",
        "--net=/proc/42/ns/net",
        "--uts=/proc/42/ns/uts",
        "--ipc=/proc/42/ns/ipc",
        "--pid=/proc/42/ns/pid",
    ]
    assert not [word for word in argv if word.startswith(("--root", "--mount=", "--wd"))]
    script = argv[argv.index("-ec") + 1]
    assert script.startswith("mount --bind /proc/42/root/home/student /home/student && ")
    assert script.endswith('mount -t proc -o ro proc /proc && exec "$@"')
    assert "/proc/42/root/usr" not in script


@pytest.mark.parametrize("word", ["$(reboot)", "'; reboot #", "a b", "--root=/", ""])
def test_words_of_a_command_are_never_read_by_the_shell(agent: ModuleType, word: str) -> None:
    """They come after the script, as its arguments, and stay as they are."""
    argv = agent.view_command(ALICE, ["echo", word])
    assert argv[-2:] == ["echo", word]
    assert argv[-3] == "sh"
    assert "echo" not in argv[argv.index("-ec") + 1]


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


def test_input_after_its_program_ended_is_no_request(
    agent: ModuleType, pair: tuple[socket.socket, socket.socket]
) -> None:
    """It is passed over without an answer, else every later answer would belong to the request before."""
    late = {"stdin": base64.b64encode(b"late").decode()}
    assert conversation(agent, pair, late, {"op": "sealed"}) == [{"ok": None}]


def test_the_looks_are_those_that_the_readers_are_made_for() -> None:
    """No header, numbers, all sockets, one line each: what observe.sockets reads."""
    assert network.LOOKS["sockets"][:6] == ["ss", "-H", "-n", "-a", "-O", "-e"]
    assert set(network.LOOKS["owners"]) - set(network.LOOKS["sockets"]) == {"-p"}


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
