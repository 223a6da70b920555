"""Instances of one lab have the same addresses and never meet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import images, instances, labfiles, live
from lab.engine import Engine
from lab.live import Instance
from tests.live.support import PROGRAMS, until


@pytest.fixture(scope="module")
def pair(engine: Engine) -> Iterator[tuple[Instance, Instance]]:
    """Two instances of nat at once."""
    described = labfiles.load("nat")
    refs = images.ensure(engine, say=lambda _: None)
    up: list[Instance] = []
    try:
        for name in ("test-twin-a", "test-twin-b"):
            up.append(live.up(engine, described, name=name, images=refs, say=lambda _: None))
        yield up[0], up[1]
    finally:
        for instance in up:
            instance.close()
            instances.down(engine, instance.name)


def ask(instance: Instance, port: int) -> str:
    """What alice gets from the server's address in that instance."""
    cwd = instance.deploy("alice", folder="ask", files={"ask.py": (PROGRAMS / "ask.py").read_bytes()})
    printed = instance.run("alice", ["python3", "ask.py", "tcp", "203.0.113.80", str(port), "4000"], cwd=cwd)
    return (printed.stdout + printed.stderr).decode().strip()


def serve(instance: Instance, word: str) -> None:
    """Start a server that answers with a word."""
    file = "serve_once_each.py"
    cwd = instance.deploy("server", folder="serve", files={file: (PROGRAMS / file).read_bytes()})
    argv = ("python3", file, "tcp", "203.0.113.80", "7000", word)
    instance.wiring.start(instance.host("server"), program="serve", argv=argv, cwd=cwd)
    until(
        lambda: [s.local.port for s in instance.look(["sockets"], ["server"])["server"].sockets if s.listens],
        wanted=lambda ports: 7000 in ports,
        what="the server to listen",
    )


def test_equal_addresses_reach_their_own_instance(pair: tuple[Instance, Instance]) -> None:
    """The same client address, port and server address, at the same time, in two instances: each its own answer."""
    for instance in pair:
        instance.reset()
        serve(instance, instance.name)
    assert [ask(instance, 7000).split(" | ")[1].split()[0] for instance in pair] == [one.name for one in pair]


def test_traffic_of_one_leaves_no_trace_in_the_other(pair: tuple[Instance, Instance]) -> None:
    """While one instance talks, no packet passes any interface of the other, and its gateway has no entry."""
    busy, idle = pair
    for instance in pair:
        instance.reset()
    serve(busy, "busy")
    before = _packets(idle)
    assert ask(busy, 7000).split(" | ")[1].startswith("busy")
    assert len(busy.look(["conntrack"], ["router"])["router"].translations) == 1
    assert idle.look(["conntrack"], ["router"])["router"].translations == ()
    assert _packets(idle) == before


def test_a_listener_of_one_is_no_listener_of_the_other(pair: tuple[Instance, Instance]) -> None:
    """Where only one instance serves, the other's client is refused; the first one's is answered."""
    busy, idle = pair
    for instance in pair:
        instance.reset()
    serve(busy, "busy")
    assert ask(idle, 7000) == "ECONNREFUSED"
    assert ask(busy, 7000).split(" | ")[1].startswith("busy")


def test_one_going_down_leaves_the_other_whole(engine: Engine, pair: tuple[Instance, Instance]) -> None:
    """Removing a third instance touches neither of the two."""
    before = [one.fingerprints() for one in pair]
    third = live.up(
        engine, pair[0].lab, name="test-twin-c", images=images.ensure(engine, say=lambda _: None), say=lambda _: None
    )
    third.close()
    instances.down(engine, "test-twin-c")
    assert [one.fingerprints() for one in pair] == before
    assert all(instances.find(engine, one.name).whole for one in pair)


def _packets(instance: Instance) -> dict[str, list[int]]:
    """Packets received and sent by each host, loopback left out."""
    counts = {}
    for host in instance.lab.hosts:
        text = instance.wiring.command(host.name, ("cat", "/proc/net/dev"), seconds=5).stdout.decode()
        rows = [line.split() for line in text.splitlines()[2:] if "lo:" not in line]
        counts[host.name] = [int(row[column]) for row in rows for column in (2, 10)]
    return counts
