"""A submission's programs in the hosts of a lab: put there, run, started, waited for, and what they printed.

Its files lie in ~/submission of a host, and are run there as its exercise says. Other programs, ours and those that
come with the exercise, lie in ~/programs, and are run in no host in which one of the submission was: they could be
interfered with, by the same user in the same host.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn

from lab import waiting
from lab.errors import AgentError, UsageError
from lab.evidence import Table
from lab.grading import diagnosis
from lab.grading.diagnosis import Diagnosis
from lab.grading.judging import Judging, lines_in, said_table
from lab.grading.record import Layer
from lab.grading.running import Running
from lab.grading.submission import Submission
from lab.live import Instance, Printed, Traced
from lab.model import Endpoint
from lab.observe import Socket, listeners
from lab.observe.syscalls import Call
from lab.readers import read_endpoint
from lab.stage import PAUSE, RUN_SECONDS, SEEN_SECONDS, NotSeenError
from lab.text import printable

SUBMISSION = "submission"
ELSEWHERE_SECONDS = 0.5
"""A program that has listened elsewhere for so long is not waited for any more."""


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


class Programs(Judging):
    """A running lab for the time of one check, with a submission's programs."""

    def __init__(
        self,
        instance: Instance,
        programs: Mapping[str, bytes],
        *,
        submission: Submission,
        values: Mapping[str, str],
        seconds: float,
    ) -> None:
        super().__init__(instance, programs, values=values, seconds=seconds)
        self.submission = submission
        self._theirs: dict[str, str] = {}
        """the folder of the submission in each host where it was put"""
        self._started: dict[str, list[_Started]] = {}

    # ----------------------------------------------------------------------------------- programs

    @cached_property
    def _handed(self) -> dict[str, tuple[str, ...]]:
        return {one.asked: one.command for one in self.submission.handed}

    def command_of(self, host: str, file: str) -> tuple[tuple[str, ...], str]:
        """How a program is called in a host, without its arguments, and in which folder."""
        theirs = file in self._handed
        if not theirs and file not in self.programs:
            raise UsageError(f"expected a file of the submission or a given program, found {file}")
        if host in self._theirs and not theirs:
            raise UsageError(f"{file} would run on {host} beside programs of the submission, which could interfere")
        if not theirs:
            return ("python3", file), self.folder(host)
        if host not in self._theirs:
            files = {one.name: one.data for one in self.submission.handed}
            self._theirs[host] = self.instance.deploy(host, folder=SUBMISSION, files=files)
        return self._handed[file], self._theirs[host]

    def complete(
        self, host: str, file: str, *words: object, stdin: str = "", seconds: float = RUN_SECONDS, hint: str = ""
    ) -> Completed:
        """Run a program to its end. The check fails if there is none in time, or too much output."""
        argv, cwd = self._words(host, file, words)
        within = self.within(seconds)
        printed = self.instance.run(host, argv, cwd=cwd, stdin=stdin.encode(), seconds=within)
        return self._completed(host, file, printed, within, hint)

    def traced(
        self, host: str, file: str, *words: object, seconds: float = RUN_SECONDS, hint: str = ""
    ) -> tuple[Completed, tuple[Call, ...]]:
        """Run a program to its end, as `complete` does, and its system calls, seen from outside."""
        argv, cwd = self._words(host, file, words)
        within = self.within(seconds)
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
            self._started.setdefault(host, []).append(_Started(file=file, name=name))
        return name

    def stop(self, host: str, name: str) -> None:
        """End a program that was started: it is not missed."""
        self.instance.stop(host, name)
        if host in self._started:
            self._started[host] = [one for one in self._started[host] if one.name != name]

    def running(self, host: str, file: str, *words: object) -> Running:
        """Start a program of the submission; what it prints, and how it ends."""
        name = self.start(host, file, *words)
        return Running(self, host=host, file=file, name=name)

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

        return lines_in(waiting.until(look, enough, seconds=self.within(SEEN_SECONDS), pause=PAUSE)[0])

    def expect_listening(self, host: str, at: str, *, hint: str = "") -> None:
        """Something must listen on a host before long, so that packets to PROTOCOL/ADDRESS:PORT reach it."""
        wanted = read_endpoint(at)
        ready = _Elsewhere(wanted)

        def look() -> tuple[Socket, ...]:
            return self.sockets(host)

        def settled(found: tuple[Socket, ...]) -> bool:
            return ready.settled(found) or bool(self.ended(host))

        found = waiting.until(look, settled, seconds=self.within(SEEN_SECONDS), pause=PAUSE)
        ended, printed = self.ended(host) or ("", "")
        broke = diagnosis.of_listener(wanted, found, ended=ended, host=host)
        if broke is not None:
            tables = [diagnosis.listener_table(host, found)]
            if printed:
                tables.append(said_table("the program", printed))
            self.fail_at(broke, f"a listener on {host}", expected=at, hint=hint, tables=tables)

    def ended(self, host: str) -> tuple[str, str] | None:
        """How the first program of the submission on a host has ended, and what it printed; None if all run."""
        for one in self._started.get(host, []):
            output = self.instance.output(host, one.name)
            if output.end:
                text = output.text.decode(errors="replace").strip()
                last = text.splitlines()[-1:]
                return ": ".join([output.end, *map(printable, last)]), text
        return None

    def printed(self, host: str) -> str:
        """What the programs of the submission that run on a host printed last, such as a thread's error."""
        return "\n".join(filter(None, (self.output(host, one.name) for one in self._started.get(host, []))))

    def fail_at(
        self, broke: Diagnosis, what: str, *, expected: object, hint: str, tables: Iterable[Table] = ()
    ) -> NoReturn:
        """End the check at the layer that broke; a `hint` of the check's own comes before the diagnosis'."""
        self.fail(
            what,
            expected=expected,
            observed=broke.observed,
            layer=broke.layer,
            hint=hint or broke.hint,
            evidence=tables,
        )


class _Elsewhere:
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


def _ending(done: Completed) -> str:
    last = done.err.strip().splitlines()[-1:]
    return ": ".join([f"nothing, exit status {done.status}", *map(printable, last)])
