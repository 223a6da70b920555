"""A client of ours in a conversation with a program of a submission."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lab.errors import AgentError
from lab.grading.conversation import Exchange, Read, Step, as_bytes, asking, exchange, shown
from lab.stage import End, NotSeenError
from lab.talk import Talk

if TYPE_CHECKING:
    from lab.grading.stage import CheckStage


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

    def empty(self, *, read: Read = "") -> Exchange:
        """Send a datagram without content, and read. `ask` without content sends none."""
        own = self.own
        return exchange([{}, self._step({"empty": True, "read": read})], own=own)

    def shut(self, *, read: Read = "") -> Exchange:
        """End our half of the connection, and read what still comes."""
        own = self.own
        return exchange([{}, self._step({"shut": True, "read": read})], own=own)

    def reset(self) -> None:
        """Break the connection off: the other side gets a reset (RFC 9293 §3.10.5, ABORT)."""
        own = self.own
        broken = exchange([{}, self._step({"reset": True})], own=own)
        if broken.error:
            raise AgentError(f"a client on {self.host} could not break off: {broken.error}")

    def close(self) -> None:
        """Close the socket."""
        self._talk.close()
