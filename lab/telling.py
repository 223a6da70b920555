"""Packets and events, told one after the other: a line for a person, a dictionary for `--json`.

Pure: nothing is printed here. The keys of the dictionaries are documented in docs/json.md and stay as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from lab.model import Address, Lab
from lab.observe import Event
from lab.observe.dns import Answer, Query, Reader, Record, Undecodable
from lab.observe.packets import SEQUENCES, Flag, Packet, PacketKind
from lab.pcapng import host_names, interface_name
from lab.text import joined, printable

Json = dict[str, Any]

MOST_RECORDS = 4
"""records of an answer that a line has room for"""
MOST_FLOWS = 65536
"""TCP connections whose first sequence numbers are remembered, the latest ones"""
ICMP_WORDS = {
    (PacketKind.ICMP, 0): "echo reply",
    (PacketKind.ICMP, 3): "destination unreachable",
    (PacketKind.ICMP, 8): "echo request",
    (PacketKind.ICMP, 11): "time exceeded",
    (PacketKind.ICMP6, 1): "destination unreachable",
    (PacketKind.ICMP6, 2): "packet too big",
    (PacketKind.ICMP6, 3): "time exceeded",
    (PacketKind.ICMP6, 128): "echo request",
    (PacketKind.ICMP6, 129): "echo reply",
    (PacketKind.ICMP6, 133): "router solicitation",
    (PacketKind.ICMP6, 134): "router advertisement",
    (PacketKind.ICMP6, 135): "neighbor solicitation",
    (PacketKind.ICMP6, 136): "neighbor advertisement",
}
UNREACHABLE = {
    (PacketKind.ICMP, 0): "network",
    (PacketKind.ICMP, 1): "host",
    (PacketKind.ICMP, 3): "port",
    (PacketKind.ICMP, 4): "fragmentation needed",
    (PacketKind.ICMP6, 0): "no route",
    (PacketKind.ICMP6, 3): "address",
    (PacketKind.ICMP6, 4): "port",
}


class Packets:
    """Tells packets, which must come in the order of their time: times and sequence numbers are relative.

    A host that has several addresses of a family is told with the one that the packet has; where `numeric`, lines have
    addresses alone.
    """

    def __init__(self, lab: Lab, points: Iterable[str], *, numeric: bool = False) -> None:
        self._names = host_names(lab)
        self._labels = {} if numeric else _labels(self._names)
        self._dns = Reader()
        self._start: int | None = None
        self._first: dict[tuple[object, ...], int] = {}
        longest = max((len(interface.name) for host in lab.hosts for interface in host.interfaces), default=0)
        self._width = max(map(len, points), default=0) + 1 + longest

    def line(self, one: Packet) -> str:
        """`  0.000124 router/eth1     > router(203.0.113.1):40388 → server:65432 tcp SYN seq=0 len=0`."""
        self._start = one.time if self._start is None else self._start
        time = (one.time - self._start) / 1e9
        place = interface_name(one.point, one.interface).ljust(self._width)
        way = " " if one.outgoing is None else ">" if one.outgoing else "<"
        return printable(f"{time:11.6f} {place} {way} {self._whom(one)} {self._what(one)}")

    def json(self, one: Packet) -> Json:
        """The same as data."""
        sequence, acknowledgement = self._numbers(one)
        is_tcp = one.kind is PacketKind.TCP
        return {
            "time": one.time / 1e9,
            "point": one.point,
            "interface": one.interface,
            "outgoing": one.outgoing,
            "protocol": str(one.kind),
            "source_host": self._host(one.source),
            "source_address": None if one.source is None else str(one.source),
            "source_port": one.source_port,
            "destination_host": self._host(one.destination),
            "destination_address": None if one.destination is None else str(one.destination),
            "destination_port": one.destination_port,
            "flags": one.words.split(),
            "sequence": sequence if is_tcp else None,
            "acknowledgement": acknowledgement if is_tcp else None,
            "window": one.window if is_tcp else None,
            "payload_bytes": len(one.payload),
            "length": one.length,
            "ttl": one.ttl,
            "dns": [_message_json(message) for message in self._dns.take(one) if isinstance(message, Query)],
        }

    def _host(self, address: Address | None) -> str | None:
        return None if address is None else self._names.get(address)

    def _whom(self, one: Packet) -> str:
        return " → ".join(self._end(*end) for end in one.ends)

    def _end(self, address: Address | None, port: int | None) -> str:
        if address is None:
            return "?"
        label = self._labels.get(address)
        if port is None:
            return label or str(address)
        return f"{label}:{port}" if label else joined(address, port)

    def _what(self, one: Packet) -> str:
        said = [_message_words(message) for message in self._dns.take(one)]
        if one.kind is PacketKind.TCP and one.source_port is not None:
            words = self._tcp(one)
        elif one.kind is PacketKind.UDP and not said:
            words = f"udp len={len(one.payload)}"
        elif one.kind in (PacketKind.ICMP, PacketKind.ICMP6):
            words = _icmp(one)
        elif one.kind is PacketKind.ARP:
            words = self._arp(one)
        else:
            words = str(one.kind)
        return ", ".join([words + (" (a fragment)" if one.fragment else ""), *said])

    def _tcp(self, one: Packet) -> str:
        sequence, acknowledgement = self._numbers(one)
        known = f" ack={acknowledgement}" if Flag.ACK in one.flags else ""
        return f"tcp {one.words or 'no flags'} seq={sequence}{known} len={len(one.payload)}"

    def _arp(self, one: Packet) -> str:
        if one.operation == 1:
            return f"arp who has {one.destination}?"
        return f"arp {one.source} is at {one.source_mac}" if one.operation == 2 else "arp"

    def _numbers(self, one: Packet) -> tuple[int, int]:
        """Sequence and acknowledgement, counted from each side's first number seen; see packets.Connection."""
        if one.kind is not PacketKind.TCP:
            return 0, 0
        source, destination = one.ends
        own, other = (one.point, one.interface, source, destination), (one.point, one.interface, destination, source)
        if Flag.SYN in one.flags or own not in self._first:
            self._first.pop(own, None)
            self._first[own] = one.sequence
            if one.flags == {Flag.SYN}:
                self._first.pop(other, None)
            while len(self._first) > MOST_FLOWS:
                del self._first[next(iter(self._first))]
        is_counted = Flag.ACK in one.flags and other in self._first
        acknowledged = (one.acknowledgement - self._first[other]) % SEQUENCES if is_counted else 0
        return (one.sequence - self._first[own]) % SEQUENCES, acknowledged


def _labels(names: dict[Address, str]) -> dict[Address, str]:
    """`server`; `router(203.0.113.1)` where another address of the family is the host's too."""
    counts = Counter((name, address.version) for address, name in names.items())
    return {
        address: f"{name}({address})" if counts[name, address.version] > 1 else name for address, name in names.items()
    }


def until(*, seconds: float | None, count: int | None) -> str:
    """What ends a capture: `until 3 packets or Ctrl-C`."""
    packets = [] if count is None else [f"{count} packet{'s' * (count > 1)}"]
    time = [] if seconds is None else [f"{seconds:g} s have passed"]
    return f"until {' or '.join([*packets, *time, 'Ctrl-C'])}"


def _icmp(one: Packet) -> str:
    if one.icmp_type is None:
        return str(one.kind)
    words = ICMP_WORDS.get((one.kind, one.icmp_type), f"type {one.icmp_type} code {one.icmp_code}")
    if words == "destination unreachable":
        words += f": {UNREACHABLE.get((one.kind, one.icmp_code or 0), f'code {one.icmp_code}')}"
    return f"{one.kind} {words}" + (f" id={one.icmp_id}" if one.icmp_id is not None else "")


def _message_words(message: Query | Undecodable) -> str:
    if isinstance(message, Undecodable):
        return f"dns that cannot be read: {message.reason}"
    asked = f"{message.type} {message.name}"
    not_read = f"; not read: {message.unreadable}" if message.unreadable else ""
    if message.answer is None:
        return f"dns asks {asked} id={message.id}{not_read}"
    records = message.answer.records
    shown = [_record_words(one, message.name) for one in records[:MOST_RECORDS]]
    more = [f"{len(records) - MOST_RECORDS} more"] if len(records) > MOST_RECORDS else []
    return f"dns answers {asked} id={message.id}: {'; '.join([message.answer.rcode, *shown, *more])}{not_read}"


def _record_words(record: Record, asked: str) -> str:
    name = "" if record.name.lower() == asked.lower() else f"{record.name} "
    return f"{name}{record.type} {record.text} (TTL {record.ttl} s)"


def _message_json(message: Query) -> Json:
    return {
        "id": message.id,
        "name": message.name,
        "type": message.type,
        "answer": None if message.answer is None else _answer_json(message.answer),
    }


def _answer_json(answer: Answer) -> Json:
    return {
        "rcode": answer.rcode,
        "authoritative": answer.authoritative,
        "truncated": answer.truncated,
        "records": [{"name": one.name, "ttl": one.ttl, "type": one.type, "text": one.text} for one in answer.records],
    }


class Events:
    """Tells the events of gateways."""

    def __init__(self, gateways: Iterable[str]) -> None:
        names = list(gateways)
        self._width = max(map(len, names), default=0)
        self._several = len(names) > 1
        self._start: int | None = None

    def line(self, gateway: str, event: Event) -> str:
        """`0.000124 NEW tcp 192.168.1.100:5555 as 203.0.113.1:40388 to 203.0.113.80:65432 SYN_SENT, 120s left`."""
        self._start = event.time if self._start is None else self._start
        entry = event.translation
        inside, outside, peer = (joined(*one) for one in (entry.inside, entry.outside, entry.peer))
        way = "from" if entry.destination_is_translated else "to"
        name = f"{gateway.ljust(self._width)} " if self._several else ""
        more = [one for one in (entry.state, f"{entry.seconds_left}s left" if event.kind != "DESTROY" else "") if one]
        ends = f"{entry.protocol} {inside} as {outside} {way} {peer}"
        time = (event.time - self._start) / 1e9
        return printable(f"{time:11.6f} {name}{event.kind:<7} {ends} {', '.join(more)}".rstrip())
