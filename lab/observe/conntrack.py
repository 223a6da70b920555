"""The text of conntrack(8) -> Translation. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

from lab.model import Address
from lab.observe.unreadable import UnreadableError


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """One direction of a conntrack entry: source and destination."""

    source: Address
    source_port: int
    destination: Address
    destination_port: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Translation:
    """A conntrack entry (conntrack(8)): how a connection looks before and behind the gateway.

    `original` is the first packet as its sender made it, `reply` is what the answer looks like when it
    reaches the gateway: its destination is the translated source.
    """

    protocol: str
    original: Flow
    reply: Flow
    state: str = ""
    seconds_left: int = 0
    flags: tuple[str, ...] = ()

    @property
    def inside(self) -> tuple[Address, int]:
        """The end behind the gateway, as it knows itself: who began, or whom a forward leads to."""
        return self._answerer if self.destination_is_translated else self.source

    @property
    def outside(self) -> tuple[Address, int]:
        """The same end as it is known on the other side: its translated source, or the port that is forwarded."""
        return self._asked if self.destination_is_translated else self.source_translated

    @property
    def peer(self) -> tuple[Address, int]:
        """The other end."""
        return self.source if self.destination_is_translated else self._answerer

    @property
    def source(self) -> tuple[Address, int]:
        """Whence the connection was begun, as whoever began it knows."""
        return self.original.source, self.original.source_port

    @property
    def source_translated(self) -> tuple[Address, int]:
        """The source that the answerer sees; the same as `source` without source NAT."""
        return self.reply.destination, self.reply.destination_port

    @property
    def source_is_translated(self) -> bool:
        """Whether source NAT took place."""
        return self.source != self.source_translated

    @property
    def is_translated(self) -> bool:
        """Whether either took place; conntrack follows connections that only pass, or end here, as well."""
        return self.source_is_translated or self.destination_is_translated

    @property
    def destination_is_translated(self) -> bool:
        """Whether destination NAT (a port forward) took place."""
        return self._answerer != self._asked

    @property
    def _asked(self) -> tuple[Address, int]:
        return self.original.destination, self.original.destination_port

    @property
    def _answerer(self) -> tuple[Address, int]:
        # ICMP has one identifier for both ends: that of the reply is the translated source's.
        port = self.original.destination_port if self.protocol.startswith("icmp") else self.reply.source_port
        return self.reply.source, port


class EventKind(StrEnum):
    """What happened to an entry."""

    NEW = "NEW"
    UPDATE = "UPDATE"
    DESTROY = "DESTROY"


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """An entry that came, changed or went. Of one that went neither the time left is known, nor always the state."""

    kind: EventKind
    time: int
    """nanoseconds since 1970, when conntrack(8) heard of it"""
    translation: Translation


_FIELD = re.compile(r"(?P<key>src|dst|sport|dport|type|code|id)=(?P<value>\S+)")
_FLAG = re.compile(r"\[(?P<flag>[A-Z_]+)\]")
_STATE = re.compile(r"[A-Z][A-Z0-9_]*")  # a simultaneous open is SYN_SENT2


def translations(text: str) -> tuple[Translation, ...]:
    """The entries of `conntrack -L -o extended`. Raises UnreadableError."""
    return tuple(_translation(line) for line in text.splitlines() if line.strip())


_EVENT = re.compile(r"\[(?P<seconds>\d+)\.(?P<micro>\d{6})\]\s+\[(?P<kind>NEW|UPDATE|DESTROY)\]\s+(?P<entry>.*)")
_GONE = re.compile(r"(?P<head>\S+\s+\d+\s+\S+\s+\d+\s+)(?=[A-Za-z])")
"""a line of an entry whose time left is not said: family and protocol, each with its number, then something else"""


def events(text: str) -> tuple[Event, ...]:
    """The lines of `conntrack -E -o extended,timestamp`. Raises UnreadableError."""
    return tuple(_event(line) for line in text.splitlines() if line.strip())


def _event(line: str) -> Event:
    found = _EVENT.fullmatch(line.strip())
    if found is None:
        raise UnreadableError(f"conntrack -E: {line!r}")
    return Event(
        kind=EventKind(found["kind"]),
        time=int(found["seconds"]) * 1_000_000_000 + int(found["micro"]) * 1000,
        translation=_translation(_GONE.sub(r"\g<head>0 ", found["entry"], count=1)),
    )


def _translation(line: str) -> Translation:
    words = line.split()
    fields = _FIELD.findall(line)
    starts = [index for index, (key, _) in enumerate(fields) if key == "src"]
    if len(words) < 6 or len(starts) != 2:
        raise UnreadableError(f"conntrack: {line!r}")
    state = words[5] if _STATE.fullmatch(words[5]) else ""
    try:
        return Translation(
            protocol=words[2],
            original=_flow(dict(fields[: starts[1]])),
            reply=_flow(dict(fields[starts[1] :])),
            state=state,
            seconds_left=int(words[4]),
            flags=tuple(_FLAG.findall(line)),
        )
    except (ValueError, KeyError) as error:
        raise UnreadableError(f"conntrack: {line!r}") from error


def _flow(fields: dict[str, str]) -> Flow:
    # ICMP has no ports; its identifier is what NAT translates in their place (RFC 5508 §3.1).
    return Flow(
        source=ip_address(fields["src"]),
        source_port=int(fields.get("sport", fields.get("id", 0))),
        destination=ip_address(fields["dst"]),
        destination_port=int(fields.get("dport", fields.get("id", 0))),
    )
