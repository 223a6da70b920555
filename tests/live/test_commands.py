"""The command line as people and scripts use it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

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
        "direction": "out",
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


def test_a_background_program_that_ends_at_once_is_told(call: Call) -> None:
    """A server that may not have its port is not said to run: its output and its end are shown, and it is a failure."""
    done = call("run", "--background", "alice", "compose/programs/echo_server.py", "0.0.0.0", "80")
    assert done.returncode == 1
    assert b"PermissionError" in done.stdout
    assert b"echo_server: exit status 1" in done.stderr


def test_a_background_program_that_is_soon_done_is_no_failure(call: Call, tmp_path: Path) -> None:
    """What it printed is shown, and it ends well."""
    (tmp_path / "soon.py").write_text("print('done')")
    done = call("run", "--background", "alice", str(tmp_path / "soon.py"))
    assert (done.returncode, done.stdout) == (0, b"done\n")


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-", "2>&-", "<&-"])
@pytest.mark.parametrize("command", ["status", "exec alice true"])
def test_an_odd_redirection_is_no_traceback(lab: Instance, command: str, redirection: str) -> None:
    """A full disk behind standard output, or a stream that is closed, as services have it."""
    environment = os.environ | {"SOCKETLAB_NAME": lab.name}
    script = f"{sys.executable} -m lab {command} {redirection}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, env=environment, check=False)
    assert b"Traceback" not in done.stderr
    assert done.returncode == (1 if (command, redirection) == ("status", ">/dev/full") else 0)


def test_programs_of_one_file_are_told_apart_and_stopped(call: Call) -> None:
    """Two servers of one file have two names; `lab stop` ends one of them."""
    server = "compose/programs/echo_server.py"
    for port in ("8000", "8001"):
        assert call("run", "--background", "alice", server, "0.0.0.0", port).returncode == 0
    assert call("stop", "alice", "echo_server").returncode == 0
    until(
        lambda: {row["local_port"] for row in data(call("sockets", "alice", "--json"))},
        wanted=lambda ports: ports == {8001},
        what="the other one only",
    )
    (status,) = data(call("status", "--json"))
    alice = next(host for host in status["hosts"] if host["host"] == "alice")
    assert [(one["program"], one["ended"]) for one in alice["programs"]] == [
        ("echo_server", "stopped"),
        ("echo_server-2", ""),
    ]


def test_the_rules_of_a_gateway_are_shown(call: Call) -> None:
    """`lab nat --rules` prints what nft lists, which `lab plan --commands` announced."""
    shown = call("nat", "--rules").stdout.decode()
    assert "snat to 203.0.113.1:40000-40999" in shown
    planned = command_line("plan", "nat", "--commands").stdout.decode()
    assert all(line.strip() in planned for line in shown.splitlines())


def test_the_instance_can_be_named_by_the_environment(lab: Instance) -> None:
    """SOCKETLAB_NAME stands for --name."""
    environment = os.environ | {"SOCKETLAB_NAME": lab.name}
    assert command_line("exec", "alice", "hostname", environment=environment).stdout == b"alice\n"


def test_an_encoding_without_a_sign_is_no_traceback(tmp_path: Path) -> None:
    """A title that the terminal cannot show is shown as far as it can."""
    file = tmp_path / "lab.yaml"
    file.write_text(Path("compose/nat.yaml").read_text().replace("Two private", "Zwei → private"))
    (tmp_path / "programs").symlink_to(Path("compose/programs").resolve())
    shown = command_line("plan", str(file), environment=os.environ | {"PYTHONIOENCODING": "latin-1"})
    assert shown.returncode == 2  # a link that leads out of the folder
    (tmp_path / "programs").unlink()
    shutil.copytree("compose/programs", tmp_path / "programs")
    shown = command_line("plan", str(file), environment=os.environ | {"PYTHONIOENCODING": "latin-1"})
    assert shown.returncode == 0, shown.stderr
    assert b"Zwei ? private" in shown.stdout


def test_a_context_that_is_not_there_is_said(tmp_path: Path) -> None:
    """DOCKER_CONTEXT with a wrong name does not silently lead to another engine."""
    environment = {key: value for key, value in os.environ.items() if key != "DOCKER_HOST"}
    environment |= {"DOCKER_CONTEXT": "nonesuch", "DOCKER_CONFIG": str(tmp_path)}
    failed = command_line("status", environment=environment)
    assert failed.returncode == 3
    assert b"expected a docker context named nonesuch, found none" in failed.stderr


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
    named = (line.replace("lab exec", f"lab exec --name {second}") for line in lab.lab.suggestions[:1])
    assert f"try:\n  {next(named)}\n" in up.stdout.decode()
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


def test_logs_drive_no_terminal(lab: Instance) -> None:
    """On a terminal, what a program printed long ago comes without its control codes; a tab and a line end stay."""
    lab.start("alice", ["printf", "a\\tb \\033[31mred\\007\\nlast"], name="evil")
    until(lambda: lab.output("alice", "evil").end, wanted=bool, what="its end")
    child, terminal = pty.fork()
    if child == 0:
        on_terminal("logs", "--name", lab.name, "alice", "evil")
    seen = read_until(terminal, b"exit status 0")
    assert exit_status(child) == 0
    os.close(terminal)
    assert b"\x1b[31m" not in seen
    assert b"\x07" not in seen
    assert b"a       b" in seen
    assert b"last" in seen


@pytest.fixture
def shell(lab: Instance) -> Iterator[tuple[int, int]]:
    """`lab shell alice` in a terminal of 30 lines and 90 columns, at its prompt: its process, and the terminal."""
    child, terminal = pty.fork()
    if child == 0:
        on_terminal("shell", "--name", lab.name, "alice")
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 30, 90, 0, 0))
    read_until(terminal, b"$")
    yield child, terminal
    with contextlib.suppress(OSError):
        os.close(terminal)


def test_shell_is_a_terminal_in_the_host(shell: tuple[int, int]) -> None:
    """`lab shell alice` is a shell of student's with a terminal, and ends with the shell's exit status."""
    child, terminal = shell
    os.write(terminal, b"tty && id -un && hostname && stty size && echo sum $((40 + 2))\n")
    seen = read_until(terminal, b"sum 42")
    assert b"/dev/pts/" in seen
    assert b"student" in seen
    assert b"alice" in seen
    assert b"30 90" in seen
    assert b"no job control" not in seen
    os.write(terminal, b"exit 5\n")
    assert exit_status(child) == 5


def test_shell_follows_the_size_of_its_terminal(shell: tuple[int, int]) -> None:
    """When the window changes, so does the host's terminal."""
    _, terminal = shell
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 40, 120, 0, 0))
    os.write(terminal, b"until stty size | grep 120; do sleep 0.05; done; stty size; echo sum $((40 + 2))\n")
    assert b"40 120" in read_until(terminal, b"sum 42")


def test_ctrl_c_in_a_shell_ends_the_program_and_not_the_shell(shell: tuple[int, int]) -> None:
    """The key goes to what runs in the foreground of the host's terminal."""
    _, terminal = shell
    os.write(terminal, b"echo begun $((20 + 1)); sleep 60\n")
    read_until(terminal, b"begun 21")
    time.sleep(0.1)  # the shell starts sleep; too early, the key would only clear the line
    os.write(terminal, b"\x03")
    os.write(terminal, b"echo status $?\n")
    assert b"status 130" in read_until(terminal, b"status 130")


def test_a_shell_whose_window_is_closed_leaves_nothing(shell: tuple[int, int], lab: Instance) -> None:
    """When the terminal goes away, the shell and what ran in it are ended."""
    child, terminal = shell
    os.write(terminal, b"echo begun $((20 + 1)); sleep 600\n")
    read_until(terminal, b"begun 21")
    os.close(terminal)
    exit_status(child)
    until(
        lambda: lab.wiring.look(["processes"], hosts=["alice"])["alice"]["processes"],
        wanted=lambda processes: processes == [],
        what="no process in alice",
    )


def test_stop_ends_what_a_shell_has_put_into_groups_of_its_own(lab: Instance) -> None:
    """With job control each command has a process group of its own; its session is the shell's."""
    lab.start("alice", ["bash", "-c", "set -m; sleep 600 & sleep 600 & echo ready; wait"], name="jobs")
    until(lambda: lab.output("alice", "jobs").text, wanted=lambda text: b"ready" in text, what="both jobs")
    lab.stop("alice", "jobs")
    until(
        lambda: lab.wiring.look(["processes"], hosts=["alice"])["alice"]["processes"],
        wanted=lambda processes: processes == [],
        what="no process in alice",
    )


def test_a_script_is_fed_to_a_shell(call: Call) -> None:
    """Without a terminal here, the shell reads commands and ends with them."""
    done = call("shell", "alice", stdin=b"echo sum $((40 + 2)); exit 3\n")
    assert done.stdout == b"sum 42\n"
    assert done.returncode == 3
    assert call("shell", "alice", stdin=b"true\n").returncode == 0


def on_terminal(*arguments: str) -> NoReturn:
    """Become `lab ARGUMENTS`, in a child that has just been made."""
    os.execv(sys.executable, [sys.executable, "-m", "lab", *arguments])


def exit_status(child: int) -> int:
    """The exit status of a child, which has to end soon."""
    deadline = time.monotonic() + 15
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            threads = [path.joinpath("wchan").read_text() for path in Path(f"/proc/{child}/task").iterdir()]
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            pytest.fail(f"expected the command to end, observed: it waits in {threads}")
        time.sleep(0.01)


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
