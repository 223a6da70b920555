"""What a check can do: all that a demonstration can, with a submission's programs, stopping at the first thing that is
not as asked, and saying at which layer it broke.

`judging` has what must be so, `programs` a submission's programs, and this module what clients of ours see of them,
what listens, and what gateways made of it. What looks at a submission's host from within is trusted, and runs as root.
"""

from __future__ import annotations

import json
from typing import NoReturn

from lab.checks import covers
from lab.errors import AgentError
from lab.grading import diagnosis
from lab.grading.conversation import PEER, Exchange, Read, as_bytes, asking, exchange, opening, program, script, shown
from lab.grading.diagnosis import Diagnosis
from lab.grading.judging import FailedError, said_table, short
from lab.grading.peer import Peer
from lab.grading.programs import Completed, Programs
from lab.grading.record import Layer
from lab.grading.running import Running
from lab.model import Endpoint
from lab.observe import Translation, listeners
from lab.readers import read_endpoint
from lab.stage import COMMAND_SECONDS, End, text_of

__all__ = ["CheckStage", "Completed", "Exchange", "FailedError", "Layer", "Peer", "Running", "said_table", "short"]

WAIT_SECONDS = 2.0
"""for an answer"""


class CheckStage(Programs):
    """A running lab for the time of one check."""

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
        steps = script(opening(to, source=source, wait=self.within(wait)), asking(send, read))
        done = self.instance.wiring.command(
            host, ("python3", "-I", "-S", "-c", program()), seconds=2 * wait + COMMAND_SECONDS, stdin=steps
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
            ended, printed = self.ended(server) or ("", self.printed(server))
            if printed:
                tables.append(said_table("the program", printed))
            asked = Endpoint(protocol=wanted.protocol, address=None, port=wanted.port) if listens else wanted
            broke = None if seen.data else diagnosis.of_listener(asked, found, ended=ended, host=server)
            if broke is not None:
                self.fail_at(broke, what, expected=expected, hint=hint, tables=tables)
        if seen.data or not seen.error:
            observed = shown(seen.data) if seen.data else "the end of the connection"
            if seen.error == "timeout":
                observed += ", and then neither more nor an end"
            broke = Diagnosis(layer=Layer.BYTES, observed=observed)
        else:
            broke = diagnosis.of_error(seen.error, connected=seen.own is not None, protocol=str(wanted.protocol))
        self.fail_at(broke, what, expected=expected, hint=hint, tables=tables)

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
        first = opening(read_endpoint(at), source=source, wait=self.within(wait))
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
