"""A name becomes addresses in the program, and an address becomes a connection in the kernel. Each may fail."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from lab.grading.record import Layer
from lab.grading.stage import CheckStage, Completed
from lab.note.names import asked_for
from lab.observe.dns import PORT as DNS_PORT
from lab.observe.dns import Query, messages
from lab.observe.packets import Packet, PacketKind
from lab.observe.syscalls import Call, sockets

FILE = "connect.py"
ZONE = "example.com"
PATIENCE = 2.0
"""where nothing is silent"""
SLACK = 4.0
"""seconds that a program may take, beside waiting"""
TRIES = 5
LATE = 0.3
"""seconds by which the next address may be tried later than at the end of the patience, at the best of all tries"""

UDP_CONNECT = {True: "a UDP socket to the name server", False: "sends nothing: getaddrinfo() sorts the addresses by it"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What a program said, and what its host sent meanwhile."""

    done: Completed
    asked: tuple[Query, ...]
    """its questions to name servers"""
    syns: tuple[Packet, ...]
    """the first SYN to each address"""

    @property
    def tried(self) -> list[str]:
        """The addresses that it tried to reach, in their order."""
        return [str(one.destination) for one in self.syns]

    @property
    def printed(self) -> str:
        """Its lines in short, for a table."""
        return " / ".join(self.done.lines)[:200] or "nothing"

    @property
    def told(self) -> list[str]:
        """The addresses that name servers have told it."""
        return [record.text for one in self.asked if one.answer for record in one.answer.records if record.type == "A"]


def tried(stage: CheckStage, host: str, name: str, *, seconds: float = PATIENCE, hint: str = "") -> Seen:
    """The program run with a name, or with an address."""
    with stage.capture(host) as capture:
        done = stage.complete(host, FILE, name, stage.value("PORT"), f"{seconds:g}", seconds=seconds + SLACK, hint=hint)
    return seen_of(stage, host, done, capture.packets)


def seen_of(stage: CheckStage, host: str, done: Completed, packets: tuple[Packet, ...]) -> Seen:
    """The questions and the first SYNs that left a host."""
    port = stage.number("PORT")
    first: dict[object, Packet] = {}
    for one in packets:
        if one.kind is PacketKind.TCP and one.words == "SYN" and one.outgoing and one.destination_port == port:
            first.setdefault(one.destination, one)
    asked = tuple(one for one in asked_for(packets) if one.point == host)
    return Seen(done=done, asked=asked, syns=tuple(first.values()))


def named(stage: CheckStage, variable: str) -> str:
    """A name of the lab's zone."""
    return f"{stage.value(variable)}.{ZONE}"


def expect_said(
    stage: CheckStage, given: str, seen: Seen, *lines: str, hint: str = "", layer: Layer | None = None
) -> None:
    """It must have printed these lines, and have ended with 0 if and only if the last of them is of a connection."""
    what = f"what {FILE} prints for {given}"
    observed = "\n".join(seen.done.lines) or f"nothing, {' '.join(seen.done.err.split()[-12:])}".rstrip(", ")
    stage.expect(what, observed, "\n".join(lines), hint=hint, layer=layer)
    status = 0 if lines[-1].startswith("connected") else 1
    stage.expect(f"the exit status for {given}", seen.done.status, status, layer=Layer.PROGRAM)


def expect_tried(
    stage: CheckStage, given: str, seen: Seen, *addresses: str, told: bool, hint: str = "", layer: Layer | None = None
) -> None:
    """It must have tried these addresses, in this order, and if `told`, a name server must have said them before."""
    if told:
        stage.expect_that(
            f"the addresses that it was told for {given}",
            set(addresses) <= set(seen.told),
            observed=", ".join(seen.told) or "none",
            expected=", ".join(addresses),
            hint="socket.getaddrinfo() asks; `lab capture` shows what a host sends",
            layer=Layer.NAME,
        )
    observed, expected = (", ".join(one) or "none" for one in (seen.tried, addresses))
    stage.expect(f"the addresses tried for {given}", observed, expected, hint=hint, layer=layer)


@pytest.mark.check(points=3)
def test_name(stage: CheckStage) -> None:
    """A name: it asks the name server itself, then connects to the first address that it was told, and to no other."""
    name, port = named(stage, "SHOP"), stage.value("PORT")
    with stage.capture("alice") as capture:
        done, calls = stage.traced("alice", FILE, name, port, PATIENCE, seconds=PATIENCE + SLACK)
    seen = seen_of(stage, "alice", done, capture.packets)
    table_of_calls(stage, calls)
    table_of_packets(stage, seen)
    stage.expect_that(
        f"the questions about {name}",
        any(one.name == f"{name}." for one in seen.asked),
        observed=", ".join(one.name for one in seen.asked) or "none",
        expected=f"{name}.",
        hint="socket.getaddrinfo() asks; `lab capture alice` shows what alice sends",
        layer=Layer.NAME,
    )
    first = stage.value("FIRST")
    stage.expect("the first address that it was told", seen.told[:1], [first])
    stage.expect(
        "the addresses that it connects to",
        ", ".join(seen.tried) or "none",
        first,
        hint="the first address of the list that can be reached is enough: stop there",
    )
    answered = min(one.answer.time for one in seen.asked if one.answer)
    stage.expect_that(
        "the order", answered < seen.syns[0].time, observed="a SYN, then the answer", expected="the answer, then a SYN"
    )
    programs = [one.path or "?" for one in calls if one.name in ("execve", "execveat") and one.result == 0]
    stage.expect_that(
        "programs that it runs",
        len(programs) <= 1,
        observed=", ".join(programs[1:]),
        expected="no other than itself",
        hint="a program resolves by itself, with the C library's getaddrinfo(): it needs no other program for that",
        layer=Layer.PROGRAM,
    )
    expect_said(stage, name, seen, f"connected {first}")


def table_of_calls(stage: CheckStage, calls: tuple[Call, ...]) -> None:
    """What it asks the kernel for on the way: the kernel hears of addresses only."""
    whose = {
        call.time: "the connection" if made.type == "SOCK_STREAM" else UDP_CONNECT[call.endpoint[1] == DNS_PORT]
        for made in sockets(calls)
        for call in made.named("connect")
        if call.endpoint is not None
    }
    stage.table("what the program asks the kernel for")
    for one in calls:
        if one.name == "openat" and one.path in ("/etc/hosts", "/etc/resolv.conf"):
            stage.row(call=f"openat() {one.path}", what="the C library reads its settings")
        elif one.name == "connect" and one.endpoint is not None:
            address, port = one.endpoint
            stage.row(call=f"connect() {address} port {port}", what=whose.get(one.time, "?"))


def table_of_packets(stage: CheckStage, seen: Seen) -> None:
    """Questions, answers and SYNs in the order of time."""
    events = [(one.time, f"asks {one.server}: {one.name} {one.type}?") for one in seen.asked]
    events += [(one.answer.time, f"is told: {one.answer.rcode}") for one in seen.asked if one.answer]
    events += [(one.time, f"sends a SYN to {one.destination}") for one in seen.syns]
    stage.table("what its host sends and hears")
    for time, what in sorted(events):
        stage.row(milliseconds=f"{(time - min(events)[0]) / 1e6:.1f}", alice=what)


@pytest.mark.check(points=1)
def test_unasked(stage: CheckStage) -> None:
    """An address, or a name of the hosts file: nobody is asked. On a host without that line the name server is."""
    first, local = stage.value("FIRST"), named(stage, "LOCAL")
    cases = (
        ("alice", first, first, "an address needs no name server"),
        ("alice", local, first, "alice's hosts file has this name, and stands before DNS: getaddrinfo() looks there"),
        ("bob", local, stage.value("SECOND"), ""),
    )
    for host, given, address, hint in cases:
        with stage.capture(host) as capture:
            done = stage.complete(host, FILE, given, stage.value("PORT"), PATIENCE, seconds=PATIENCE + SLACK)
        seen = seen_of(stage, host, done, capture.packets)
        sent = sorted({one.name for one in seen.asked})
        sent += [
            f"what cannot be read ({one.reason})" for one in messages(capture.packets) if not isinstance(one, Query)
        ]
        stage.row(host=host, connects_to=given, names_asked_for=", ".join(sent) or "none", prints=seen.printed)
        expected = [] if host == "alice" else [f"{given}."]
        what = f"the names that {host} asks for, connecting to {given}"
        stage.expect(what, ", ".join(sent) or "none", ", ".join(expected) or "none", hint=hint, layer=Layer.NAME)
        expect_tried(stage, f"{given} on {host}", seen, address, told=host == "bob", hint=hint)
        expect_said(stage, f"{given} on {host}", seen, f"connected {address}", hint=hint)


@pytest.mark.check(points=2)
def test_refused(stage: CheckStage) -> None:
    """After a refusal the next address is tried. That all addresses refuse is another thing than no such name."""
    closed, second = stage.value("CLOSED"), stage.value("SECOND")
    again = "try each address of the list once, by a new socket; getaddrinfo(…, type=socket.SOCK_STREAM) has it once"
    for variable, lines in (("MOVED", (f"refused {closed}", f"connected {second}")), ("GONE", (f"refused {closed}",))):
        seen = tried(stage, "alice", named(stage, variable))
        stage.row(
            name=named(stage, variable),
            addresses=", ".join(seen.told),
            tried=", ".join(seen.tried),
            prints=seen.printed,
        )
        addresses = [line.split()[1] for line in lines]
        expect_tried(stage, named(stage, variable), seen, *addresses, told=True, hint=again, layer=Layer.REFUSED)
        expect_said(stage, named(stage, variable), seen, *lines, hint=again, layer=Layer.REFUSED)


@pytest.mark.check(points=2)
def test_silent(stage: CheckStage) -> None:
    """An address from which nothing comes costs the seconds that the program is told, and then the next is tried."""
    name, seconds = named(stage, "SLOW"), float(stage.value("PATIENCE"))
    silent, first = stage.value("SILENT"), stage.value("FIRST")
    hint = "settimeout() before connect(); by itself the kernel goes on for two minutes"
    pauses: list[float] = []
    while len(pauses) < TRIES and not (pauses and fits(pauses[-1], seconds)):
        seen = tried(stage, "alice", name, seconds=seconds, hint=hint)
        next_one = "when the time is up, close this socket, and try the next address by a new one"
        expect_tried(stage, name, seen, silent, first, told=True, hint=next_one, layer=Layer.FILTERED)
        pauses.append((seen.syns[1].time - seen.syns[0].time) / 1e9)
        stage.row(told=f"{seconds:g} s", waited_for_the_silent_one=f"{pauses[-1]:.2f} s", then="tried the next")
    stage.expect_that(
        "the wait for the silent address",
        fits(pauses[-1], seconds),
        observed=", ".join(f"{one:.2f} s" for one in pauses),
        expected=f"{seconds:g} s, as it was told",
        hint="the third argument says how long to wait for each address",
        layer=Layer.FILTERED,
    )
    expect_said(stage, name, seen, f"silent {silent}", f"connected {first}", hint=hint, layer=Layer.FILTERED)


def fits(pause: float, seconds: float) -> bool:
    """Whether that was the patience; a busy machine makes it longer, and one that is interrupted first, shorter."""
    return 0.8 * seconds <= pause <= seconds + LATE


@pytest.mark.check(points=2)
def test_unresolved(stage: CheckStage) -> None:
    """No such name, a name without an address, and a name server that does not answer are three things; in none of
    them is there anything to connect to."""
    cases = (
        ("alice", "NOTHING", "no such name", "EAI_NONAME"),
        ("alice", "EMPTY", "no address", "EAI_NODATA"),
        ("carol", "SHOP", "no name server", "EAI_AGAIN"),
    )
    for host, variable, line, error in cases:
        name = named(stage, variable)
        seen = tried(stage, host, name)
        answers = sorted({one.answer.rcode if one.answer else "no answer" for one in seen.asked})
        stage.row(host=host, name=name, DNS_answers=", ".join(answers), addresses=len(seen.told), prints=seen.printed)
        stage.expect_that(
            f"the names that {host} asks for",
            any(one.name == f"{name}." for one in seen.asked),
            observed=", ".join(one.name for one in seen.asked) or "none",
            expected=f"{name}.",
            hint="the name server knows",
            layer=Layer.NAME,
        )
        hint = f"socket.gaierror has an errno: here it is socket.{error}"
        expect_said(stage, f"{name} on {host}", seen, line, hint=hint, layer=Layer.NAME)
        expect_tried(stage, f"{name} on {host}", seen, told=False)
