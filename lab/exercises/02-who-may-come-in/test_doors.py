"""The address that a socket is bound to says who reaches it; an endpoint is an address and a port together."""

from __future__ import annotations

import pytest

from lab import waiting
from lab.grading.judging import LAST_LINES
from lab.grading.record import Layer
from lab.grading.stage import CheckStage
from lab.stage import PAUSE, SEEN_SECONDS
from lab.text import printable

FILE = "doors.py"
LEFT, ALIAS, RIGHT, LOOPBACK = "192.0.2.10", "192.0.2.11", "198.51.100.10", "127.0.0.1"
NARROW = "192.0.2.30"
NEIGHBOUR = {LEFT: "ann", ALIAS: "ann", RIGHT: "ben", LOOPBACK: "server"}
"""who asks at an address of the server"""
CONTROL = {
    "ann": "tcp/[2001:db8:1::11]:65432",
    "ben": f"tcp/{RIGHT}:65432",
    "server": f"tcp/{RIGHT}:65432",
}
"""What the lab itself serves, so that a refusal is the door's and not the way's."""
WAITS = "each door is served at any time: does the program wait in accept() at another one meanwhile?"
DOOR = "each door is a listening socket, bound to (ADDRESS, PORT)"


def ask(stage: CheckStage, address: str, port: str, name: str, *, hint: str = WAITS) -> None:
    """Whoever is next to an address of the server must be told a door's name there."""
    at = f"tcp/{address}:{port}"
    stage.expect_answer(NEIGHBOUR[address], at, b"", f"{name}\n", hint=hint)


def refuse(stage: CheckStage, address: str, port: str, *, hint: str) -> None:
    """Nobody must be let in at an address of the server."""
    who = NEIGHBOUR[address]
    stage.expect_refused(who, f"tcp/{address}:{port}", control=CONTROL[who], hint=hint)


@pytest.mark.check(points=2)
def test_everybody(stage: CheckStage) -> None:
    """A door for `all` lets in whoever comes to any address of the host."""
    port, other = stage.value("PORT"), stage.value("OTHER")
    stage.start("server", FILE, f"{stage.value('TWO')}:me:{other}", f"{stage.value('ONE')}:all:{port}")
    hint = f"{DOOR}; for `all` that is 0.0.0.0, the wildcard: every IPv4 address of the host"
    stage.expect_listening("server", f"tcp/{LEFT}:{port}", hint=hint)
    for address in (LEFT, ALIAS, RIGHT, LOOPBACK):
        ask(stage, address, port, stage.value("ONE"))


@pytest.mark.check(points=2)
def test_here(stage: CheckStage) -> None:
    """A door for `me` lets in programs of this host, and nobody from outside."""
    port, other = stage.value("PORT"), stage.value("OTHER")
    stage.start("server", FILE, f"{stage.value('ONE')}:all:{port}", f"{stage.value('TWO')}:me:{other}")
    hint = f"{DOOR}; for `me` that is 127.0.0.1, which every host has and reaches only in itself"
    stage.expect_listening("server", f"tcp/{LOOPBACK}:{other}", hint=hint)
    ask(stage, LOOPBACK, other, stage.value("TWO"))
    for address in (LEFT, ALIAS, RIGHT):
        refuse(stage, address, other, hint=hint)


@pytest.mark.check(points=2)
def test_side(stage: CheckStage) -> None:
    """Two doors at one address let in who comes to that one, and are no doors at any other."""
    side, doors = (
        stage.value("SIDE"),
        {stage.value("PORT"): stage.value("ONE"), stage.value("OTHER"): stage.value("TWO")},
    )
    stage.start("server", FILE, *(f"{name}:{side}:{port}" for port, name in doors.items()))
    for port in doors:
        stage.expect_listening("server", f"tcp/{side}:{port}", hint=DOOR)
    for port, name in reversed(doors.items()):
        ask(stage, side, port, name)
    hint = "a socket bound to one address hears of nobody else: the kernel itself refuses them, before any accept()"
    for address in (LEFT, ALIAS, RIGHT, LOOPBACK):
        if address != side:
            refuse(stage, address, stage.value("OTHER"), hint=hint)
    stage.expect_listeners("server", *(f"tcp/{side}:{port}" for port in doors))


@pytest.mark.check(points=2, needs=["everybody", "here"])
def test_same_port(stage: CheckStage) -> None:
    """Doors with one port at different addresses, and on another host, are different doors."""
    port, side = stage.value("PORT"), stage.value("SIDE")
    second = next(one for one in (RIGHT, ALIAS) if one != side)
    doors = {LOOPBACK: stage.value("ONE"), side: stage.value("TWO"), second: stage.value("THREE")}
    words = [f"{name}:{'me' if address == LOOPBACK else address}:{port}" for address, name in doors.items()]
    there = stage.start("server", FILE, *words)
    stage.start("narrow", FILE, f"{stage.value('THREE')}:all:{port}")
    hint = "an endpoint is an address and a port together: the same port at another address is free, and another door"
    for address in doors:
        stage.expect_listening("server", f"tcp/{address}:{port}", hint=hint)
    for address, name in doors.items():
        ask(stage, address, port, name, hint=hint)
    stage.expect_listening("narrow", f"tcp/{NARROW}:{port}")
    stage.expect_answer("ann", f"tcp/{NARROW}:{port}", b"", f"{stage.value('THREE')}\n")
    _expect_printed(stage, there, [])


@pytest.mark.check(points=2, needs=["everybody"])
def test_taken(stage: CheckStage) -> None:
    """A door whose endpoint is taken already is told of, and the others are opened all the same."""
    port, other, side = stage.value("PORT"), stage.value("OTHER"), stage.value("SIDE")
    one, two, three = (stage.value(name) for name in ("ONE", "TWO", "THREE"))
    # Held by a first program: at the wildcard, and at one address. And one that a program of the lab's holds.
    stage.start("server", FILE, f"{one}:all:{port}", f"{three}:{side}:{other}")
    for at in (port, other):
        stage.expect_listening("server", f"tcp/{side}:{at}")
    taken = [f"{two}:{side}:{port}", f"{two}-next:{RIGHT}:65432", f"{two}-last:all:{other}"]
    last = str(stage.number("PORT") + 1)
    name = stage.start("server", FILE, *taken, f"{three}-also:all:{last}")
    # Until the last one is open, or it has printed more than it should.
    waiting.until(
        lambda: stage.on_port("server", int(last)) or stage.lines_of("server", name, 0)[len(taken) :],
        bool,
        seconds=SEEN_SECONDS,
        pause=PAUSE,
    )
    _expect_one_holder(stage, port)
    _expect_printed(stage, name, [f"{door.partition(':')[0]} taken" for door in taken])
    stage.expect_listening("server", f"tcp/{side}:{last}", hint="the doors after one that is taken are opened as well")
    for at, said in ((port, one), (other, three), (last, f"{three}-also")):
        ask(stage, side, at, said)


def _expect_one_holder(stage: CheckStage, port: str) -> None:
    """Of the server's sockets one alone must listen on a port."""
    there = [str(one.local) for one in stage.on_port("server", int(port)) if one.listens]
    stage.expect_that(
        f"sockets of the server that listen on port {port}",
        len(there) == 1,
        expected="one, at every address",
        observed=", ".join(sorted(there)) or "none",
        layer=Layer.WRONG_ADDRESS,
        hint="with SO_REUSEPORT both agree to share, and whoever comes to one address finds another door",
    )


def _expect_printed(stage: CheckStage, name: str, expected: list[str]) -> None:
    """The program must have printed these lines, in any order, and nothing else."""
    lines = stage.lines_of("server", name, len(expected))
    stage.table("the program printed")
    for line in lines[-LAST_LINES:] or ["nothing"]:
        stage.row(line=printable(line)[:200])
    if sorted(lines) != sorted(expected):
        broken = any(line.startswith("Traceback") for line in lines)
        taken = "a port that is held at 0.0.0.0 is held at every address: bind() or listen() fails with EADDRINUSE"
        stage.fail(
            f"what {FILE} prints",
            expected=", ".join(expected) or "nothing: none of these endpoints is taken",
            observed=", ".join(lines[-1:] if broken else lines) or "nothing",
            layer=Layer.PROGRAM,
            hint=taken if expected else "the same port at another address is not taken",
        )
