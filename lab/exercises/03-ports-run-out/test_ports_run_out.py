"""Which ports a program may have, which it is given, and when there are none left: said by it, seen from outside."""

from __future__ import annotations

import pytest

from lab import waiting
from lab.grading.record import Layer
from lab.grading.stage import CheckStage, said_table
from lab.observe import Socket, State
from lab.stage import PAUSE
from lab.text import printable

RESERVE, DIAL = "reserve.py", "dial.py"
LEFT, ALIAS, RIGHT = "192.0.2.10", "192.0.2.11", "198.51.100.10"
"""of the server"""
ANN, BEN, NARROW = "192.0.2.20", "198.51.100.20", "192.0.2.30"
TAKEN = "65432"
"""A program of the lab's has it on the right."""
BORDER = 80
"""ip_unprivileged_port_start on narrow"""
STAYS_SECONDS = 0.5
MOST_LINES = 20
DENIED, BUSY, NOT_OURS, NO_PORT = "EACCES", "EADDRINUSE", "EADDRNOTAVAIL", "no port"
KEPT = "is every socket kept? One that no variable refers to any more is closed"


# ------------------------------------------------------------------------------------------------ reserve.py


def reserve(stage: CheckStage, host: str, address: str, results: dict[str, str], *, hint: str) -> str:
    """Try ports at an address of a host: each must come out as it is known to, "" for a port that can be had.

    Those that are had must be exactly those at which something listens then. The name of the program.
    """
    name = stage.start(host, RESERVE, address, *results)
    lines = stage.lines_of(host, name, len(results))
    compare(stage, host, RESERVE, lines, [f"{port}: {result or port}" for port, result in results.items()], hint=hint)
    listening = [f"tcp/{address}:{port}" for port, result in results.items() if not result]
    stage.expect_listeners(host, *listening, hint=KEPT)
    return name


def compare(stage: CheckStage, host: str, file: str, lines: list[str], expected: list[str], *, hint: str) -> None:
    """What a program printed must be these lines."""
    stage.table(f"{file} on {host}")
    for line in lines[:MOST_LINES] or ["nothing"]:
        stage.row(printed=printable(line)[:200])
    if lines == expected:
        return
    # One line tells more than many: the first that differs, or what Python says at the end of a traceback.
    differs = next((one for one in zip(expected, lines, strict=False) if one[0] != one[1]), ("", ""))
    broken = any(line.startswith("Traceback") for line in lines)
    stage.fail(
        f"what {file} prints on {host}",
        expected=differs[0] or ", ".join(expected),
        observed=(lines[-1] if broken else differs[1] or ", ".join(lines)) or "nothing",
        layer=Layer.PROGRAM,
        hint=hint,
        evidence=[said_table(file, "\n".join(lines))],
    )


def expect_to_stay(stage: CheckStage, host: str, name: str, file: str) -> None:
    """A program must go on after it has printed everything."""
    end = waiting.until(lambda: stage.instance.output(host, name).end, bool, seconds=STAYS_SECONDS, pause=PAUSE)
    stage.expect_that(
        f"{file} on {host} after its last line",
        not end,
        expected="it goes on, and keeps what it has",
        observed=f"it has ended: {end}" if end else "it goes on",
        layer=Layer.PROGRAM,
        hint="signal.pause() waits until the program is ended",
    )


@pytest.mark.check(points=2)
def test_privileged(stage: CheckStage) -> None:
    """Ports below the border are denied, unless the host gives its programs the capability or has moved the border."""
    low, lowest, port = stage.value("LOW"), stage.value("LOWEST"), stage.value("PORT")
    hint = "whether a port is privileged is the kernel's business, and differs from host to host: try bind()"
    name = reserve(stage, "ann", ANN, {low: DENIED, "1023": DENIED, "1024": "", port: ""}, hint=hint)
    reserve(stage, "ben", BEN, {low: "", "1023": "", "1024": "", lowest: ""}, hint=hint)
    reserve(stage, "narrow", NARROW, {lowest: DENIED, str(BORDER - 1): DENIED, str(BORDER): "", low: ""}, hint=hint)
    expect_to_stay(stage, "ann", name, RESERVE)


@pytest.mark.check(points=2, needs=["privileged"])
def test_refused(stage: CheckStage) -> None:
    """A port that is taken and an address that is another host's are told apart, and the next port is tried."""
    port, other = stage.value("PORT"), stage.value("OTHER")
    name = stage.start("server", RESERVE, RIGHT, TAKEN, port, port, other)
    lines = stage.lines_of("server", name, 4)
    hint = "the error that is raised says why: errno.errorcode[error.errno] is its name"
    expected = [f"{TAKEN}: {BUSY}", f"{port}: {port}", f"{port}: {BUSY}", f"{other}: {other}"]
    compare(stage, "server", RESERVE, lines, expected, hint=hint)
    for address, result in ((RIGHT, f"{other}: {BUSY}"), (BEN, f"{other}: {NOT_OURS}")):
        beside = stage.start("server", RESERVE, address, other)
        compare(stage, "server", RESERVE, stage.lines_of("server", beside, 1), [result], hint=hint)
    stage.expect_listeners("server", f"tcp/{RIGHT}:{port}", f"tcp/{RIGHT}:{other}", hint=KEPT)


@pytest.mark.check(points=2, needs=["privileged"])
def test_numbers(stage: CheckStage) -> None:
    """65535 is the last port; for port 0 the kernel gives each time another of its range, until it has none."""
    beyond, named = stage.value("BEYOND"), ephemeral_range(stage, "narrow")
    words = ["65535", "65536", beyond, *["0"] * (len(named) + 1)]
    name = stage.start("narrow", RESERVE, NARROW, *words)
    lines = stage.lines_of("narrow", name, len(words))
    listening = sorted(one.local.port for one in stage.sockets("narrow") if one.listens)
    chosen = [port for port in listening if port in named]
    stage.table("seen from outside")
    stage.row(range_of_narrow=f"{named.start}-{named.stop - 1}", listening=" ".join(map(str, listening)) or "nothing")
    # Which of them comes first is the kernel's choice.
    zeros = lines[3 : 3 + len(named)]
    in_order = [*lines[:3], *sorted(zeros), *lines[3 + len(named) :]]
    expected = [
        "65535: 65535",
        *(f"{port}: {NO_PORT}" for port in ("65536", beyond)),
        *(f"0: {port}" for port in named),
    ]
    hint = "of port 0 getsockname() tells what has become; a number of more than 16 bits raises OverflowError"
    compare(stage, "narrow", RESERVE, in_order, [*expected, f"0: {BUSY}"], hint=hint)
    stage.expect("the ephemeral ports at which narrow listens", chosen, list(named), hint=KEPT, layer=Layer.NO_LISTENER)


def ephemeral_range(stage: CheckStage, host: str) -> range:
    """The ports that a host's kernel chooses from."""
    low, high = stage.sysctl(host, "net.ipv4.ip_local_port_range").split()
    return range(int(low), int(high) + 1)


# --------------------------------------------------------------------------------------------------- dial.py


def held(stage: CheckStage, host: str) -> list[Socket]:
    """A host's connections, seen from outside."""
    return [one for one in stage.sockets(host) if one.state is State.ESTAB]


def dial(stage: CheckStage, host: str, count: int, *ends: str, lines: int) -> tuple[str, list[str], list[Socket]]:
    """Let a host hold connections to ADDRESS:PORT of ours: the program's name, its lines, and the connections then."""
    for port in dict.fromkeys(end.rpartition(":")[2] for end in ends):
        stage.whoami("server", "tcp", "0.0.0.0", int(port))
    name = stage.start(host, DIAL, count, *(word for end in ends for word in end.split(":")))
    printed = stage.lines_of(host, name, lines)
    there = held(stage, host)
    stage.table(f"connections of {host}, seen from outside")
    for one in there[:MOST_LINES]:
        stage.row(own_end=one.local, to=one.remote)
    return name, printed, there


def expect_held(
    stage: CheckStage, host: str, lines: list[str], there: list[Socket], end: str, *, count: int, hint: str = KEPT
) -> list[int]:
    """So many connections to ADDRESS:PORT must be held, and the ports that lines name must be theirs; these ports."""
    seen = sorted(one.local.port for one in there if str(one.remote) == end)
    broken = any(line.startswith("Traceback") for line in lines)
    stage.expect_that(
        f"connections from {host} to {end}",
        len(seen) == count,
        expected=f"{count}, held at once",
        observed=f"{len(seen)}; {DIAL} printed last: {lines[-1]}" if broken else len(seen),
        hint=hint,
        layer=Layer.PROGRAM,
    )
    start = f"{end.replace(':', ' ')}: "
    named = sorted(line.removeprefix(start) for line in lines if line.startswith(start))
    stage.expect(
        f"what {DIAL} prints as {host}'s own ports to {end}",
        ", ".join(one for one in named if not one.startswith("E")) or "none",
        ", ".join(map(str, seen)),
        hint="a connection has two ends: getsockname() tells the own one, getpeername() the far one",
        layer=Layer.PROGRAM,
    )
    return seen


@pytest.mark.check(points=1)
def test_ephemeral(stage: CheckStage) -> None:
    """Each connection is held, and its own port, which the kernel has chosen, is told."""
    end = f"{LEFT}:{stage.value('PORT')}"
    name, lines, there = dial(stage, "ann", 6, end, lines=6)
    seen = expect_held(stage, "ann", lines, there, end, count=6)
    named = ephemeral_range(stage, "ann")
    outside = [port for port in seen if port not in named]
    stage.expect(f"ports outside {named.start}-{named.stop - 1}", outside, [], hint="let connect() choose the port")
    expect_to_stay(stage, "ann", name, DIAL)


@pytest.mark.check(points=2, needs=["ephemeral"])
def test_exhausted(stage: CheckStage) -> None:
    """With four ephemeral ports there are four connections to one endpoint, and the fifth finds no port."""
    end, size = f"{LEFT}:{stage.value('PORT')}", len(ephemeral_range(stage, "narrow"))
    _, lines, there = dial(stage, "narrow", size + 2, end, lines=size + 1)
    expect_held(stage, "narrow", lines, there, end, count=size, hint="keep what is there, also after an error")
    hint = (
        "connect() itself chooses the port, and raises EADDRNOTAVAIL if none is free; a bind() before it is not needed"
    )
    last = lines[-1:] if any(line.startswith("Traceback") for line in lines) else lines[size:]
    compare(stage, "narrow", DIAL, last, [f"{end.replace(':', ' ')}: {NOT_OURS}"], hint=hint)


@pytest.mark.check(points=1, needs=["exhausted"])
def test_elsewhere(stage: CheckStage) -> None:
    """To another port and to another address the same four ports lead once more."""
    port, other = stage.value("PORT"), stage.value("OTHER")
    named = list(ephemeral_range(stage, "narrow"))
    ends = [f"{LEFT}:{port}", f"{LEFT}:{other}", f"{ALIAS}:{port}"]
    _, lines, there = dial(stage, "narrow", len(named) + 1, *ends, lines=3 * (len(named) + 1))
    hint = (
        "a connection is known by both its ends: with another far end the same own port is free. Go on after an error"
    )
    for end in ends:
        seen = expect_held(stage, "narrow", lines, there, end, count=len(named), hint=hint)
        stage.expect(f"narrow's own ports to {end}", seen, named, layer=Layer.PROGRAM)
