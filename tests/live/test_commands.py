"""The command line as people and scripts use it."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import instances, live
from lab.engine import Engine
from lab.errors import LabError
from lab.live import Instance
from tests.live.support import PROGRAMS, command_line, until

CLIENT = "compose/programs/echo_client.py"


@pytest.fixture
def call(lab: Instance) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Call a command for this test's instance: call("exec", "alice", "id")."""

    def run(command: str, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return command_line(command, "--name", lab.name, *arguments, stdin=stdin)

    return run


Call = Callable[..., subprocess.CompletedProcess[bytes]]


def data(done: subprocess.CompletedProcess[bytes]) -> Any:
    """The JSON that a command printed."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_run_deploys_a_program_and_runs_it(call: Call) -> None:
    """`lab run alice FILE ARGS` prints what the program prints and ends with its exit status."""
    done = call("run", "alice", CLIENT, "203.0.113.80", "65432", "5555")
    assert done.returncode == 0
    assert done.stdout.decode().splitlines() == [
        "Connected from ('192.168.1.100', 5555) to ('203.0.113.80', 65432)",
        "Received b'Hello, server'",
    ]
    refused = call("run", "alice", CLIENT, "203.0.113.80", "1")
    assert refused.returncode == 1
    assert b"ConnectionRefusedError" in refused.stderr


def test_nat_shows_a_translation(call: Call) -> None:
    """`lab nat` has inside and outside address and port, peer, state and time left of the connection just made."""
    call("run", "alice", CLIENT, "203.0.113.80", "65432", "5555")
    (entry,) = data(call("nat", "--json"))
    assert 40000 <= entry.pop("outside_port") <= 40999
    assert 0 < entry.pop("seconds_left") <= 120
    assert entry == {
        "gateway": "router",
        "protocol": "tcp",
        "inside_address": "192.168.1.100",
        "inside_port": 5555,
        "outside_address": "203.0.113.1",
        "peer_address": "203.0.113.80",
        "peer_port": 65432,
        "state": "TIME_WAIT",
        "source_translated": True,
        "destination_translated": False,
    }
    table = call("nat", "router").stdout.decode()
    assert "192.168.1.100:5555" in table
    assert "203.0.113.80:65432" in table


def test_status_shows_hosts_and_programs(call: Call, lab: Instance) -> None:
    """`lab status` has every host with its addresses, and the server's program running."""
    (status,) = data(call("status", "--json"))
    assert (status["instance"], status["lab"], status["state"]) == (lab.name, "nat", "up")
    hosts = {host["host"]: host for host in status["hosts"]}
    assert set(hosts) == {"alice", "bob", "router", "server", "stranger"}
    assert hosts["router"]["addresses"] == ["192.168.1.1/24", "203.0.113.1/24"]
    assert [(one["program"], one["ended"]) for one in hosts["server"]["programs"]] == [("echo", "")]


def test_sockets_shows_who_listens(call: Call) -> None:
    """`lab sockets server` has the listener, its user and its program; a quiet host has none."""
    (listener,) = data(call("sockets", "server", "--json"))
    assert (listener["state"], listener["local_address"], listener["local_port"]) == ("LISTEN", "203.0.113.80", 65432)
    assert (listener["uid"], [one["name"] for one in listener["processes"]]) == (1000, ["python3"])
    assert data(call("sockets", "alice", "--json")) == []


def test_exec_passes_input_output_and_status(call: Call) -> None:
    """`lab exec` runs as student, passes standard input and both outputs through, and ends as the command does."""
    assert call("exec", "alice", "--", "id", "-un").stdout == b"student\n"
    assert call("exec", "alice", "cat", stdin=b"x" * 300_000).stdout == b"x" * 300_000
    both = call("exec", "alice", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (both.stdout, both.stderr, both.returncode) == (b"out\n", b"err\n", 7)
    assert call("exec", "alice", "sh", "-c", "kill -9 $$").returncode == 137
    assert call("exec", "alice", "nothing-of-that-name").returncode == 127


@pytest.mark.parametrize(
    "words",
    [["x" * 1000] * 140, ["x" * 1000] * 300, ["x"] * 4090, ["x"] * 5000],
    ids=["140 kB", "300 kB", "4090 words", "5000 words"],
)
def test_a_command_is_started_whole_or_not_at_all(lab: Instance, words: list[str]) -> None:
    """Neither words nor environment are cut off, and what is wrong is said."""
    with pytest.raises(LabError, match="the command and its environment are too long"):
        lab.run("alice", ["true", *words])


def test_a_program_may_be_silent_for_long(lab: Instance) -> None:
    """How long the engine may take to answer says nothing about a program: it ends by itself, and its output comes."""
    with Engine.connect(seconds=1) as hasty, live.attach(hasty, instances.find(hasty, lab.name)) as instance:
        printed = instance.run("alice", ["sh", "-c", "sleep 2; echo done"])
    assert (printed.ended.status, printed.stdout) == (0, b"done\n")


def test_a_background_program_is_seen_in_logs_and_status(call: Call) -> None:
    """`lab run --background` leaves a program running; `lab logs` prints what it said and how it ended."""
    file = str(PROGRAMS / "hold.py")
    assert call("run", "--background", "alice", file, "203.0.113.80", "65432", "0", "hi").returncode == 0
    until(lambda: call("logs", "alice", "hold").stdout, wanted=lambda text: b"hi" in text, what="its line")
    (status,) = data(call("status", "--json"))
    alice = next(host for host in status["hosts"] if host["host"] == "alice")
    assert [(one["program"], one["ended"]) for one in alice["programs"]] == [("hold", "")]
    call("exec", "alice", "pkill", "-f", "hold.py")
    until(lambda: call("logs", "alice").stderr, wanted=lambda text: b"killed by SIGTERM" in text, what="its end")


def test_json_keys_are_those_documented(call: Call) -> None:
    """Every key that `--json` prints stands in docs/json.md."""
    call("run", "alice", CLIENT, "203.0.113.80", "65432")
    documented = Path("docs/json.md").read_text(encoding="utf-8")
    printed = [
        data(call("status", "--json")),
        data(call("sockets", "--json")),
        data(call("nat", "--json")),
        data(command_line("list", "--json")),
        data(command_line("plan", "nat", "--json")),
    ]
    missing = {key for value in printed for key in keys(value) if f"`{key}`" not in documented}
    assert missing == set()


def keys(value: object) -> Iterator[str]:
    """Every key in a JSON value, but sysctl names, which are values of ours."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not key.startswith("net."):
                yield key
            yield from keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("exec", "alcie", "id"), 2, "did you mean alice?"),
        (("sockets", "nobody"), 2, "hosts: alice, bob, router, server, stranger"),
        (("nat", "alice"), 2, "gateways: router"),
        (("logs", "alice", "nothing"), 2, "expected a program started on alice"),
        (("run", "alice", "/no/such/file.py"), 2, "no such file"),
        (("run", "alice", "Makefile"), 2, "ends in .py or .sh"),
    ],
)
def test_a_mistake_is_explained(call: Call, arguments: tuple[str, ...], code: int, said: str) -> None:
    """A user's mistake ends with exit code 2 and what to do instead, without a traceback."""
    failed = call(*arguments)
    assert failed.returncode == code
    assert said.lower() in failed.stderr.decode().lower()
    assert b"Traceback" not in failed.stderr


def test_an_unknown_instance_is_explained(lab: Instance) -> None:
    """A name that no instance has ends with exit code 4 and the nearest name."""
    failed = command_line("status", "--name", lab.name + "x")
    assert failed.returncode == 4
    assert f"did you mean {lab.name}?" in failed.stderr.decode()


def test_the_only_instance_is_found_and_of_several_one_must_be_named(engine: Engine, lab: Instance, call: Call) -> None:
    """Without --name a command takes the only instance; if more run, it says which there are."""
    names = [one.name for one in instances.running(engine)]
    done = command_line("exec", "alice", "true")
    if len(names) == 1:
        assert done.returncode == 0
    assert call("exec", "alice", "true").returncode == 0
    second = f"{lab.name}-b"
    up = command_line("up", "nat", "--name", second)
    assert up.returncode == 0
    assert up.stdout.decode().endswith("try:\n" + "".join(f"  {line}\n" for line in lab.lab.suggestions))
    try:
        ambiguous = command_line("exec", "alice", "true")
        assert ambiguous.returncode == 4
        assert second in ambiguous.stderr.decode()
        assert "--name" in ambiguous.stderr.decode()
    finally:
        assert command_line("down", "--name", second).returncode == 0


def test_a_reader_that_goes_away_is_no_error(lab: Instance) -> None:
    """`lab exec ... | head -1` ends without a traceback, and the program in the host ends too."""
    script = f"{sys.executable} -m lab exec --name {lab.name} alice yes | head -1"
    done = subprocess.run(["sh", "-c", script], capture_output=True, timeout=30, check=False)
    assert done.stdout == b"y\n"
    assert b"Traceback" not in done.stderr
    until(
        lambda: lab.wiring.look(["processes"], hosts=["alice"])["alice"]["processes"],
        wanted=lambda processes: processes == [],
        what="no process in alice",
    )


def test_shell_is_a_terminal_in_the_host(lab: Instance) -> None:
    """`lab shell alice` is a shell of student's with a terminal, and ends with the shell's exit status."""
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-m", "lab", "shell", "--name", lab.name, "alice"])
    try:
        read_until(terminal, b"$")
        os.write(terminal, b"tty && id -un && hostname && echo sum $((40 + 2))\n")
        seen = read_until(terminal, b"sum 42")
        assert b"/dev/pts/" in seen
        assert b"student" in seen
        assert b"alice" in seen
        os.write(terminal, b"exit 5\n")
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
    finally:
        os.close(terminal)


def read_until(terminal: int, wanted: bytes) -> bytes:
    """What a terminal shows, until it has shown `wanted`."""
    seen = b""
    deadline = time.monotonic() + 15
    while wanted not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            pytest.fail(f"expected {wanted!r} on the terminal, observed {seen!r}")
        seen += os.read(terminal, 4096)
    return seen
