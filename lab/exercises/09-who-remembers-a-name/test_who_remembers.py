"""A name is remembered in a program, on a host for all of its programs, and on a server for all of its clients; in each
of these places for a time, and no longer. Judged by the questions that leave, each with its time."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import pairwise
from typing import NoReturn

import pytest

from lab.grading.record import Layer
from lab.grading.stage import CheckStage, said_table
from lab.note.names import asked_for
from lab.observe.dns import Query
from lab.observe.packets import Packet
from lab.questions import question
from lab.stage import COMMAND_SECONDS, NotSeenError
from lab.talk import Talk
from lab.text import printable

REMEMBER, CACHE = "remember.py", "cache.py"
NS = "192.0.2.1"
LOOPBACK = "127.0.0.1"
ETHERNET = "eth0"
"""What a host asks itself passes lo, and leaves it not."""
SHORT_TTL = 1
NEGATIVE_TTL = 3
EARLY = 0.8
"""The part of its time that must be over before something is asked for again: a program may take the time before it
asks, and be interrupted then."""
LATE = 1.0
"""seconds that something may be used for after its time"""
SOON = 0.3
"""seconds after which something is asked for again that is used all the time, at the best of all tries"""
MORE = 3
OLD = 1.6
"""seconds after which a TTL has become less, however it is rounded"""
PAUSE = 0.1
NO_ANSWER = "no answer to that question"

OF_ANSWERS = "remember each answer for messages.seconds(answer), and look there first"
OF_NOTHING = "remember also that there is nothing: messages.seconds() of such an answer is what the SOA says (RFC 2308)"


def named(stage: CheckStage, variable: str) -> str:
    """A name of the lab's zone."""
    return f"{stage.value(variable)}.example"


def questions(packets: tuple[Packet, ...], point: str, name: str = "", kind: str = "") -> list[Query]:
    """The questions that left or reached a host, of all names and types or of one."""
    return [
        one
        for one in asked_for(packets)
        if (one.point, one.interface) == (point, ETHERNET)
        and name in ("", one.name.lower().rstrip("."))
        and kind in ("", one.type)
    ]


def seconds_between(asked: list[Query]) -> list[float]:
    """How long after the one before each question was asked."""
    return [(second.time - first.time) / 1e9 for first, second in pairwise(asked)]


def expect_remembered(stage: CheckStage, asked: list[Query], what: str, *, seconds: float, hint: str) -> None:
    """It must have been asked at all, and for so many seconds not again."""
    stage.expect_that(what, bool(asked), observed="none", expected="one", hint=hint, layer=Layer.NAME)
    gaps = seconds_between(asked)
    stage.expect_that(
        what,
        all(gap >= EARLY * seconds for gap in gaps),
        observed=f"{len(asked)}; one {min(gaps, default=0):.2f} s after the one before",
        expected=f"one, and for {seconds:g} s no other",
        hint=hint,
        layer=Layer.NAME,
    )


def expect_asked_again(stage: CheckStage, what: str, look: Callable[[], list[Query]], *, seconds: float) -> list[Query]:
    """After so many seconds there must be a second question, although there are uses in the meantime."""
    found: list[Query] = []

    def asked() -> list[Query]:
        found[:] = look()
        return found

    try:
        stage.until(what, asked, lambda seen: len(seen) > 1, seconds=seconds + 2 * LATE, pause=PAUSE)
    except NotSeenError:
        stage.fail(
            what,
            expected=f"another one, {seconds:g} s after the first",
            observed=f"{len(found)}, and uses of it for {seconds + 2 * LATE:g} s",
            layer=Layer.NAME,
            hint="the time counts from when it was asked for; that it is used makes it no fresher",
        )
    return found


# -------------------------------------------------------------------------------- in a program


@pytest.mark.check(points=3)
def test_application(stage: CheckStage) -> None:
    """A program asks for each name once, also for one that does not exist, and again when its seconds are over."""
    long, other, nothing = (named(stage, one) for one in ("LONG", "OTHER", "NOTHING"))
    right = {long: stage.value("FIRST"), other: stage.value("SECOND"), nothing: "no such name"}
    keep = float(stage.value("KEEP"))
    with stage.capture("alice") as capture:
        program = stage.talk("alice", REMEMBER, f"{keep:g}")

        def look_up(name: str) -> list[Query]:
            said = line_for(stage, program, name)
            stage.expect(f"what {REMEMBER} prints for {name}", said, right[name], layer=Layer.NAME)
            return questions(capture.so_far(), "alice", name, "A")

        stage.table(f"{REMEMBER} {keep:g} on alice")
        for name in (long, other, long, nothing, nothing, long, other, long):
            stage.row(line=name, prints=right[name], questions_about_it_so_far=len(look_up(name)))
        what = f"alice's questions about {long}"
        asked = expect_asked_again(stage, what, lambda: look_up(long), seconds=keep)
        if not in_time(asked, keep):  # a busy machine is late, but not each time
            with suppress(NotSeenError):
                enough = partial(is_enough, seconds=keep)
                asked = stage.until(what, lambda: look_up(long), enough, seconds=MORE * (keep + LATE), pause=PAUSE)
        gaps = ", ".join(f"{gap:.2f} s" for gap in seconds_between(asked))
        stage.row(line=f"{long}, again and again", prints=right[long], questions_about_it_so_far=f"again after {gaps}")
    hint = "it is told as its argument for how many seconds it may remember"
    expected = f"again {keep:g} s after the one before"
    stage.expect_that(what, in_time(asked, keep), observed=f"again {gaps} after", expected=expected, hint=hint)
    for name in right:
        asked = questions(capture.packets, "alice", name, "A")
        hint = "remember what was found, or that nothing was, and until when: SECONDS after it was asked for"
        expect_remembered(stage, asked, f"alice's questions about {name}", seconds=keep, hint=hint)


def in_time(asked: list[Query], seconds: float) -> bool:
    """Whether one of the questions came when the seconds after the one before were over, and not much later."""
    return any(EARLY * seconds <= gap <= seconds + SOON for gap in seconds_between(asked))


def is_enough(asked: list[Query], *, seconds: float) -> bool:
    """Whether more of them would tell nothing new."""
    return in_time(asked, seconds) or len(asked) > 1 + MORE


def line_for(stage: CheckStage, program: Talk, name: str) -> str:
    """What the program prints for a line of input."""
    program.tell(name)
    try:
        said = printable(stage.hear(program))
    except NotSeenError:
        said = ""
    if not said or said.startswith("Traceback"):
        fail_without_line(stage, program, name)
    return said


def fail_without_line(stage: CheckStage, program: Talk, name: str) -> NoReturn:
    """It printed nothing, or an error that it does not expect."""
    with suppress(NotSeenError):
        stage.until("its end", lambda: program.ended is not None, bool, seconds=LATE)
    text = program.text.strip()
    stage.fail(
        f"what {REMEMBER} prints for {name}",
        expected="a line, before the next one is read",
        observed=printable(text.splitlines()[-1])[:200] if program.ended and text else "nothing",
        layer=Layer.PROGRAM,
        hint="print(…, flush=True); and an error that getaddrinfo() raises is an answer too",
        evidence=[said_table(REMEMBER, text)],
    )


# ---------------------------------------------------------------- on a host, and on a server


@pytest.mark.check(points=2)
def test_system(stage: CheckStage) -> None:
    """At 127.0.0.1 it answers all programs of its host, and only for the first of them a question leaves the host."""
    stage.serve("carol", CACHE, LOOPBACK, NS, at=f"udp/{LOOPBACK}:53")
    names = [(named(stage, one), stage.value(address)) for one, address in (("LONG", "FIRST"), ("OTHER", "SECOND"))]
    with stage.capture("carol") as capture:
        for name, right in (names[0], names[0], names[1], names[0]):
            # A new process each time, trusted, with the C library's getaddrinfo().
            command = ("getent", "ahostsv4", name)
            done = stage.instance.wiring.command("carol", command, seconds=COMMAND_SECONDS)
            found = (done.stdout.decode(errors="replace").split() or ["not found"])[0]
            asked = len(questions(capture.so_far(), "carol"))
            stage.row(carol_runs=" ".join(command), finds=found, questions_that_left_so_far=asked)
            stage.expect(
                f"what a program of carol's finds for {name}",
                found,
                right,
                hint="an answer has the id of its question: messages.again() makes a remembered one fit",
                layer=Layer.NAME,
            )
    for name, _ in names:
        asked_for_it = questions(capture.packets, "carol", name)
        what = f"the questions about {name} that leave carol"
        expect_remembered(stage, asked_for_it, what, seconds=stage.number("TTL"), hint=OF_ANSWERS)


@pytest.mark.check(points=3)
def test_server(stage: CheckStage) -> None:
    """At an address of the network it answers all hosts, and asks once for each name and type, also for one that does
    not exist."""
    dual, nothing = named(stage, "DUAL"), named(stage, "NOTHING")
    stage.serve("cache", CACHE, stage.value("CACHE"), NS, at=f"udp/{stage.value('CACHE')}:53")
    wanted = ((dual, "A", stage.value("SECOND")), (dual, "AAAA", "2001:db8::80"), (nothing, "A", "NXDOMAIN"))
    with stage.capture("alice", "bob", "ns") as capture:
        for host in ("alice", "bob"):
            for name, kind, _ in wanted:
                ask(stage, host, name, kind)
    for host in ("alice", "bob"):
        for name, kind, _ in wanted:
            told = [words(one) for one in questions(capture.packets, host, name, kind)]
            at_ns = questions(capture.packets, "ns", name, kind)
            stage.row(host=host, asks=f"{name} {kind}", is_told=", ".join(told), such_questions_at_ns=len(at_ns))
    for name, kind, right in wanted:
        for host in ("alice", "bob"):
            told = [words(one) for one in questions(capture.packets, host, name, kind)]
            hint = "an answer has the name, the type and the id of its question: messages.question(), messages.again()"
            stage.expect(f"what {host} is told of {name} {kind}", ", ".join(told), right, hint=hint, layer=Layer.NAME)
        hint = (
            "remember that there is nothing too: messages.seconds() of such an answer is what the SOA says (RFC 2308)"
        )
        expect_remembered(
            stage,
            questions(capture.packets, "ns", name, kind),
            f"the questions about {name} {kind} that reach ns",
            seconds=NEGATIVE_TTL,
            hint=hint,
        )


def ask(stage: CheckStage, host: str, name: str, kind: str) -> None:
    """A question of a host's to the server that is handed in."""
    at = f"udp/{stage.value('CACHE')}:53"
    seen = stage.exchange(host, at, question(f"{name}.", kind, recursion=True))
    if seen.error:
        stage.explain(at, seen, what=f"the answer to {host}'s question about {name} {kind}", expected="one")


def words(one: Query) -> str:
    """What was answered, in short."""
    if one.answer is None:
        return NO_ANSWER
    if one.answer.rcode != "NOERROR":
        return one.answer.rcode
    return " ".join(f"{record.text}" for record in one.answer.records)[:200] or "no records"


@pytest.mark.check(points=2, needs=["server"])
def test_ttl(stage: CheckStage) -> None:
    """What is left of the TTL becomes less with time, for those who are told from memory; when it is over, it asks."""
    long, short, whole = named(stage, "LONG"), named(stage, "SHORT"), stage.number("TTL")
    stage.serve("cache", CACHE, stage.value("CACHE"), NS, at=f"udp/{stage.value('CACHE')}:53")
    with stage.capture("alice", "ns") as capture:
        ask(stage, "alice", long, "A")
        began = time.monotonic()

        def look() -> list[Query]:
            ask(stage, "alice", short, "A")
            return questions(capture.so_far(), "ns", short)

        at_ns = expect_asked_again(stage, f"the questions about {short} that reach ns", look, seconds=SHORT_TTL)
        stage.until("some time", lambda: time.monotonic() - began, lambda passed: passed > OLD, pause=PAUSE)
        ask(stage, "alice", long, "A")
    expect_remembered(
        stage,
        at_ns,
        f"the questions about {short} that reach ns",
        seconds=SHORT_TTL,
        hint="an answer is good for messages.seconds(answer)",
    )
    uses = [one for one in questions(capture.packets, "alice", short) if one.time < at_ns[1].time]
    last = (uses[-2].time - at_ns[0].time) / 1e9 if len(uses) > 1 else 0.0
    stage.row(name=f"{short}, TTL {SHORT_TTL}", last_told_from_memory=f"{last:.1f} s after ns was asked")
    stage.expect_that(
        f"when alice was last told of {short} from memory",
        last < SHORT_TTL + LATE,
        observed=f"{last:.1f} s after ns was asked",
        expected=f"within {SHORT_TTL} s, its TTL",
        layer=Layer.NAME,
    )
    expect_less(stage, questions(capture.packets, "alice", long), whole)


def expect_less(stage: CheckStage, asked: list[Query], whole: int) -> None:
    """The first time the whole TTL must be told, and the last time what is left of it."""
    first, last = asked[0], asked[-1]
    age = (last.time - first.time) / 1e9
    told = [[record.ttl for record in one.answer.records] if one.answer else [] for one in (first, last)]
    stage.table(f"the TTL of {first.name}")
    stage.row(when="at first", is_told=told[0])
    stage.row(when=f"{age:.1f} s later", is_told=told[1])
    stage.expect("the TTL that alice is told at first", told[0], [whole])
    left = range(max(0, whole - int(age) - 2), whole)
    stage.expect_that(
        f"the TTL that alice is told {age:.1f} s later",
        len(told[1]) == 1 and told[1][0] in left,
        observed=", ".join(map(str, told[1])) or NO_ANSWER,
        expected=f"{whole} less the seconds that have passed",
        hint="who is told the whole TTL remembers too long; messages.again(answer, query, age) lowers it by the age",
        layer=Layer.BYTES,
    )
