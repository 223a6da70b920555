"""What a student's program cannot do, and what it cannot make others believe."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from lab.live import Instance
from lab.observe import Socket, listeners
from tests.live.support import PROGRAMS, command_line, until

ATTEMPTS = {
    "an address": "ip address add 192.168.1.200/24 dev eth0",
    "another address": "ip address flush dev eth0",
    "a link": "ip link set eth0 down",
    "a new link": "ip link add x type veth",
    "a hardware address": "ip link set eth0 address 02:00:00:00:00:99",
    "a route": "ip route add 198.51.100.0/24 via 192.168.1.1",
    "the default route": "ip route del default",
    "a neighbour": "ip neighbour replace 192.168.1.1 lladdr 02:00:00:00:00:99 dev eth0",
    "a policy rule": "ip rule add from all table 99",
    "a namespace of its own": "unshare --net true",
    "a user namespace": "unshare --user --map-root-user true",
    "a mount": "mount -t tmpfs none /tmp",
    "another root": "python3 -c 'import os; os.chroot(\"/tmp\")'",
    "a setting of the kernel's": "echo 1 > /proc/sys/net/ipv4/ip_forward",
    "another user": "python3 -c 'import os; os.setuid(0)'",
    "another group": "python3 -c 'import os; os.setgroups([0])'",
    "a port below 1024": "python3 -c 'import socket; socket.socket().bind((\"\", 1023))'",
    "a raw socket": "python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 6)'",
    "a socket past the networks": "python3 -c 'import socket; socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)'",
    "a socket that ss does not list": "python3 -c 'import socket; socket.socket(socket.AF_INET, 2, 136)'",
    "a socket without socket(2)": "python3 -c 'import ctypes; exit(ctypes.CDLL(None).syscall(425, 1, bytes(120)) < 0)'",
    "a packet socket": "python3 -c 'import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3)'",
    "a trusted program": "cp /bin/true /usr/bin/ss",
    "a program beside the trusted ones": "cp /bin/true /usr/local/bin/ss",
    "the hosts file": "echo 203.0.113.80 example.com >> /etc/hosts",
    "the resolver's file": "echo nameserver 203.0.113.99 > /etc/resolv.conf",
    "the end of PID 1": "kill -9 1",
    "the memory of PID 1": "cat /proc/1/mem",
    "the environment of PID 1": "cat /proc/1/environ",
    "the root of PID 1": "ls /proc/1/root/",
    "PID 1's socket": "ls /run/socketlab",
    "a word to PID 1": "python3 -c 'import socket; socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)"
    '.connect("/run/socketlab/init.sock")\'',
    "a device file": "mknod /tmp/disk b 254 0",
    "the host's name": "hostname elsewhere || python3 -c 'import socket; socket.sethostname(\"elsewhere\")'",
    "the clock": "date -s 2001-01-01",
    "more open files": "python3 -c 'import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (4096, 4096))'",
    "memory that is nobody's": "python3 -c 'import ctypes; exit(ctypes.CDLL(None).shmget(0, 8 << 20, 0o1600) < 0)'",
    "a higher priority": "python3 -c 'import os; os.nice(-5)'",
    "a kernel log": "python3 -c 'open(\"/dev/kmsg\")'",
    "the control groups": "mkdir /sys/fs/cgroup/pids/x || mkdir /sys/fs/cgroup/x",
    "a larger file than allowed": "truncate -s 65M /tmp/large",
    "more than its share of a folder": "head -c 20000000 /dev/zero > /tmp/large",
}


def test_nothing_that_a_program_tries_changes_its_host(lab: Instance) -> None:
    """Each attempt fails, and after all of them the hosts are, to the last line, what they were."""
    before = lab.fingerprints()
    succeeded = [
        what for what, command in ATTEMPTS.items() if lab.run("alice", ["sh", "-c", command]).ended.status == 0
    ]
    lab.run("alice", ["rm", "-rf", "/tmp/large"])
    assert succeeded == []
    assert lab.fingerprints() == before


REFUSED = {
    **dict.fromkeys(("freebind4", "freebind6", "flow-label"), "EPERM"),
    **dict.fromkeys(("transparent4", "transparent6"), "EPERM"),
    **dict.fromkeys(("untraced-child", "filter-prctl", "filter-seccomp"), "EPERM"),
    **dict.fromkeys(("be-traced", "trace"), "EPERM"),
    **dict.fromkeys(("clone3", "requests"), "ENOSYS"),
    "message-queue": "EMFILE",
}
"""Attempts of programs/overreach.py -> the error of each."""
REFUSED_WITH_RAW = {**REFUSED, **dict.fromkeys(("receive-ring", "send-ring", "past-queues"), "EPERM")}


def overreach(lab: Instance, host: str, attempts: Iterable[str]) -> dict[str, str]:
    """What programs/overreach.py says of each attempt; "" if it succeeded."""
    cwd = lab.deploy(host, folder="overreach", files={"overreach.py": (PROGRAMS / "overreach.py").read_bytes()})
    done = {what: lab.run(host, ["python3", "overreach.py", what], cwd=cwd) for what in attempts}
    assert {one.ended.status for one in done.values()} <= {0, 1}
    return {what: one.stdout.decode().strip() for what, one in done.items()}


def test_the_kernel_is_not_asked_for_what_leads_past_the_lab(lab: Instance) -> None:
    """Foreign addresses, children that no trace follows, filters of its own: each is refused, and others are not."""
    assert overreach(lab, "alice", REFUSED) == REFUSED
    plain = ("plain-option4", "plain-option6", "plain-child")
    assert overreach(lab, "alice", plain) == dict.fromkeys(plain, "")


@pytest.mark.instance("labs/sniffer.yaml")
def test_nor_by_a_host_that_makes_its_own_packets(lab: Instance) -> None:
    """With NET_RAW too: no address but by a packet of its own making, no memory that is charged to nobody."""
    assert overreach(lab, "sniffer", REFUSED_WITH_RAW) == REFUSED_WITH_RAW
    plain = ("plain-packet-option", "plain-child")
    assert overreach(lab, "sniffer", plain) == dict.fromkeys(plain, "")


def test_programs_are_ended_before_the_first_process(lab: Instance) -> None:
    """When a host's memory is full, the kernel takes the program, not the process that a reset needs (proc(5))."""
    first = lab.wiring.command("alice", ("cat", "/proc/1/oom_score_adj"), seconds=5).stdout
    assert int(first) < int(lab.run("alice", ["cat", "/proc/self/oom_score_adj"]).stdout) == 1000


@pytest.mark.parametrize(
    "command",
    [
        "echo x > ~/file && cat ~/file",
        "echo x > /tmp/file",
        "python3 -c 'import socket; socket.socket().bind((\"\", 1024))'",
        "ping -c 1 -W 2 203.0.113.80",
        "kill -0 $$",
    ],
)
def test_what_programs_need_works(lab: Instance, command: str) -> None:
    """Positive control: what a program is meant to do succeeds in the same way of calling."""
    printed = lab.run("alice", ["sh", "-c", command])
    assert printed.ended.status == 0, printed


def test_the_attempts_would_be_seen(lab: Instance, host: Callable[[str], Any]) -> None:
    """Positive control: the same commands, by the trusted side, work and change the fingerprint."""
    before = lab.fingerprints(["alice"])
    trusted = host("alice")
    for do, undo in (
        ("ip address add 192.168.1.200/24 dev eth0", "ip address del 192.168.1.200/24 dev eth0"),
        ("ip route add 198.51.100.0/24 via 192.168.1.1", "ip route del 198.51.100.0/24"),
        ("ip rule add from all table 99", "ip rule del from all table 99"),
    ):
        assert trusted.run(do).rc == 0
        assert lab.fingerprints(["alice"]) != before
        assert trusted.run(undo).rc == 0
    assert lab.fingerprints(["alice"]) == before


FAKE_SS = "#!/bin/sh\necho 'LISTEN 0 5 0.0.0.0:80 0.0.0.0:* users:((\"nginx\",pid=1,fd=3))'\n"


def test_a_replaced_ss_changes_no_verdict(
    lab: Instance, host: Callable[[str], Any], sockets: Callable[[str], tuple[Socket, ...]]
) -> None:
    """A program puts its own `ss` first in its path; it fools itself, and nobody who looks from outside."""
    lab.deploy("alice", folder="bin", files={"ss": FAKE_SS.encode()})
    fooled = lab.run("alice", ["sh", "-c", "PATH=$HOME/bin:$PATH; ss -ltn"]).stdout
    assert b"nginx" in fooled
    assert listeners(sockets("alice")) == frozenset()
    trusted = host("alice")
    assert trusted.run("command -v ss").stdout.strip() == "/usr/bin/ss"
    assert trusted.run("ss -Hltn").stdout == ""
    # The file is seen; it is the search path that does not lead to it.
    assert trusted.file("/home/student/bin/ss").content_string == FAKE_SS


def test_a_programs_output_drives_no_terminal(lab: Instance) -> None:
    """A process named with escape sequences shows up without them."""
    code = "import socket, time; s = socket.socket(); s.bind(('', 2000)); s.listen(); time.sleep(60)"
    lab.deploy("alice", folder="p", files={"x\x1b[31m": b"#!/usr/bin/python3\n" + code.encode()})
    lab.wiring.start(lab.host("alice"), program="p", argv=("./x\x1b[31m",), cwd="/home/student/p")
    lab.run("alice", ["sh", "-c", "until ss -Hltn | grep -q 2000; do sleep 0.02; done"])
    shown = command_line("sockets", "alice", "--name", lab.name)
    assert shown.returncode == 0, shown.stderr
    assert b"2000" in shown.stdout
    assert b"\x1b" not in shown.stdout


def test_a_program_sees_no_process_but_its_own(lab: Instance) -> None:
    """What a trusted command is asked, expected values among it, cannot be read from its command line."""
    watch = (
        "import glob, time\n"
        "print('ready', flush=True)\n"
        "end = time.time() + 1.5\n"
        "while time.time() < end:\n"
        "    for path in glob.glob('/proc/[0-9]*/cmdline'):\n"
        "        try: text = open(path, 'rb').read()\n"
        "        except OSError: continue\n"
        "        if b'the-' + b'secret' in text: print('seen', flush=True); raise SystemExit\n"
    )
    lab.start("alice", ["python3", "-c", watch], name="watch")
    until(lambda: lab.output("alice", "watch").text, wanted=bool, what="the watcher's first word")
    trusted = lab.wiring.command("alice", ("sh", "-c", "ps ax -o args | grep -c the-secret; sleep 0.5"), seconds=5)
    assert int(trusted.stdout) >= 1, "positive control: the trusted side sees it"
    until(lambda: lab.output("alice", "watch").end, wanted=bool, what="the watcher's end")
    assert lab.output("alice", "watch").text == b"ready\n"
    assert lab.run("alice", ["ls", "/proc/1"]).ended.status != 0


@pytest.mark.instance("dual-stack")
@pytest.mark.parametrize("trap", ["mkfifo gai.conf", "echo 'precedence ::ffff:0:0/96 100' > gai.conf"])
def test_a_trusted_command_reads_nothing_of_a_programs(lab: Instance, host: Callable[[str], Any], trap: str) -> None:
    """A file for gai.conf(5), or a pipe in its place, changes what its own programs get, and nobody else's."""
    look = "timeout 2 getent ahosts server.example"
    before = lab.run("alice", ["sh", "-c", look]).stdout.decode()
    assert lab.run("alice", ["sh", "-c", trap]).ended.status == 0
    assert lab.run("alice", ["sh", "-c", look]).stdout.decode() != before, "positive control: it is read"
    assert host("alice").run(look).stdout == before
    assert host("alice").run("ls /home/student/gai.conf").rc == 0, "it is seen"


def test_a_trusted_command_cannot_fill_memory(host: Callable[[str], Any]) -> None:
    """It has half a GiB at most; one that needs less is as it was."""
    assert host("alice").run("python3 -c 'bytearray(100 << 20)'").rc == 0
    assert "MemoryError" in host("alice").run("python3 -c 'bytearray(600 << 20)'").stderr
