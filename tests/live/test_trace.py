"""System calls seen from outside: all of them, from the first on, and none that a program made up."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest

from lab.errors import LabError
from lab.live import Instance, Traced
from lab.observe.syscalls import sockets
from tests.live.support import until

Trace = Callable[..., Traced]
CHILDREN = """
import os
for n in range(10):
    if os.fork() == 0:
        os.write(1, b"%d\\n" % os.getpid()); os._exit(0)
for n in range(10): os.wait()
"""


def python(trace: Trace, code: str, **more: Any) -> Traced:
    """Trace a Python program in alice."""
    return trace("alice", ["python3", "-S", "-c", code], **more)


def test_a_client_is_followed_from_its_first_call_on(lab: Instance, trace: Trace) -> None:
    """execve first; then its connection, made, bound, connected and written to. Packets have the same clock."""
    with lab.capture(["alice"]) as capture:
        done = trace("alice", ["python3", "echo_client/echo_client.py", "203.0.113.80", "65432", "5555"])
    assert done.ended.status == 0
    assert b"Hello, server" in done.stdout
    assert (done.calls[0].name, done.calls[0].path, done.calls[0].result) == ("execve", "/usr/bin/python3", 0)
    assert done.calls[-1].name == "exit_group"
    (socket,) = sockets(done.calls)
    (connect,) = socket.named("connect")
    assert (connect.endpoint, connect.error) == ((ip_address("203.0.113.80"), 65432), "")
    assert socket.named("bind")[0].endpoint == (ip_address("0.0.0.0"), 5555)
    assert socket.named("sendto")[0].data == b"Hello, server"
    syn = next(one for one in capture.packets if one.flags == {"SYN"})
    assert connect.time < syn.time < socket.named("sendto")[0].time


def test_ten_children_are_traced_with_the_numbers_that_they_know(trace: Trace) -> None:
    """Every child's write is there, by the number that the child itself says."""
    done = python(trace, CHILDREN)
    told = {int(line) for line in done.stdout.split()}
    writes = {call.pid: call.data for call in done.calls if call.name == "write" and call.result}
    assert len(told) == 10
    assert writes == {pid: b"%d\n" % pid for pid in told}


THREAD = """
import os, threading
threading.Thread(target=os.execv, args=("/bin/echo", ["echo", "done"])).start()
threading.Event().wait()
"""
KILLED = """
import os, time
for n in range(40):
    child = os.fork()
    while child == 0: os.write(1, b"")
    time.sleep(0.0005 * (n % 5)); os.kill(child, 9); os.waitpid(child, 0)
"""


def test_a_thread_that_executes_is_followed(trace: Trace) -> None:
    """It goes on as its process (execve(2)); both programs' calls are there."""
    done = python(trace, THREAD)
    assert done.stdout == b"done\n"
    assert [(call.path, call.result) for call in done.calls if call.name == "execve"][-1] == ("/bin/echo", 0)
    assert [call.data for call in done.calls if call.name == "write"] == [b"done\n"]


def test_children_that_are_killed_in_a_call_cost_no_trace(trace: Trace) -> None:
    """Whatever they were in, every kill is there; what strace could not see is an unknown call without a line."""
    done = python(trace, KILLED)
    assert done.ended.status == 0
    assert len([call for call in done.calls if call.name == "kill" and call.result == 0]) == 40
    assert {call.arguments for call in done.calls if call.name == "?"} <= {()}


def test_input_output_and_status_are_as_without_a_trace(lab: Instance, trace: Trace) -> None:
    """A traced program does what it would do."""
    argv = ["sh", "-c", "cat; echo error >&2; exit 3"]
    traced, plain = trace("alice", argv, stdin=b"input"), lab.run("alice", argv, stdin=b"input")
    assert (traced.ended, traced.stdout, traced.stderr) == (plain.ended, plain.stdout, plain.stderr)
    assert (traced.ended.status, traced.stdout, traced.stderr) == (3, b"input", b"error\n")
    assert trace("alice", ["no-such-program"]).ended.status == 127


def test_a_program_is_what_it_is_without_a_trace(trace: Trace) -> None:
    """It is student without any capability, and sees nothing of whoever traces it."""
    done = trace("alice", ["sh", "-c", "id -u; grep -E '^(TracerPid|CapEff)' /proc/self/status; ls -d /proc/[0-9]*"])
    user, tracer, capabilities, *processes = done.stdout.decode().splitlines()
    assert (user, capabilities, tracer) == ("1000", "CapEff:\t0000000000000000", "TracerPid:\t0")
    assert {int(one.removeprefix("/proc/")) for one in processes} <= {call.pid for call in done.calls}


def test_words_that_look_like_a_trace_are_data(trace: Trace) -> None:
    """What a program prints or names its files like is in strings, and no call."""
    line = '7 1.000000 connect(3, {sa_family=AF_INET, sin_port=htons(7), sin_addr=inet_addr("192.0.2.1")}, 16) = 0'
    done = python(trace, f"import os; os.write(1, {line!r}.encode() + b'\\n'); os.write(2, b'9 is 1\\n')")
    assert [call for call in done.calls if call.name == "connect"] == []
    (write,) = [call for call in done.calls if call.name == "write" and call.arguments[0] == "1"]
    assert write.data == line.encode() + b"\n"


ROUNDABOUT = """
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
class Part(ctypes.Structure): _fields_ = [("base", ctypes.c_char_p), ("length", ctypes.c_size_t)]
def parts(data): return ctypes.byref(Part(data, len(data)))
a, b = socket.socketpair()
libc.pwritev2(a.fileno(), parts(b"roundabout"), 1, ctypes.c_long(-1), 0)
libc.preadv2(b.fileno(), parts(bytes(10)), 1, ctypes.c_long(-1), 0)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("203.0.113.80", 9))
r, w = os.pipe()
os.write(w, b"spliced")
libc.splice(r, None, s.fileno(), None, 7, 0)
libc.vmsplice(w, parts(b"mapped"), 1, 0)
r2, w2 = os.pipe()
libc.tee(r, w2, 6, 0)
libc.syscall(437, -100, b"/etc/hosts", bytes(24), 24)  # openat2
with open("file", "w+b") as f: os.pwrite(f.fileno(), b"placed", 0)
libc.close_range(s.fileno(), s.fileno(), 0)
"""


def test_no_roundabout_way_is_missed(trace: Trace) -> None:
    """What is written without write and sent without send is there too, with its bytes where the call has them."""
    done = python(trace, ROUNDABOUT)
    assert done.ended.status == 0, done.stderr
    by_name = {call.name: call for call in done.calls}
    assert (by_name["pwritev2"].data, by_name["preadv2"].data) == (b"roundabout", b"roundabout")
    assert (by_name["vmsplice"].data, by_name["pwrite64"].data) == (b"mapped", b"placed")
    assert by_name["tee"].result == 6
    assert by_name["openat2"].path == "/etc/hosts"
    (socket,) = sockets(done.calls)
    assert [call.name for call in socket.calls] == ["socket", "connect", "splice"]


def test_a_child_that_wants_no_trace_is_not_born(trace: Trace) -> None:
    """clone(2) with CLONE_UNTRACED fails and shows; the same child without it is born and traced."""
    number = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
    code = (
        "import ctypes, os\nlibc = ctypes.CDLL(None)\n"
        f"for flags in (0x800011, 0x11):\n if libc.syscall({number}, flags, 0, 0, 0, 0) == 0:\n"
        "  os.write(1, b'a child'); os._exit(0)\nos.wait()"
    )
    done = python(trace, code)
    assert done.stdout == b"a child"
    assert [call.error for call in done.calls if call.name == "clone"] == ["EPERM", ""]
    assert [call.data for call in done.calls if call.name == "write"] == [b"a child"]


def test_another_program_cannot_let_it_go_on_untraced(lab: Instance, trace: Trace) -> None:
    """One that continues everything it may, all the time, is of no use: whoever is held is not its equal yet."""
    lab.start("alice", ["sh", "-c", "while :; do kill -CONT -1; done"], name="accomplice")
    for _ in range(5):
        done = trace("alice", ["python3", "-S", "-c", "import os; os.getcwd()"], seconds=20)
        assert done.calls[0].name == "execve"
        assert done.calls[0].path == "/usr/bin/python3"


WORDY = r"""
import os
to = os.open("/dev/null", os.O_WRONLY)
while True: os.write(to, b"\xff" * 200)
"""
"""Each of its calls is almost a kilobyte of text."""


@pytest.mark.parametrize(
    ("argv", "limits", "reason"),
    [
        (["sleep", "60"], {"seconds": 0.5}, "timeout"),
        (["seq", "1000000"], {"limit": 1000}, "output"),
        (["python3", "-S", "-c", WORDY], {"seconds": 100}, "calls"),
    ],
)
def test_a_trace_is_bounded(lab: Instance, trace: Trace, argv: list[str], limits: dict[str, Any], reason: str) -> None:
    """In time, output and calls; it says which, has what came before, and leaves nothing running."""
    begun = time.monotonic()
    done = trace("alice", argv, **limits)
    assert done.ended.reason == reason
    assert done.calls[0].name == "execve"
    assert time.monotonic() - begun < 60
    until(
        lambda: lab.wiring.look(["processes"], hosts=["alice"])["alice"]["processes"],
        wanted=lambda processes: processes == [],
        what="no process in alice",
    )


def test_a_child_that_stays_is_let_go(lab: Instance, trace: Trace) -> None:
    """The trace ends with the program; what it left runs on, and a reset ends it."""
    done = trace("alice", ["sh", "-c", "sleep 60 >/dev/null 2>&1 & echo left"])
    assert (done.ended.status, done.stdout) == (0, b"left\n")
    processes = lab.wiring.look(["processes"], hosts=["alice"])["alice"]["processes"]
    assert [(one["command"], one["state"]) for one in processes] == [(["sleep", "60"], "S")]
    lab.reset()


def test_nothing_is_traced_where_nothing_is_asked(lab: Instance) -> None:
    """A command that cannot be started is an error, as without a trace."""
    with pytest.raises(LabError, match="no command"):
        lab.trace("alice", [])
