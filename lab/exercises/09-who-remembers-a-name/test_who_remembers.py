"""A name is remembered in a program, on a host for all of its programs, and on a server for all of its clients; in each
of these places for a time, and no longer. Judged by the questions that leave, each with its time."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
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
"""the same for what is used all the time, at the best of all tries"""
MORE = 3
STEADY = 0.9
"""The part of its time within which something must be used again, to be in use all the time."""
SETTLED_SECONDS = 10.0
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


class InUse:
    """Something that is used again and again, and what is asked for meanwhile.

    That it was asked for again says something only if it was in use all the time: what is remembered for some seconds
    after its last use is forgotten, if that was longer ago, because the machine is busy.
    """

    def __init__(self, stage: CheckStage, what: str, look: Callable[[], list[Query]], *, seconds: float) -> None:
        self._stage = stage
        self._what = what
        self._look = look
        self._seconds = seconds
        self._asked: list[Query] = []
        self._known = 0.0
        """when the last question was seen"""
        self._used = 0.0
        """when the last use began"""
        self._was_in_use = True
        """since the last question"""
        self.is_overdue = False
        """it was used long after its time, and nothing was asked"""
        self.gaps: list[float] = []
        """seconds between questions, where it was in use all the time between them"""

    def use(self) -> list[Query]:
        """Use it once more; all questions so far."""
        began = time.monotonic()
        asked = self._look()
        ended = time.monotonic()
        if self._asked and ended - self._used > STEADY * self._seconds:
            self._was_in_use = False
        if len(asked) > len(self._asked):
            self.gaps += seconds_between(asked)[-1:] if self._was_in_use else []
            self._was_in_use, self._known = True, ended
        elif began - self._known > self._seconds + LATE:
            self.is_overdue = True
        self._asked, self._used = asked, began
        return asked

    def expect_asked_again(self, *, late: float) -> None:
        """Use it until it was asked for again, when its seconds were over and at most so many seconds late. A busy
        machine is later, but not each time."""

        def fits() -> bool:
            return any(EARLY * self._seconds <= gap <= self._seconds + late for gap in self.gaps)

        def settled(_: object) -> bool:
            return fits() or self.is_overdue or len(self.gaps) > MORE

        try:
            self._stage.until(self._what, self.use, settled, seconds=SETTLED_SECONDS, pause=PAUSE)
        except NotSeenError:
            self._stage.fail(
                "uses of what is remembered",
                expected=f"several in {self._seconds:g} s",
                observed=f"one in more than {STEADY * self._seconds:.2f} s, again and again",
                layer=Layer.PROGRAM,
                hint="does the program wait before it answers? Or is this machine very busy? Then check again",
            )
        again = f"again {', '.join(f'{gap:.2f} s' for gap in self.gaps)} after the one before"
        self._stage.expect_that(
            self._what,
            fits(),
            observed=again if self.gaps else f"{len(self._asked)}, and uses of it for more than {self._seconds:g} s",
            expected=f"again {self._seconds:g} s after the one before",
            hint="not less, and not more; they count from the question, and that it is used makes it no fresher",
            layer=Layer.NAME,
        )


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
        in_use = InUse(stage, f"alice's questions about {long}", lambda: look_up(long), seconds=keep)
        for name in (long, other, long, nothing, nothing, long, other, long):
            asked = in_use.use() if name == long else look_up(name)
            stage.row(line=name, prints=right[name], questions_about_it_so_far=len(asked))
        for name in right:
            hint = "remember what was found, or that nothing was, and until when: SECONDS after it was asked for"
            asked = questions(capture.so_far(), "alice", name, "A")
            expect_remembered(stage, asked, f"alice's questions about {name}", seconds=keep, hint=hint)
        in_use.expect_asked_again(late=SOON)


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
        is_there = right != "NXDOMAIN"
        expect_remembered(
            stage,
            questions(capture.packets, "ns", name, kind),
            f"the questions about {name} {kind} that reach ns",
            seconds=stage.number("TTL") if is_there else NEGATIVE_TTL,
            hint=OF_ANSWERS if is_there else OF_NOTHING,
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

        in_use = InUse(stage, f"the questions about {short} that reach ns", look, seconds=SHORT_TTL)
        in_use.expect_asked_again(late=LATE)
        stage.until("some time", lambda: time.monotonic() - began, lambda passed: passed > OLD, pause=PAUSE)
        ask(stage, "alice", long, "A")
    at_ns, what = questions(capture.packets, "ns", short), f"the questions about {short} that reach ns"
    expect_remembered(stage, at_ns, what, seconds=SHORT_TTL, hint=OF_ANSWERS)
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
