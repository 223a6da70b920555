"""What was seen of an instance's segments, as typed values: the text of nft(8) and tc(8) -> counts, rules, queues.

Pure. What ought to be there is `wiring.impairments`' text; here the two are held against each other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lab.checks import Difference
from lab.errors import UsageError
from lab.model import MILLION, Impairments, Lab, Network
from lab.observe import UnreadableError
from lab.wiring import impairments

SEGMENTS = "the segments"
"""Whose fingerprint it is, beside the hosts': no host has a blank in its name."""

_COUNTER = re.compile(r"\s*counter (?P<name>\w+) \{", re.ASCII)
_VALUE = re.compile(r"\s*packets (?P<packets>\d+) bytes \d+", re.ASCII)
_CLOSE_ENOUGH = 1000
"""The kernel keeps a delay in ticks and a share as a fraction of 32 bits: a thousandth of it may be missing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Packets:
    """Packets by protocol. What hosts need to find each other (ARP, neighbour discovery) is not counted."""

    tcp: int = 0
    udp: int = 0
    other: int = 0

    @property
    def all(self) -> int:
        """Of whatever protocol."""
        return self.tcp + self.udp + self.other


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """A network of a running instance: who is on it, and what became of the packets that they sent into it."""

    network: Network
    hosts: tuple[str, ...]
    counts: tuple[Packets, Packets] | None
    """what passed and what was lost; None if the machine's kernel does not count"""

    @property
    def passed(self) -> Packets:
        """What went on. Raises UsageError if nothing is counted."""
        return self._counts()[0]

    @property
    def lost(self) -> Packets:
        """What was dropped. Raises UsageError if nothing is counted."""
        return self._counts()[1]

    def _counts(self) -> tuple[Packets, Packets]:
        if self.counts is None:
            raise UsageError(
                f"network {self.network.name}: expected packets to be counted, but the kernel takes no rules for it",
                hint="docs/operating.md names the options that it lacks",
            )
        return self.counts


@dataclass(frozen=True, kw_only=True, slots=True)
class Queue:
    """What makes packets wait before they go out at a port (tc-netem(8)): see model.Impairments for the units."""

    port: str
    delay: int
    reorder: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What is carried out on all segments."""

    rules: tuple[str, ...]
    packets: tuple[tuple[str, int], ...]
    """(counter, packets)"""
    queues: tuple[Queue, ...]
    refused: str = ""
    """what was said where a kernel does not take the rules; then there are none, and nothing is counted"""


def seen(texts: Mapping[str, str]) -> Seen:
    """Of the text of `nft list ruleset` and `tc -j qdisc show`, and what was refused. Raises UnreadableError."""
    rules: list[str] = []
    packets: dict[str, int] = {}
    counter = ""
    for line in texts["rules"].splitlines():
        if found := _VALUE.fullmatch(line):
            # Hosts that count what they send have one counter each, all of one name.
            packets[counter] = packets.get(counter, 0) + int(found["packets"])
            continue
        if found := _COUNTER.fullmatch(line):
            counter = found["name"]
        if line.strip():
            rules.append(line.strip())
    queues, refused = _queues(texts["queues"]), texts.get("refused", "")
    return Seen(rules=tuple(rules), packets=tuple(packets.items()), queues=queues, refused=refused)


def _queues(text: str) -> tuple[Queue, ...]:
    try:
        return tuple(
            Queue(
                port=item["dev"],
                delay=round(item["options"].get("delay", {}).get("delay", 0) * MILLION),
                reorder=round(item["options"].get("reorder", {}).get("reorder", 0) * MILLION),
            )
            for item in json.loads(text.strip() or "[]")
            if item["kind"] == "netem"
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UnreadableError(f"tc: {text[:80]!r}") from error


def segments(lab: Lab, observed: Seen) -> tuple[Segment, ...]:
    """The lab's networks, in its order."""
    packets = dict(observed.packets)

    def counted(number: int, what: str) -> Packets:
        names = {one: impairments.counter(number, what, one) for one in impairments.PROTOCOLS}
        return Packets(**{one: packets.get(name, 0) for one, name in names.items()})

    return tuple(
        Segment(
            network=network,
            hosts=tuple(h.name for h in lab.hosts if any(i.network == network.name for i in h.interfaces)),
            counts=None if observed.refused else (counted(number, "passed"), counted(number, "lost")),
        )
        for number, network in enumerate(lab.networks)
    )


def differences(lab: Lab, observed: Seen, rules: Iterable[str]) -> tuple[Difference, ...]:
    """Everything declared of the networks that was not seen. `rules` is what nft(8) must tell."""
    found = []
    expected = [line.strip() for line in rules if line.strip()]
    if list(observed.rules) != expected and (impairments.rules_needed(lab) or not observed.refused):
        missing = [line for line in expected if line not in observed.rules] or expected
        there = ", ".join(observed.rules) or "none"
        found.append(Difference(host=SEGMENTS, subject="nft rules", expected=", ".join(missing), observed=there))
    at = {queue.port: queue for queue in observed.queues}
    for network, names in impairments.ports(lab).items():
        wanted = next(one.impairments for one in lab.networks if one.name == network)
        for port in names:
            if not _as_declared(wanted, at.get(port)):
                what = f"delay at {port}"
                declared, there = _words(wanted.delay, wanted.reorder), _queue_words(at.get(port))
                found.append(Difference(host=f"network {network}", subject=what, expected=declared, observed=there))
    return tuple(found)


def _as_declared(wanted: Impairments, queue: Queue | None) -> bool:
    if queue is None:
        return not wanted.delay
    pairs = ((wanted.delay, queue.delay), (wanted.reorder, queue.reorder))
    return all(abs(declared - there) * _CLOSE_ENOUGH <= declared for declared, there in pairs)


def _queue_words(queue: Queue | None) -> str:
    return "none" if queue is None else _words(queue.delay, queue.reorder)


def _words(delay: int, reorder: int) -> str:
    return impairment_words(Impairments(delay=delay, reorder=reorder)) or "none"


def impairment_words(what: Impairments) -> str:
    """As in a lab file: `loss 10%, delay 50ms`; "" for a good wire."""
    words = []
    if what.loss:
        words.append(f"loss {impairments.percent(what.loss)}%")
    if what.delay:
        words.append(f"delay {what.delay // 1000}ms" if what.delay % 1000 == 0 else f"delay {what.delay}us")
    if what.reorder:
        words.append(f"reorder {impairments.percent(what.reorder)}%")
    return ", ".join(words)


def fingerprint(observed: Seen) -> tuple[str, ...]:
    """The segments' state as lines, equal for equal states."""
    # The order of rules is part of what they mean.
    lines = [f"rule {number}: {line}" for number, line in enumerate(observed.rules, 1)]
    lines += [f"counter {name} {packets} packets" for name, packets in observed.packets]
    lines += [f"queue {one.port} {_words(one.delay, one.reorder)}" for one in observed.queues]
    return tuple(lines)
