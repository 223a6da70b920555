"""What a check can do: all that a demonstration can, with a submission's programs, stopping at the first thing that is
not as asked, and saying at which layer it broke.

A submission's files lie in ~/submission of a host, and are run there as its exercise says. Other programs, ours and
those that come with the exercise, lie in ~/programs, and never run beside a submission's, which could interfere with
them: same user, same host. What looks at a submission's host from within is trusted, and runs as root (`exchange`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

from lab import waiting
from lab.checks import covers
from lab.errors import AgentError, UsageError
from lab.evidence import Table
from lab.grading import diagnosis
from lab.grading.conversation import (
    PEER,
    Exchange,
    Read,
    Step,
    as_bytes,
    asking,
    exchange,
    opening,
    program,
    script,
    shown,
)
from lab.grading.diagnosis import Diagnosis
from lab.grading.record import Layer
from lab.grading.running import Running
from lab.grading.submission import Submission
from lab.live import Instance, Printed, Traced
from lab.model import Endpoint
from lab.observe import Socket, Translation, listeners
from lab.observe.syscalls import Call
from lab.readers import read_endpoint
from lab.stage import COMMAND_SECONDS, PAUSE, RUN_SECONDS, SEEN_SECONDS, End, NotSeenError, Stage, text_of
from lab.talk import Talk
from lab.text import printable

SUBMISSION = "submission"
WAIT_SECONDS = 2.0
"""for an answer"""
ELSEWHERE_SECONDS = 0.5
"""A program that has listened elsewhere for so long is not waited for any more."""
LAST_LINES = 12
MOST_TEXT = 2000


class FailedError(Exception):
    """A submission does not do what was asked."""

    def __init__(
        self,
        what: str,
        *,
        expected: object,
        observed: object,
        layer: Layer | None = None,
        hint: str = "",
        evidence: Iterable[Table] = (),
    ) -> None:
        super().__init__(f"{what}: expected {expected}, observed {observed}")
        self.what = what
        self.expected = short(expected)
        self.observed = short(observed)
        self.layer = layer
        self.hint = hint
        self.evidence = tuple(evidence)


def short(value: object) -> str:
    """A value in words, cut if it is long: a submission may have made it."""
    if isinstance(value, bytes):
        value = repr(value)[1:]
    text = str(value)
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]} … ({len(text)} characters)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Completed:
    """A program that ran to its end: its lines are what tests look at, as people would."""

    status: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Both outputs."""
        return (self.out + self.err).strip()

    @property
    def lines(self) -> list[str]:
        """The lines of its standard output, without those that are empty."""
        return lines_in(self.out)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Started:
    file: str
    name: str


class CheckStage(Stage):
    """A running lab for the time of one check."""

    def __init__(
        self,
        instance: Instance,
        programs: Mapping[str, bytes],
        *,
        submission: Submission,
        values: Mapping[str, str],
        seconds: float,
    ) -> None:
        super().__init__(instance, programs)
        self.submission = submission
        self.values = values
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._theirs: dict[str, str] = {}
        self._started: dict[str, list[_Started]] = {}

    # ------------------------------------------------------------------------------------- values

    def value(self, name: str) -> str:
        """A variable of the exercise, as it is for this variant. Raises UsageError."""
        if name not in self.values:
            raise UsageError(f"expected a variable of the exercise, found {name!r}: there are {', '.join(self.values)}")
        return self.values[name]

    def number(self, name: str) -> int:
        """A variable that is a number. Raises UsageError."""
        return int(self.value(name))

    # --------------------------------------------------------------------------------- judgements

    def fail(
        self,
        what: str,
        *,
        expected: object,
        observed: object,
        layer: Layer | None = None,
        hint: str = "",
        evidence: Iterable[Table] = (),
    ) -> NoReturn:
        """End the check: the submission does not do what was asked."""
        raise FailedError(what, expected=expected, observed=observed, layer=layer, hint=hint, evidence=evidence)

    def expect(
        self, what: str, observed: object, expected: object, *, hint: str = "", layer: Layer | None = None
    ) -> None:
        """It must be equal."""
        super().expect(what, observed, expected)
        if observed != expected:
            self.fail(what, expected=expected, observed=observed, hint=hint, layer=layer)

    def expect_in(
        self, what: str, observed: int, expected: range, *, hint: str = "", layer: Layer | None = None
    ) -> None:
        """It must be a number of a range."""
        super().expect_in(what, observed, expected)
        if observed not in expected:
            named = f"from {expected.start} to {expected.stop - 1}"
            self.fail(what, expected=named, observed=observed, hint=hint, layer=layer)

    def expect_that(
        self,
        what: str,
        holds: bool,
        *,
        observed: object,
        expected: object,
        hint: str = "",
        layer: Layer | None = None,
    ) -> None:
        """It must be true; `expected` says what would make it so."""
        super().expect_that(what, holds, observed=observed, expected=expected)
        if not holds:
            self.fail(what, expected=expected, observed=observed, hint=hint, layer=layer)

    # --------------------------------------------------------------------------------------- time

    def _within(self, seconds: float) -> float:
        """At most so long, and not longer than the check may take."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            self.fail(
                "the time of the check",
                expected=f"an end within {self._seconds:g} s",
                observed="it goes on",
                layer=Layer.PROGRAM,
                hint="is a socket read that nobody writes to?",
            )
        return min(seconds, left)

    def until(
        self,
        what: str,
        look: Any,
        wanted: Any,
        *,
        seconds: float = SEEN_SECONDS,
        pause: float = PAUSE,
    ) -> Any:
        """See Stage."""
        return super().until(what, look, wanted, seconds=self._within(seconds), pause=pause)

    def hear(self, talk: Talk, *, seconds: float = SEEN_SECONDS) -> str:
        """See Stage."""
        return super().hear(talk, seconds=self._within(seconds))

    # ----------------------------------------------------------------------------------- programs

    @cached_property
    def _handed(self) -> dict[str, tuple[str, ...]]:
        return {one.asked: one.command for one in self.submission.handed}

    def command_of(self, host: str, file: str) -> tuple[tuple[str, ...], str]:
        """How a program is called in a host, without its arguments, and in which folder."""
        theirs = file in self._handed
        if not theirs and file not in self.programs:
            raise UsageError(f"expected a file of the submission or a given program, found {file}")
        if self._started.get(host) and not theirs:
            raise UsageError(f"{file} would run on {host} beside programs of the submission, which could interfere")
        if not theirs:
            return ("python3", file), self.folder(host)
        self._started.setdefault(host, [])
        if host not in self._theirs:
            files = {one.name: one.data for one in self.submission.handed}
            self._theirs[host] = self.instance.deploy(host, folder=SUBMISSION, files=files)
        return self._handed[file], self._theirs[host]

    def complete(
        self, host: str, file: str, *words: object, stdin: str = "", seconds: float = RUN_SECONDS, hint: str = ""
    ) -> Completed:
        """Run a program to its end. The check fails if there is none in time, or too much output."""
        argv, cwd = self._words(host, file, words)
        within = self._within(seconds)
        printed = self.instance.run(host, argv, cwd=cwd, stdin=stdin.encode(), seconds=within)
        return self._completed(host, file, printed, within, hint)

    def traced(
        self, host: str, file: str, *words: object, seconds: float = RUN_SECONDS, hint: str = ""
    ) -> tuple[Completed, tuple[Call, ...]]:
        """Run a program to its end, as `complete` does, and its system calls, seen from outside."""
        argv, cwd = self._words(host, file, words)
        within = self._within(seconds)
        traced = self.instance.trace(host, argv, cwd=cwd, seconds=within)
        return self._completed(host, file, traced, within, hint), traced.calls

    def trace(self, host: str, file: str, *words: object) -> tuple[Call, ...]:
        """See `traced`."""
        return self.traced(host, file, *words)[1]

    def _completed(self, host: str, file: str, printed: Printed | Traced, within: float, hint: str) -> Completed:
        """What a program printed that has come to its end; the check fails if it was ended."""
        done = Completed(
            status=printed.ended.status,
            out=printed.stdout.decode(errors="replace"),
            err=printed.stderr.decode(errors="replace"),
        )
        reason = printed.ended.reason
        if reason and file not in self._handed:
            raise AgentError(f"{file} on {host} was ended: {reason}")
        if reason:
            expected, observed = diagnosis.of_end(reason, within=within, characters=len(done.out + done.err))
            said = said_table(file, done.text)
            self.fail(
                f"{file} on {host}",
                expected=expected,
                observed=observed,
                layer=Layer.PROGRAM,
                hint=hint,
                evidence=[said],
            )
        return done

    def run(self, host: str, file: str, *words: object, stdin: str = "", seconds: float = RUN_SECONDS) -> str:
        """Run a program to its end; all that it printed. See `complete`."""
        return self.complete(host, file, *words, stdin=stdin, seconds=seconds).text

    def expect_lines(
        self, host: str, file: str, *words: object, expected: Iterable[str], hint: str = "", what: str = ""
    ) -> Completed:
        """Run a program to its end: the lines of its standard output must be these."""
        done = self.complete(host, file, *words)
        wanted = list(expected)
        self.table(what or f"{file} on {host}")
        for line in done.lines or ["nothing"]:
            self.row(printed=printable(line))
        if done.lines != wanted:
            self.fail(
                what or f"what {file} prints on {host}",
                expected="\n".join(wanted),
                observed="\n".join(done.lines) or _ending(done),
                layer=Layer.BYTES if done.lines else Layer.PROGRAM,
                hint=hint,
                evidence=[said_table(file, done.text)],
            )
        return done

    def start(self, host: str, file: str, *words: object) -> str:
        """Start a program that stays; the name under which it runs."""
        argv, cwd = self._words(host, file, words)
        name = self.instance.start(host, argv, name=file.partition(".")[0], cwd=cwd)
        if file in self._handed:
            self._started[host].append(_Started(file=file, name=name))
        return name

    def running(self, host: str, file: str, *words: object) -> Running:
        """Start a program of the submission; what it prints, and how it ends."""
        name = self.start(host, file, *words)
        return Running(self, host=host, file=file, name=name, within=self._within)

    def serve(self, host: str, file: str, *words: object, at: str, hint: str = "") -> str:
        """Start a server and wait until PROTOCOL/ADDRESS:PORT reaches its listener, which may be one at the wildcard
        address; its name. The check fails if that does not come to be, and says why not."""
        if file not in self._handed:
            try:
                return super().serve(host, file, *words, at=at)
            except NotSeenError as error:
                raise AgentError(f"{error.what}: {error.observed}") from error
        name = self.start(host, file, *words)
        self.expect_listening(host, at, hint=hint)
        return name

    def lines_of(self, host: str, name: str, count: int) -> list[str]:
        """What a started program has printed, as soon as it is `count` lines, it has ended, or has had its time.

        A traceback is waited for until it is whole.
        """

        def look() -> tuple[str, bool]:
            output = self.instance.output(host, name)
            return output.text.decode(errors="replace"), bool(output.end)

        def enough(seen: tuple[str, bool]) -> bool:
            text, ended = seen
            return ended or (len(lines_in(text)) >= count and not diagnosis.is_broken_off(text))

        return lines_in(waiting.until(look, enough, seconds=self._within(SEEN_SECONDS), pause=PAUSE)[0])

    def expect_listening(self, host: str, at: str, *, hint: str = "") -> None:
        """Something must listen on a host before long, so that packets to PROTOCOL/ADDRESS:PORT reach it."""
        wanted = read_endpoint(at)
        ready = Elsewhere(wanted)

        def look() -> tuple[Socket, ...]:
            return self.sockets(host)

        def settled(found: tuple[Socket, ...]) -> bool:
            return ready.settled(found) or bool(self._ended(host))

        found = waiting.until(look, settled, seconds=self._within(SEEN_SECONDS), pause=PAUSE)
        ended, printed = self._ended(host) or ("", "")
        broke = diagnosis.of_listener(wanted, found, ended=ended, host=host)
        if broke is not None:
            tables = [diagnosis.listener_table(host, found)]
            if printed:
                tables.append(said_table("the program", printed))
            self._failed(broke, f"a listener on {host}", expected=at, hint=hint, tables=tables)

    def _ended(self, host: str) -> tuple[str, str] | None:
        """How the first program of the submission on a host has ended, and what it printed; None if all run."""
        for one in self._started.get(host, []):
            output = self.instance.output(host, one.name)
            if output.end:
                text = output.text.decode(errors="replace").strip()
                last = text.splitlines()[-1:]
                return ": ".join([output.end, *map(printable, last)]), text
        return None

    def _failed(
        self, broke: Diagnosis, what: str, *, expected: object, hint: str, tables: Iterable[Table] = ()
    ) -> NoReturn:
        self.fail(
            what,
            expected=expected,
            observed=broke.observed,
            layer=broke.layer,
            hint=hint or broke.hint,
            evidence=tables,
        )

    # ---------------------------------------------------------------------------------- listeners

    def expect_listeners(self, host: str, *wanted: str, hint: str = "") -> None:
        """These, PROTOCOL/ADDRESS:PORT, must be all endpoints at which something listens on a host, seen from outside.

        What the lab's own programs listen at is not counted.
        """
        expected = frozenset(map(read_endpoint, wanted))
        ready = {one for program in self.instance.host(host).programs for one in program.ready}
        found = self.sockets(host)
        there = frozenset(one for one in listeners(found) if not any(covers(one, other) for other in ready))
        self.evidence.check(
            f"listeners of {host}",
            expected=diagnosis.ends_of(expected),
            observed=diagnosis.ends_of(there),
            holds=there == expected,
        )
        table = diagnosis.listener_table(host, found)
        self.table(table.title)
        for row in table.rows:
            self.row(**dict(zip(table.columns, row, strict=True)))
        if there != expected:
            missing, more = expected - there, there - expected
            wild = any(one.address is not None and one.address.is_unspecified for one in more)
            self.fail(
                f"what listens on {host}",
                expected=diagnosis.ends_of(expected),
                observed=diagnosis.ends_of(there),
                layer=Layer.NO_LISTENER if missing and not more else Layer.WRONG_ADDRESS,
                hint=hint or ("a socket bound to 0.0.0.0 or :: listens at every address" if wild else ""),
            )

    # -------------------------------------------------------------------------------- our clients

    def exchange(
        self,
        host: str,
        at: str,
        send: bytes | str = b"",
        *,
        read: Read = "line",
        source: End | None = None,
        wait: float = WAIT_SECONDS,
    ) -> Exchange:
        """Be a client in a host: connect to PROTOCOL/ADDRESS:PORT, send, read. It is trusted, whatever else runs there.

        Over TCP it reads as `read` says; over UDP one datagram.
        """
        to = read_endpoint(at)
        steps = script(opening(to, source=source, wait=self._within(wait)), asking(send, read))
        done = self.instance.wiring.command(
            host, ("python3", "-I", "-c", program()), seconds=2 * wait + COMMAND_SECONDS, stdin=steps
        )
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        if done.status or not answers:
            raise AgentError(f"a client on {host} ended: {done.stderr.decode(errors='replace').strip()[-500:]}")
        return exchange(answers)

    def expect_answer(
        self,
        host: str,
        at: str,
        send: bytes | str,
        expected: bytes | str,
        *,
        read: Read = "line",
        source: End | None = None,
        what: str = "",
        hint: str = "",
        listens: str = "",
    ) -> Exchange:
        """A client in a host sends, and must read exactly that. `listens` is the host whose listener is looked at if it
        does not: by default the one that has the address."""
        wanted = as_bytes(expected)
        seen = self.exchange(host, at, send, read=read, source=source)
        own = text_of(seen.own) if seen.own else ""
        what = what or f"what {host} reads from {at}"
        self.table(f"{host} asks {at}")
        self.row(own_end=own, sent=shown(send), read=shown(seen.data), error=seen.error)
        self.evidence.check(what, expected=shown(wanted), observed=shown(seen.data), holds=seen.data == wanted)
        if seen.data != wanted:
            self.explain(at, seen, what=what, expected=shown(wanted), hint=hint, listens=listens)
        return seen

    def explain(
        self,
        at: str,
        seen: Exchange,
        *,
        what: str,
        expected: object,
        hint: str = "",
        listens: str = "",
    ) -> NoReturn:
        """End the check, because a client did not see what was expected, and say where it broke first."""
        wanted = read_endpoint(at)
        server = listens or self._host_of(wanted)
        tables = []
        if server:
            found = self.sockets(server)
            tables.append(diagnosis.listener_table(server, found))
            ended, printed = self._ended(server) or ("", "")
            if printed:
                tables.append(said_table("the program", printed))
            asked = Endpoint(protocol=wanted.protocol, address=None, port=wanted.port) if listens else wanted
            broke = None if seen.data else diagnosis.of_listener(asked, found, ended=ended, host=server)
            if broke is not None:
                self._failed(broke, what, expected=expected, hint=hint, tables=tables)
        if seen.data or not seen.error:
            observed = shown(seen.data) if seen.data else "the end of the connection"
            if seen.error == "timeout":
                observed += ", and then neither more nor an end"
            broke = Diagnosis(layer=Layer.BYTES, observed=observed)
        else:
            broke = diagnosis.of_error(seen.error, connected=seen.own is not None, protocol=str(wanted.protocol))
        self._failed(broke, what, expected=expected, hint=hint, tables=tables)

    def expect_refused(self, host: str, at: str, *, control: str, hint: str = "") -> None:
        """A client in a host must be refused there, while it reaches `control`: without that nothing was shown."""
        reached = self.exchange(host, control, read="")
        if reached.error:
            self.explain(control, reached, what=f"{host} reaching {control}", expected="a connection")
        seen = self.exchange(host, at, b"?" if at.startswith("udp/") else b"", read="line", wait=0.5)
        observed = seen.error or f"an answer: {shown(seen.data)}"
        if at.startswith("tcp/") and seen.own is not None:
            observed = "a connection"
        self.table(f"{host} tries both")
        self.row(at=control, observed="a connection")
        self.row(at=at, observed=observed)
        self.expect(f"{host} connecting to {at}", observed, "ECONNREFUSED", hint=hint, layer=Layer.WRONG_ADDRESS)

    def peer(self, host: str, at: str, *, source: End | None = None, wait: float = WAIT_SECONDS) -> Peer:
        """A client in a host that stays, for a conversation. Not beside programs of the submission."""
        first = opening(read_endpoint(at), source=source, wait=self._within(wait))
        return Peer(self, host, at, self.talk(host, PEER), first)

    def _host_of(self, endpoint: Endpoint) -> str:
        """The host that has an address, "" if none has."""
        for host in self.instance.lab.hosts:
            for interface in host.interfaces:
                if any(one.ip == endpoint.address for one in interface.addresses):
                    return host.name
        return ""

    # -------------------------------------------------------------------------------- translation

    def expect_translated(
        self, gateway: str, protocol: str, *, client: str, own: str, seen: str, server: str = "server", hint: str = ""
    ) -> Translation:
        """A connection's three views must agree: its client's own ADDRESS:PORT, the gateway's entry for it, and the
        ADDRESS:PORT that the server saw."""
        entry = self.translation(gateway, protocol, own)
        after = text_of(entry.source_translated) if entry else "no entry"
        self.table("one connection, three views")
        self.row(seen_by=f"{client} (its own socket)", client=own)
        self.row(seen_by=f"{gateway} (its entry)", client=f"{own} -> {after}" if entry else f"no entry for {own}")
        self.row(seen_by=f"{server} (its peer)", client=seen)
        self.evidence.check("the views agree", expected=after, observed=seen, holds=after == seen)
        if entry is None:
            self.fail(
                f"the entry of {gateway} for {own}",
                expected="one",
                observed="none",
                layer=Layer.TRANSLATED,
                hint=hint or f"`lab nat {gateway}` shows its entries",
            )
        if after != seen:
            self.fail(
                "the client's address and port behind the NAT",
                expected=after,
                observed=seen,
                layer=Layer.TRANSLATED,
                hint=hint,
            )
        return entry


class Elsewhere:
    """Whether it is settled that something listens where it should, or at the same port elsewhere, and stays there."""

    def __init__(self, wanted: Endpoint) -> None:
        self.wanted = wanted
        self._since: float | None = None

    def settled(self, found: tuple[Socket, ...]) -> bool:
        """See above."""
        there = [one for one in listeners(found) if one.port == self.wanted.port]
        if any(diagnosis.serves(one, self.wanted) for one in there):
            return True
        if not there:
            self._since = None
            return False
        self._since = self._since or time.monotonic()
        return time.monotonic() - self._since > ELSEWHERE_SECONDS


class Peer:
    """A client of ours in a conversation with a program of the submission."""

    def __init__(self, stage: CheckStage, host: str, at: str, talk: Talk, first: Step) -> None:
        self._stage = stage
        self._talk = talk
        self.host = host
        self.at = at
        self.opened = exchange([self._step(first)])
        """how the connection came to be; `error` if it did not"""

    def _step(self, step: Step) -> Step:
        self._talk.tell(json.dumps(step))
        try:
            return dict(json.loads(self._stage.hear(self._talk)))
        except (NotSeenError, ValueError) as error:
            raise AgentError(
                f"a client on {self.host} said nothing that can be read: {self._talk.text[-200:]}"
            ) from error

    @property
    def own(self) -> End:
        """Its own end. The check fails if it is not connected."""
        if self.opened.own is None:
            self._stage.explain(
                self.at, self.opened, what=f"{self.host} connecting to {self.at}", expected="a connection"
            )
        return self.opened.own

    def ask(self, send: bytes | str = b"", *, read: Read = "line") -> Exchange:
        """Send, and read."""
        own = self.own
        return exchange([{}, self._step(asking(send, read))], own=own)

    def expect(
        self, send: bytes | str, expected: bytes | str, *, read: Read = "line", what: str = "", hint: str = ""
    ) -> Exchange:
        """Send, and read exactly that."""
        wanted = as_bytes(expected)
        seen = self.ask(send, read=read)
        what = what or f"what {self.host} reads from {self.at}"
        self._stage.evidence.check(what, expected=shown(wanted), observed=shown(seen.data), holds=seen.data == wanted)
        if seen.data != wanted:
            self._stage.explain(self.at, seen, what=what, expected=shown(wanted), hint=hint)
        return seen

    def shut(self, *, read: Read = "") -> Exchange:
        """End our half of the connection, and read what still comes."""
        own = self.own
        return exchange([{}, self._step({"shut": True, "read": read})], own=own)

    def close(self) -> None:
        """Close the socket."""
        self._talk.close()


def lines_in(text: str) -> list[str]:
    """Its lines, without those that are empty."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def said_table(program: str, text: str) -> Table:
    """The last lines that a program printed, as evidence."""
    lines = [printable(line.expandtabs())[:200] for line in text.splitlines() if line.strip()][-LAST_LINES:]
    return Table(
        title=f"{program} printed last", columns=("line",), rows=tuple((line,) for line in lines or ["nothing"])
    )


def _ending(done: Completed) -> str:
    last = done.err.strip().splitlines()[-1:]
    return ": ".join([f"nothing, exit status {done.status}", *map(printable, last)])
