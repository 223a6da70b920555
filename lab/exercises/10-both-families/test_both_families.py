"""A server for both families, and a client that is neither slow nor wrong where one of them does not work."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

import pytest

from lab import waiting
from lab.grading.record import Layer
from lab.grading.stage import CheckStage
from lab.observe import listeners
from lab.observe.packets import Packet
from lab.stage import PAUSE, SEEN_SECONDS
from lab.text import printable

SERVER, CLIENT = "dual_server.py", "quick_client.py"
GOOD, BROKEN = "server.example", "broken.example"
GOOD4, GOOD6 = "198.51.100.80", "2001:db8:2::80"
BROKEN4, BROKEN6 = "198.51.100.90", "2001:db8:2::90"
OWN = {"alice": ("192.0.2.10", "2001:db8:1::10"), "four": ("192.0.2.11", ""), "six": ("", "2001:db8:1::12")}
LAN6, ROUTER6 = "2001:db8:1::/64", "2001:db8:2::1"
AT_ONCE = 0.1
"""RFC 8305 §8 recommends 0.25 s between two attempts, and at least that."""
MOST_TOLD = 5
MOST_DELAY = 2.0
"""RFC 8305 §8: at most."""
BOTH = (
    "with IPV6_V6ONLY off a socket at [::] serves IPv4 too, and holds the port of both families; with it on it is one"
    " for IPv6 alone, and one at 0.0.0.0 has room beside it"
)


# -------------------------------------------------------------------------------------------------- the server


def ask_both(stage: CheckStage) -> dict[str, tuple[str, str]]:
    """Start the server and ask it over each family: AT -> what was read, and what it should have been."""
    port = stage.value("PORT")
    stage.start("server", SERVER, port)
    found = {}
    for host, address in (("six", GOOD6), ("four", GOOD4)):
        at = f"tcp/[{address}]:{port}" if ":" in address else f"tcp/{address}:{port}"
        stage.expect_listening("server", at, hint=BOTH)
        seen = stage.exchange(host, at)
        if not seen.data or seen.own is None:
            stage.explain(at, seen, what=f"what {host} reads from {at}", expected="a line", hint=BOTH)
        found[at] = (seen.text, f"{seen.own[0]} {seen.own[1]}\n")
    stage.table("asked over both families")
    for at, (read, wanted) in found.items():
        stage.row(asked=at, read=repr(read[:200]), the_client_s_own_end=wanted.strip())
    return found


@pytest.mark.check(points=2)
def test_families(stage: CheckStage) -> None:
    """The server answers a client that has IPv6 only, and one that has IPv4 only, at the same port."""
    ask_both(stage)
    port = stage.number("PORT")
    there = {str(one.address) for one in listeners(stage.sockets("server")) if one.port == port}
    stage.expect("addresses at which it listens", sorted(there - {"::", "0.0.0.0"}), [], layer=Layer.WRONG_ADDRESS)


@pytest.mark.check(points=1, needs=["families"])
def test_plain(stage: CheckStage) -> None:
    """Each client is told its own address and port, an IPv4 client a plain IPv4 address."""
    hint = "an IPv6 socket knows an IPv4 client by a mapped address (RFC 4291 §2.5.5.2), which no packet ever has"
    for at, (read, wanted) in ask_both(stage).items():
        stage.expect(f"the answer at {at}", read.strip(), wanted.strip(), hint=hint, layer=Layer.BYTES)


# -------------------------------------------------------------------------------------------------- the client


def serve(stage: CheckStage, host: str) -> None:
    """Two servers of ours on a host, one for each family: each says its name, and as whom it sees the client."""
    port = stage.number("PORT")
    stage.whoami(host, "tcp", "0.0.0.0", port, stage.value("FOUR"))
    stage.whoami(host, "tcp", "::", port, stage.value("SIX"), "--v6only")


def attempts(stage: CheckStage, packets: Iterable[Packet], *, outgoing: bool = True) -> list[Packet]:
    """The first SYN of each attempt to connect."""
    found: dict[object, Packet] = {}
    for one in packets:
        if one.flags == {"SYN"} and one.destination_port == stage.number("PORT") and one.outgoing is outgoing:
            found.setdefault(one.ends, one)
    return list(found.values())


def first(found: list[Packet], address: str) -> Packet | None:
    """The first attempt at an address."""
    return next((one for one in found if one.destination == ip_address(address)), None)


def connect(stage: CheckStage, host: str, name: str) -> tuple[list[str], list[Packet]]:
    """Let a host connect to a name: what was printed, and the attempts that were seen to leave the host."""
    with stage.capture(host) as capture:
        program = stage.start(host, CLIENT, name, stage.value("PORT"))
        lines = stage.lines_of(host, program, 1)
    found = attempts(stage, capture.packets)
    show(stage, host, name, lines, found)
    return lines, found


def show(stage: CheckStage, host: str, name: str, lines: list[str], found: list[Packet]) -> None:
    """Attempts and answer, as evidence."""
    stage.table(f"{host} connecting to {name}")
    for one in found[:MOST_TOLD]:
        stage.row(attempt_at=one.destination, from_port=one.source_port, after=after(found[0], one))
    stage.table(f"{CLIENT} on {host} printed")
    for line in lines[:MOST_TOLD] or ["nothing"]:
        stage.row(line=printable(line)[:200])


def after(begin: Packet, one: Packet) -> str:
    """How much later one packet was than another."""
    return f"{seconds(begin, one):.3f} s"


def seconds(begin: Packet, one: Packet) -> float:
    """The same as a number."""
    return (one.time - begin.time) / 1e9


def expect_answer(
    stage: CheckStage, host: str, lines: list[str], found: list[Packet], *, at: str, hint: str = ""
) -> None:
    """The client must have printed what our server at an address told it, on one of the connections seen."""
    name = stage.value("SIX" if ":" in at else "FOUR")
    own = OWN[host][":" in at]
    ports = [one.source_port for one in found if one.destination == ip_address(at)]
    wanted = [f"{name} sees {own} {port}" for port in ports]
    broken = any(line.startswith("Traceback") for line in lines)
    stage.expect_that(
        f"what {CLIENT} on {host} prints",
        len(lines) == 1 and lines[0] in wanted,
        expected=wanted[-1] if wanted else f"{name} sees {own} and a port, after connecting to {at}",
        observed=(lines[-1] if broken else ", ".join(lines[:MOST_TOLD])) or "nothing",
        hint=hint,
        layer=Layer.PROGRAM if broken or not lines else Layer.BYTES,
    )


def expect_waited(stage: CheckStage, six: Packet | None, four: Packet | None) -> None:
    """IPv4 must not have been tried together with IPv6."""
    if six is not None and four is not None:
        stage.expect_that(
            "the attempt by IPv4",
            abs(seconds(six, four)) > AT_ONCE,
            expected="a quarter of a second after that by IPv6, if there is no connection by then",
            observed=f"{after(six, four)} after it",
            hint="who tries everything at once burdens servers and networks with connections that nobody wants",
            layer=Layer.PROGRAM,
        )


@pytest.mark.check(points=2)
def test_prefers(stage: CheckStage) -> None:
    """Where IPv6 works the client uses it, and gives it time before it tries IPv4."""
    serve(stage, "server")
    lines, found = connect(stage, "alice", GOOD)
    six, four = first(found, GOOD6), first(found, GOOD4)
    none = f"none; it printed: {lines[-1]}" if lines else "none"
    stage.expect_that(
        "attempts to connect",
        six is not None and found[0] is six,
        expected=f"the first at {GOOD6}",
        observed=", ".join(f"{one.destination} after {after(found[0], one)}" for one in found[:MOST_TOLD]) or none,
        hint="getaddrinfo() gives the addresses in the order in which they should be tried (RFC 6724): IPv6 first here",
        layer=Layer.PROGRAM,
    )
    expect_waited(stage, six, four)
    expect_answer(stage, "alice", lines, found, at=GOOD6, hint="send a line, and print the one that comes back")


@pytest.mark.check(points=2)
def test_quick(stage: CheckStage) -> None:
    """Where IPv6 never answers, IPv4 is tried before long, but not at once, and used."""
    serve(stage, "broken")
    lines, found = connect(stage, "alice", BROKEN)
    six, four = first(found, BROKEN6), first(found, BROKEN4)
    if six is not None:
        stage.expect_that(
            "the attempt by IPv4",
            four is not None and seconds(six, four) <= MOST_DELAY,
            expected=f"at most {MOST_DELAY:g} s after that by IPv6",
            observed=f"none in {SEEN_SECONDS:g} s" if four is None else f"{after(six, four)} after it",
            hint="no answer is no error: connect() goes on waiting for minutes. Begin with the next address meanwhile",
            layer=Layer.FILTERED,
        )
    expect_waited(stage, six, four)
    expect_answer(stage, "alice", lines, found, at=BROKEN4)


@pytest.mark.check(points=1)
def test_alone(stage: CheckStage) -> None:
    """A host that has one family only connects by that one."""
    serve(stage, "server")
    for host, at in (("four", GOOD4), ("six", GOOD6)):
        lines, found = connect(stage, host, GOOD)
        hint = "an address that cannot be reached at all (ENETUNREACH) is no reason to end: there is another"
        expect_answer(stage, host, lines, found, at=at, hint=hint)


@pytest.mark.check(points=2)
def test_keeps(stage: CheckStage) -> None:
    """An attempt goes on while others are made: if the only usable address answers late, it is used all the same."""
    serve(stage, "broken")
    with stage.capture("broken") as capture:
        program = stage.start("six", CLIENT, BROKEN, stage.value("PORT"))

        def arrived() -> list[Packet]:
            return attempts(stage, capture.so_far(), outgoing=False)

        def ended() -> bool:
            return bool(stage.instance.output("six", program).end)

        waiting.until(lambda: arrived() or ended(), bool, seconds=SEEN_SECONDS, pause=PAUSE)
        # Whatever came until now was lost. From here on answers find their way: the SYN that TCP sends again after a
        # second (RFC 6298 §2) has one.
        with stage.route("broken", LAN6, "via", ROUTER6):
            lines = stage.lines_of("six", program, 1)
    found = attempts(stage, capture.packets, outgoing=False)
    show(stage, "six", BROKEN, lines, found)
    hint = (
        "the first SYN was lost, and IPv4 is no way out of this host. TCP sends the SYN again after a second: do not"
        " give an attempt up because the next one has begun, or has failed"
    )
    expect_answer(stage, "six", lines, found, at=BROKEN6, hint=hint)
