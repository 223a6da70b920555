"""Exercise 06 as a teacher would check it with testinfra's docker backend: the same six questions, from inside."""

from __future__ import annotations

import time
from typing import Any

import pytest
import testinfra

ADDRESSES = {"alice": "192.168.1.100", "bob": "192.168.1.101", "server": "203.0.113.80", "stranger": "203.0.113.99"}
PORT, OTHER, SOURCE = 21000, 26000, 5500


def host(name: str) -> Any:
    """A container."""
    return testinfra.get_host(f"docker://bench-teacher-{name}-1")


def listening(name: str, port: int) -> None:
    """Wait until something listens."""
    deadline = time.monotonic() + 5
    while not host(name).socket(f"tcp://0.0.0.0:{port}").is_listening:
        assert time.monotonic() < deadline, f"nothing listens at {port}"


@pytest.fixture(scope="module")
def server() -> Any:
    """The submission's server, running."""
    one = host("server")
    one.run(f"cd /submission && (timeout 60 python3 whoami.py {PORT} >/tmp/log 2>&1 &)")
    listening("server", PORT)
    return one


def asked(name: str, source: int = SOURCE) -> list[str]:
    """What a client of ours prints: its own end, and the server's line."""
    done = host(name).run(f"timeout 10 python3 /teacher/ask.py {ADDRESSES['server']} {PORT} {ADDRESSES[name]} {source}")
    assert done.rc == 0, done.stderr
    return list(done.stdout.splitlines())


def translated(own: str) -> str:
    """What the router's entry says of a client's end."""
    address, port = own.split()
    entries = host("router").run(f"conntrack -L -p tcp --orig-src {address} --sport {port} 2>/dev/null").stdout
    words = entries.split()
    places = [place for place, word in enumerate(words) if word.startswith("dport=")]
    assert len(places) >= 2, entries
    return f"{words[places[1] - 2].removeprefix('dst=')} {words[places[1]].removeprefix('dport=')}"


def compared(name: str, to: str, *told: str) -> tuple[list[str], str]:
    """What the submission's client prints, and what a server of ours has seen."""
    one = host(to)
    one.run(f"(timeout 20 python3 /teacher/tell.py {OTHER} {' '.join(told)} >/tmp/seen 2>&1 &)")
    listening(to, OTHER)
    done = host(name).run(f"cd /submission && timeout 10 python3 compare.py {ADDRESSES[to]} {OTHER}")
    assert done.rc == 0, done.stderr
    return list(done.stdout.splitlines()), one.run("cat /tmp/seen").stdout.strip()


@pytest.mark.usefixtures("server")
def test_tells() -> None:
    """One client after the other."""
    for name in ("stranger", "server"):
        own, line = asked(name)
        assert line == own


@pytest.mark.usefixtures("server")
def test_tells_both() -> None:
    """Two from the same port are told apart."""
    seen = []
    for name in ("alice", "bob"):
        own, line = asked(name)
        assert line == translated(own)
        seen.append(line)
    assert seen[0] != seen[1]


def test_translated() -> None:
    """Three views agree."""
    lines, seen = compared("alice", "server")
    own = lines[0].removeprefix("own ")
    assert translated(own) == seen
    assert lines[1:] == [f"seen {seen}", "NAT"]


def test_direct() -> None:
    """No gateway, no NAT."""
    for name, to in (("stranger", "server"), ("alice", "bob")):
        lines, seen = compared(name, to)
        assert lines == [f"own {seen}", f"seen {seen}", "no NAT"]


def test_compares() -> None:
    """Another address, or another port."""
    for told in (("203.0.113.1", "40000"), (ADDRESSES["stranger"], "1")):
        lines, _ = compared("stranger", "server", *told)
        assert lines[1:] == [f"seen {' '.join(told)}", "NAT"]


def test_together(server: Any) -> None:
    """The submission's client and server."""
    for name in ("alice", "bob", "stranger"):
        done = host(name).run(f"cd /submission && timeout 10 python3 compare.py {ADDRESSES['server']} {PORT}")
        lines = done.stdout.splitlines()
        own, seen = lines[0].removeprefix("own "), lines[1].removeprefix("seen ")
        assert seen == (own if name == "stranger" else translated(own))
        assert lines[2] == ("no NAT" if name == "stranger" else "NAT")
    assert f":{PORT}" not in server.run("ss -Htn state close-wait").stdout
