"""A reset brings back what was there at the start, and proves it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from lab import instances, live
from lab.engine import Engine
from lab.errors import NotPristineError
from lab.live import Instance
from lab.observe import Socket, Translation, listeners
from tests.live.support import PROGRAMS, command_line, until


def make_a_mess(lab: Instance, host: str) -> None:
    """Run mess.py, which goes on in the background."""
    cwd = lab.deploy(host, folder="mess", files={"mess.py": (PROGRAMS / "mess.py").read_bytes()})
    printed = lab.run(host, ["python3", "mess.py"], cwd=cwd)
    assert printed.ended.status == 0, printed.stderr.decode()


def test_a_mess_is_gone(lab: Instance, translations: Callable[[str], tuple[Translation, ...]]) -> None:
    """After processes, files, sockets, half-open connections, UDP mappings and shared memory: equal to the start."""
    lab.reset()
    before = lab.fingerprints()
    for host in ("alice", "bob"):
        make_a_mess(lab, host)
    messy = lab.fingerprints()
    assert {host for host in messy if messy[host] != before[host]} >= {"alice", "bob", "router"}
    kinds = {line.split()[0] for line in set(messy["alice"]) - set(before["alice"])}
    assert kinds >= {"process", "file", "socket", "ipc"}
    assert len(translations("router")) >= 10
    lab.reset()
    assert lab.fingerprints() == before
    assert translations("router") == ()


CLOSED = """
import socket, sys, time
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.connect(("203.0.113.80", 9))
refused = 0
for _ in range(int(sys.argv[1])):
    try:
        asking.send(b"x")
        time.sleep(0.02)
        asking.recv(1, socket.MSG_DONTWAIT)
    except ConnectionRefusedError:
        refused += 1
    except BlockingIOError:
        pass
print(refused)
"""


def test_a_closed_port_is_told_to_the_next_program_too(lab: Instance) -> None:
    """A host tells a peer only so often a second that a port is closed; whoever asked before has not used that up."""
    lab.run("stranger", ["python3", "-c", CLOSED, "40"])
    lab.reset()
    assert lab.run("stranger", ["python3", "-c", CLOSED, "1"]).stdout == b"1\n"


TOO_BIG = """
import socket, struct
def pack(address): return socket.inet_pton(socket.AF_INET6, address)
own, victim = pack("2001:db8:2::10"), pack("2001:db8:2::80")
answer = struct.pack("!IHBB", 6 << 28, 1400, 58, 64) + victim + pack("2001:db8:2::90")
said = struct.pack("!BBHI", 2, 0, 0, 1280) + answer + bytes([129, 0, 0, 0, 0, 1, 0, 1]) + bytes(600)
words = own + victim + struct.pack("!IHBB", len(said), 0, 0, 58) + said
total = sum(struct.unpack(f"!{len(words) // 2}H", words))
total = (total >> 16) + (total & 0xffff)
said = said[:2] + struct.pack("!H", ~(total + (total >> 16)) & 0xffff) + said[4:]
with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
    s.sendto(struct.pack("!IHBB", 6 << 28, len(said), 58, 64) + own + victim + said, ("2001:db8:2::80", 0))
"""


@pytest.mark.instance("labs/past-loss.yaml")
def test_what_was_said_of_a_path_is_forgotten(lab: Instance) -> None:
    """A host that was told, by whoever, that packets to another are too big believes it until a reset (RFC 8201)."""

    def learned() -> bytes:
        return lab.wiring.command("hearer", ("ip", "-6", "route", "show", "cache"), seconds=5).stdout

    assert learned() == b""
    printed = lab.run("maker", ["python3", "-c", TOO_BIG])
    assert printed.ended.status == 0, printed.stderr.decode()
    until(learned, wanted=lambda text: b"2001:db8:2::90" in text and b"mtu 1280" in text, what="a smaller packet")
    lab.reset()
    assert learned() == b""


DEEP = """
import os, sys
os.chdir("/tmp")
for level in range(4000):
    os.mkdir(sys.argv[1])
    os.chdir(sys.argv[1])
"""


def test_sockets_that_are_left_are_told_with_what_closes_them(lab: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `ss -K` closes nothing, which it does not say, the reset names the kernel's option.

    Here nothing is cleaned at all; the socket that waits (RFC 9293, TIME-WAIT) is the kernel's alone either way.
    """
    lab.run("alice", ["python3", "echo_client/echo_client.py", "203.0.113.80", "65432"])
    with monkeypatch.context() as patched:
        patched.setattr(lab.wiring, "clean", lambda *_: None)
        with pytest.raises(NotPristineError, match="observed socket tcp TIME-WAIT") as caught:
            lab.reset(["alice"])
    assert "INET_DIAG_DESTROY" in caught.value.hint
    lab.reset()


@pytest.mark.parametrize("length", [1, 255])
def test_no_folder_is_too_deep(lab: Instance, length: int) -> None:
    """Folders in folders up to the limit of files, on two hosts: deeper than a stack or a table of descriptors."""
    before = lab.fingerprints()
    for host in ("alice", "bob"):
        printed = lab.run(host, ["python3", "-c", DEEP, "d" * length])
        assert printed.ended.status == 0, printed.stderr.decode()
    assert lab.fingerprints() != before
    lab.reset()
    assert lab.fingerprints() == before


MARK = """
import array, contextlib, fcntl, os
home = os.environ["HOME"]
with contextlib.suppress(OSError):  # kernels before 6.6 have neither on a tmpfs
    os.setxattr(home, "user.mark", b"left")
    # FS_IOC_SETFLAGS, FS_NODUMP_FL (ioctl_iflags(2))
    fcntl.ioctl(os.open(home, os.O_RDONLY), 0x40086602, array.array("l", [0x40]))
os.utime(home, (1, 1))
"""
LOOK = """
import array, contextlib, fcntl, os
home = os.environ["HOME"]
flags = array.array("l", [0])
with contextlib.suppress(OSError):
    fcntl.ioctl(os.open(home, os.O_RDONLY), 0x80086601, flags)
print(os.listxattr(home), flags[0], os.stat(home).st_mtime > 1)
"""


def test_a_folder_keeps_no_mark(lab: Instance) -> None:
    """What only the owner of a folder can write on it, its times, flags and attributes, tells the next one nothing."""
    pristine = b"[] 0 True\n"
    assert lab.run("stranger", ["python3", "-c", LOOK]).stdout == pristine
    printed = lab.run("stranger", ["python3", "-c", MARK])
    assert printed.ended.status == 0, printed.stderr.decode()
    assert b"False" in lab.run("stranger", ["python3", "-c", LOOK]).stdout
    lab.reset()
    assert lab.run("stranger", ["python3", "-c", LOOK]).stdout == pristine


CALLERS = """
import os, socket, time
os.fork()
calls = [socket.socket(socket.AF_UNIX) for _ in range(600)]
deadline = time.monotonic() + 3
while time.monotonic() < deadline:
    for call in calls:
        call.setblocking(False)
        call.connect_ex("/run/agent.sock")  # fails while as many wait as may
    time.sleep(0.01)
"""


def test_the_helper_survives_more_callers_than_it_can_serve(lab: Instance) -> None:
    """Those beyond its limit of open files wait; once the others are gone, all is as before."""
    callers = lab.engine.stream(lab.helper, ("python3", "-c", CALLERS))
    while callers.receive():
        pass
    callers.close()
    with Engine.connect(seconds=5) as engine, live.attach(engine, instances.find(engine, lab.name)) as instance:
        assert instance.run("alice", ["true"]).ended.status == 0


def test_declared_programs_run_again_and_answer(lab: Instance) -> None:
    """A server that was killed, and whose file was changed, is there again as declared."""
    lab.run("server", ["sh", "-c", "echo 'raise SystemExit' > ~/echo/echo_server.py; pkill python3"])
    until(
        lambda: listeners(lab.look(["sockets"], ["server"])["server"].sockets),
        wanted=lambda seen: seen == frozenset(),
        what="no listener, once the server that was killed has ended",
    )
    lab.reset()
    answer = lab.run("alice", ["python3", "echo_client/echo_client.py", "203.0.113.80", "65432"])
    assert b"Received b'Hello, server'" in answer.stdout


def test_one_host_is_reset_and_the_others_are_left_alone(
    lab: Instance, sockets: Callable[[str], tuple[Socket, ...]]
) -> None:
    """`lab reset alice` ends alice's programs only."""
    for host in ("alice", "bob"):
        make_a_mess(lab, host)
    lab.reset(["alice"])
    assert listeners(sockets("alice")) == frozenset()
    assert len(listeners(sockets("bob"))) == 20


def test_a_fork_bomb_is_ended(lab: Instance) -> None:
    """A program that multiplies as fast as it can is stopped by its host's limit, and by a reset."""
    before = lab.fingerprints()
    bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    lab.wiring.start(lab.host("alice"), program="bomb", argv=("python3", "-c", bomb), cwd="/tmp")
    time.sleep(0.3)  # long enough to reach the limit; the reset below must work either way
    lab.reset()
    assert lab.fingerprints() == before


def test_what_cannot_be_undone_is_said(lab: Instance, host: Callable[[str], Any]) -> None:
    """If a host is not what it was, though no program can have done that, the reset fails and says what differs."""
    trusted = host("alice")
    assert trusted.run("ip address add 192.168.1.200/24 dev eth0").rc == 0
    try:
        with pytest.raises(NotPristineError, match=r"alice: addresses of eth0.*192\.168\.1\.200"):
            lab.reset()
        failed = command_line("reset", "--name", lab.name)
        assert failed.returncode == NotPristineError.exit_code
        assert b"Traceback" not in failed.stderr
    finally:
        assert trusted.run("ip address del 192.168.1.200/24 dev eth0").rc == 0
    lab.reset()


@pytest.mark.parametrize(
    ("name", "added", "removed", "told"),
    [
        ("alice", "ip route add 198.51.100.0/24 dev eth0", "ip route del 198.51.100.0/24", r"198\.51\.100\.0/24"),
        ("bob", "ip rule add from 198.51.100.7", "ip rule del from 198.51.100.7", r"198\.51\.100\.7"),
        ("router", "nft add table inet more", "nft delete table inet more", "table inet more"),
    ],
)
def test_what_is_new_since_the_last_reset_is_seen(
    lab: Instance, host: Callable[[str], Any], name: str, added: str, removed: str, told: str
) -> None:
    """Though all was as at the start just before; and once it is gone the next reset is proven."""
    lab.reset()
    trusted = host(name)
    assert trusted.run(added).rc == 0
    try:
        with pytest.raises(NotPristineError, match=f"{name}: .*{told}"):
            lab.reset()
    finally:
        assert trusted.run(removed).rc == 0
    lab.reset()


def test_a_reset_of_an_unknown_host_names_those_there_are(lab: Instance) -> None:
    """A misspelt host is a usage error with the nearest name, and nothing is reset."""
    make_a_mess(lab, "alice")
    failed = command_line("reset", "alcie", "--name", lab.name)
    assert failed.returncode == 2
    assert b"did you mean alice?" in failed.stderr
    assert len(listeners(lab.look(["sockets"], ["alice"])["alice"].sockets)) == 20


def test_resets_at_once_take_turns(lab: Instance) -> None:
    """Four resets of one instance at the same time all succeed, and afterwards the declared program runs."""
    resets = [
        subprocess.Popen([sys.executable, "-m", "lab", "reset", "--name", lab.name], stdout=subprocess.DEVNULL)
        for _ in range(4)
    ]
    assert [one.wait(60) for one in resets] == [0, 0, 0, 0]
    answer = lab.run("alice", ["python3", "echo_client/echo_client.py", "203.0.113.80", "65432"])
    assert b"Received b'Hello, server'" in answer.stdout


def test_a_turn_ends_with_its_client(lab: Instance) -> None:
    """A reset that is killed in its turn keeps nobody out."""
    with Engine.connect() as engine:
        other = live.attach(engine, instances.find(engine, lab.name))
        with other.wiring.turn():
            other.close()
    lab.reset()


@pytest.mark.instance("labs/dependent.yaml")
def test_a_reset_whose_program_does_not_come_back_says_so(lab: Instance) -> None:
    """A program that needs another host alone does not come back, and the reset fails as one; together it does."""
    lab.wiring.clean(lab.lab, ["first"])
    failed = command_line("reset", "second", "--name", lab.name)
    assert failed.returncode == NotPristineError.exit_code
    assert b"second: program needy: expected listening on tcp/8000" in failed.stderr
    assert b"ConnectionRefusedError" in failed.stderr
    assert command_line("reset", "--name", lab.name).returncode == 0
