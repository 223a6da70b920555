"""Recorded frames -> Packet, and what packets of one TCP connection mean together. Pure.

Frames may be anything that a program with a raw socket can send. None raises an error: of a malformed one a Packet
says what could be read, and the rest is None, 0 or empty.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from lab.model import Address

SEQUENCES = 1 << 32
"""TCP's sequence numbers count modulo this (RFC 9293 §3.4)."""
ETHERNET_HEADER = 14
ETHERTYPE_IPV4, ETHERTYPE_ARP, ETHERTYPE_IPV6 = 0x0800, 0x0806, 0x86DD
TAGS = {0x8100, 0x88A8, 0x9100}
"""of VLANs: IEEE 802.1Q, 802.1ad, and what was used for several of them before that"""
ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
FRAGMENT = 44
EXTENSIONS = {0, 43, 60, 135, 139, 140}
"""IPv6 extension headers that begin with the next header and a length in units of 8 bytes (RFC 8200 §4)."""
AUTHENTICATION = 51
"""the same with units of 4 bytes (RFC 4302 §2.2)"""
MOST_EXTENSIONS = 32
MOST_ADDRESSES = 1024
"""that are known by their bytes"""
LEAST_ICMP = 4
"""type, code and checksum"""
ECHO_HEADER = 8
"""the same, identifier and sequence number (RFC 792, RFC 4443 §4.1)"""
MOST_RANGES = 4096
"""Of what was seen of a flow; TCP has a few at most, a program that makes up segments any number."""
ECHO = {(ICMP, 0), (ICMP, 8), (ICMP6, 128), (ICMP6, 129)}


class PacketKind(StrEnum):
    """The protocol of a packet, as far as it is told apart here."""

    TCP = "tcp"
    UDP = "udp"
    ICMP = "icmp"
    ICMP6 = "icmp6"
    ARP = "arp"
    OTHER = "other"


class Flag(StrEnum):
    """A control bit of TCP (RFC 9293 §3.1), in the order in which they are said."""

    SYN = "SYN"
    FIN = "FIN"
    RST = "RST"
    PSH = "PSH"
    ACK = "ACK"
    URG = "URG"


_BITS = {Flag.FIN: 0x01, Flag.SYN: 0x02, Flag.RST: 0x04, Flag.PSH: 0x08, Flag.ACK: 0x10, Flag.URG: 0x20}
_FLAGS = [frozenset(flag for flag, bit in _BITS.items() if bits & bit) for bits in range(64)]
_IPV4 = struct.Struct("!BBHHHBBxx4s4s")
_TCP = struct.Struct("!HHIIBBHxxxx")
_UDP = struct.Struct("!HHHH")
_ARP = struct.Struct("!HHBBH6s4s6s4s")
MORE_FRAGMENTS, OFFSET = 0x2000, 0x1FFF
_KINDS = {TCP: PacketKind.TCP, UDP: PacketKind.UDP, ICMP: PacketKind.ICMP, ICMP6: PacketKind.ICMP6}


@dataclass(frozen=True, kw_only=True, slots=True)
class Packet:
    """A frame as it was seen at one point. A packet that passes several points is one Packet at each of them."""

    time: int
    """nanoseconds since 1970; one clock for all points, so that Packets of different hosts have an order"""
    point: str
    """the host or network where it was seen"""
    interface: str
    """the host's interface; a network's name at a network"""
    outgoing: bool | None
    """whether the host sent it; None at a network, and at `lo`"""
    length: int
    """of the whole frame, bytes"""
    frame: bytes = field(repr=False)
    kind: PacketKind = PacketKind.OTHER
    source: Address | None = None
    destination: Address | None = None
    source_port: int | None = None
    destination_port: int | None = None
    flags: frozenset[str] = frozenset()
    """of TCP: `"SYN" in packet.flags`"""
    sequence: int = 0
    acknowledgement: int = 0
    window: int = 0
    """as it stands in the header; a connection may scale it (RFC 7323 §2)"""
    payload: bytes = field(default=b"", repr=False)
    """what TCP, UDP or ICMP carries, or what follows the headers that could be read"""
    ttl: int = 0
    """IPv6: hop limit"""
    icmp_type: int | None = None
    icmp_code: int | None = None
    icmp_id: int | None = None
    """of an echo or its reply: its identifier, which NAT translates in the place of ports (RFC 5508 §3.1)"""
    operation: int | None = None
    """of ARP: 1 asks who has `destination`, 2 answers that `source` is at `source_mac` (RFC 826)"""
    fragment: bool = False
    """whether it is a part of a packet; only the first part has ports"""

    @property
    def source_mac(self) -> str:
        """`02:00:00:00:01:00`; "" of a frame without a header."""
        return self.frame[6:12].hex(":") if len(self.frame) >= ETHERNET_HEADER else ""

    @property
    def destination_mac(self) -> str:
        """As source_mac."""
        return self.frame[:6].hex(":") if len(self.frame) >= ETHERNET_HEADER else ""

    @property
    def words(self) -> str:
        """The flags as words: `SYN ACK`."""
        return " ".join(flag for flag in Flag if flag in self.flags)

    @property
    def ends(self) -> tuple[End, End]:
        """Source and destination."""
        return (self.source, self.source_port), (self.destination, self.destination_port)

    @property
    def occupies(self) -> int:
        """How many sequence numbers it takes: one for each byte, SYN and FIN (RFC 9293 §3.4)."""
        return len(self.payload) + (Flag.SYN in self.flags) + (Flag.FIN in self.flags)


End = tuple[Address | None, int | None]


def packet(
    frame: bytes, *, time: int, point: str, interface: str, outgoing: bool | None, length: int | None = None
) -> Packet:
    """The Packet of an Ethernet frame, which may be cut off: `length` is what it was on the wire."""
    found: dict[str, Any] = {}
    if len(frame) >= ETHERNET_HEADER:
        kind, at = _behind_tags(frame)
        reader = _READERS.get(kind)
        found = {} if reader is None else reader(frame[at:])
    return Packet(
        time=time,
        point=point,
        interface=interface,
        outgoing=outgoing,
        length=len(frame) if length is None else length,
        frame=frame,
        **found,
    )


def _behind_tags(frame: bytes) -> tuple[int, int]:
    """The EtherType of what is in a frame, and where it begins."""
    at = ETHERNET_HEADER
    while (kind := int.from_bytes(frame[at - 2 : at], "big")) in TAGS and len(frame) >= at + 4:
        at += 4
    return kind, at


# Of a capture's many packets few have addresses of their own.
_address4 = lru_cache(maxsize=MOST_ADDRESSES)(IPv4Address)
_address6 = lru_cache(maxsize=MOST_ADDRESSES)(IPv6Address)


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What an IP fragment is of its packet (RFC 791 §3.2, RFC 8200 §4.5)."""

    identification: int
    protocol: int
    """what the packet carries; of IPv6 it may be an extension header"""
    offset: int
    """in bytes"""
    more: bool
    """whether it is not the last one"""
    data: bytes


def part(one: Packet) -> Part | None:
    """What a Packet is a part of; None if it is whole."""
    if not one.fragment:
        return None
    kind, at = _behind_tags(one.frame)
    if kind == ETHERTYPE_IPV4:
        return _part4(one.frame[at:])
    return _behind_extensions(*_carried6(one.frame[at:]))[2]


def joined(one: Packet, protocol: int, data: bytes) -> Packet:
    """The packet whose last part was `one`; its frame is that one's."""
    protocol, data, nested = (
        _behind_extensions(protocol, data) if isinstance(one.source, IPv6Address) else (protocol, data, None)
    )
    if nested is not None:
        return one
    return replace(one, **_transport(protocol, data, is_part=False, is_first=True))


def _ipv4(data: bytes) -> dict[str, Any]:
    if len(data) < _IPV4.size:
        return {}
    first, *_, place, ttl, protocol, source, destination = _IPV4.unpack_from(data)
    if first >> 4 != 4 or not _IPV4.size <= (first & 0xF) * 4 <= len(data):
        return {}
    found = {"source": _address4(source), "destination": _address4(destination), "ttl": ttl}
    is_part = bool(place & (MORE_FRAGMENTS | OFFSET))
    return found | _transport(protocol, _carried4(data), is_part=is_part, is_first=not place & OFFSET)


def _carried4(data: bytes) -> bytes:
    # Length 0 is a frame that waits for its segmentation.
    return data[(data[0] & 0xF) * 4 : int.from_bytes(data[2:4], "big") or None]


def _part4(data: bytes) -> Part:
    *_, identification, place, _, protocol, _, _ = _IPV4.unpack_from(data)
    return Part(
        identification=identification,
        protocol=protocol,
        offset=(place & OFFSET) * 8,
        more=bool(place & MORE_FRAGMENTS),
        data=_carried4(data),
    )


def _ipv6(data: bytes) -> dict[str, Any]:
    if len(data) < 40 or data[0] >> 4 != 6:
        return {}
    found = {
        "source": _address6(data[8:24]),
        "destination": _address6(data[24:40]),
        "ttl": data[7],
    }
    protocol, body, fragment = _behind_extensions(*_carried6(data))
    is_first = fragment is None or not fragment.offset
    if fragment is not None and is_first:
        protocol, body, _ = _behind_extensions(protocol, body)
    return found | _transport(protocol, body, is_part=fragment is not None, is_first=is_first)


def _carried6(data: bytes) -> tuple[int, bytes]:
    # Length 0 is a jumbo payload (RFC 2675), or a frame that waits for its segmentation.
    carried = int.from_bytes(data[4:6], "big")
    return data[6], data[40 : 40 + carried] if carried else data[40:]


def _behind_extensions(protocol: int, body: bytes) -> tuple[int, bytes, Part | None]:
    """What lies behind the extension headers, or behind that of a fragment."""
    for _ in range(MOST_EXTENSIONS):
        if protocol in EXTENSIONS and len(body) >= 2:
            size = (body[1] + 1) * 8
        elif protocol == AUTHENTICATION and len(body) >= 2:
            size = (body[1] + 2) * 4
        elif protocol == FRAGMENT and len(body) >= 8:
            size = 8
        else:
            break
        before, protocol, header, body = protocol, body[0], body[:size], body[size:]
        place = int.from_bytes(header[2:4], "big")
        if before == FRAGMENT and place & 0xFFF9:
            number = int.from_bytes(header[4:8], "big")
            return (
                protocol,
                body,
                Part(identification=number, protocol=protocol, offset=place & 0xFFF8, more=bool(place & 1), data=body),
            )
    return protocol, body, None


def _transport(protocol: int, data: bytes, *, is_part: bool, is_first: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": _KINDS.get(protocol, PacketKind.OTHER), "payload": data, "fragment": is_part}
    if is_first and protocol in _TRANSPORTS:
        found |= _TRANSPORTS[protocol](data)
    if found.get("icmp_type") is not None and (protocol, found["icmp_type"]) in ECHO and len(data) >= ECHO_HEADER:
        found |= {"icmp_id": int.from_bytes(data[4:6], "big"), "payload": data[ECHO_HEADER:]}
    return found


def _tcp(data: bytes) -> dict[str, Any]:
    if len(data) < _TCP.size:
        return {}
    sport, dport, sequence, acknowledgement, words, bits, window = _TCP.unpack_from(data)
    start = (words >> 4) * 4
    if start < _TCP.size:
        return {}
    return {
        "source_port": sport,
        "destination_port": dport,
        "flags": _FLAGS[bits % len(_FLAGS)],
        "sequence": sequence,
        "acknowledgement": acknowledgement,
        "window": window,
        "payload": data[start:],
    }


def _udp(data: bytes) -> dict[str, Any]:
    if len(data) < _UDP.size:
        return {}
    sport, dport, length, _ = _UDP.unpack_from(data)
    return {"source_port": sport, "destination_port": dport, "payload": data[_UDP.size : length or None]}


def _icmp(data: bytes) -> dict[str, Any]:
    # The same beginning in both versions (RFC 792, RFC 4443 §2.1).
    if len(data) < LEAST_ICMP:
        return {}
    return {"icmp_type": data[0], "icmp_code": data[1], "payload": data[LEAST_ICMP:]}


def _arp(data: bytes) -> dict[str, Any]:
    if len(data) < _ARP.size:
        return {}
    _, protocol, _, size, operation, _, source, _, destination = _ARP.unpack_from(data)
    if (protocol, size) != (ETHERTYPE_IPV4, 4):
        return {"kind": PacketKind.ARP}
    return {
        "kind": PacketKind.ARP,
        "operation": operation,
        "source": _address4(source),
        "destination": _address4(destination),
    }


_TRANSPORTS = {TCP: _tcp, UDP: _udp, ICMP: _icmp, ICMP6: _icmp}
_READERS = {ETHERTYPE_IPV4: _ipv4, ETHERTYPE_IPV6: _ipv6, ETHERTYPE_ARP: _arp}


# ------------------------------------------------------------------------------------- connections


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """The packets of one TCP connection, both ways, as seen at one interface; in the order of their time.

    The client is whoever sent the first SYN without ACK; without one, whoever sent the first packet seen.
    """

    point: str
    interface: str
    client: End
    server: End
    client_sequence: int | None
    server_sequence: int | None
    """the first number that each side was seen to use: that of its SYN, if that was seen; None if nothing was"""
    packets: tuple[Packet, ...]

    def from_client(self, one: Packet) -> bool:
        """Whether the client sent it."""
        return one.ends[0] == self.client

    @property
    def handshake(self) -> tuple[Packet, Packet, Packet] | None:
        """SYN, SYN ACK and ACK (RFC 9293 §3.5) as first seen; None if one of them was not."""
        syn = self._next(0, {Flag.SYN}, {Flag.ACK}, by_client=True)
        answer = None if syn is None else self._next(syn + 1, {Flag.SYN, Flag.ACK}, set(), by_client=False)
        last = None if answer is None else self._next(answer + 1, {Flag.ACK}, {Flag.SYN}, by_client=True)
        if syn is None or answer is None or last is None:
            return None
        return self.packets[syn], self.packets[answer], self.packets[last]

    def _next(self, start: int, wanted: set[Flag], unwanted: set[Flag], *, by_client: bool) -> int | None:
        found = (
            index
            for index, one in enumerate(self.packets)
            if index >= start
            and self.from_client(one) is by_client
            and one.flags >= wanted
            and not one.flags & unwanted
        )
        return next(found, None)

    def relative(self, one: Packet) -> tuple[int, int]:
        """Sequence and acknowledgement number, counted from the first number that each side was seen to use.

        With the handshake seen, a SYN is number 0 and the first byte number 1. Without ACK, and as long as nothing
        was seen of the other side, the acknowledgement is 0.
        """
        own, other = self.client_sequence, self.server_sequence
        if not self.from_client(one):
            own, other = other, own
        is_counted = Flag.ACK in one.flags and other is not None
        return (one.sequence - (own or 0)) % SEQUENCES, (one.acknowledgement - (other or 0)) % SEQUENCES * is_counted

    @property
    def retransmissions(self) -> tuple[Packet, ...]:
        """See the function of that name."""
        return retransmissions(self.packets)


def connections(packets: Iterable[Packet]) -> tuple[Connection, ...]:
    """The TCP connections among packets, each once per interface that it was seen at, in the order of their begin.

    A SYN without ACK begins a new one, unless it is sent again: with the sequence number of the last one.
    """
    found: list[list[Packet]] = []
    current: dict[tuple[object, ...], list[Packet]] = {}
    for one in packets:
        if one.kind is not PacketKind.TCP or one.source_port is None:
            continue
        key = (one.point, one.interface, frozenset(one.ends))
        known = current.get(key)
        if known is None or (one.flags == {Flag.SYN} and not _begins(known, one)):
            current[key] = known = []
            found.append(known)
        known.append(one)
    return tuple(_connection(members) for members in found)


def _begins(known: list[Packet], syn: Packet) -> bool:
    """Whether a SYN belongs to what is known: sent again, or crossing that of the other side."""
    return all(one.flags == {Flag.SYN} and one.ends != syn.ends for one in known) or any(
        one.flags == {Flag.SYN} and one.ends == syn.ends and one.sequence == syn.sequence for one in known
    )


def _connection(members: list[Packet]) -> Connection:
    syn = next((one for one in members if one.flags == {Flag.SYN}), None)
    answer = next((one for one in members if one.flags >= {Flag.SYN, Flag.ACK}), None)
    if syn is not None:
        client, server = syn.ends
    elif answer is not None:
        server, client = answer.ends
    else:
        client, server = members[0].ends
    first = members[0]
    return Connection(
        point=first.point,
        interface=first.interface,
        client=client,
        server=server,
        client_sequence=next((one.sequence for one in members if one.ends[0] == client), None),
        server_sequence=next((one.sequence for one in members if one.ends[0] != client), None),
        packets=tuple(members),
    )


def retransmissions(packets: Iterable[Packet]) -> tuple[Packet, ...]:
    """The TCP segments that were seen before: every sequence number that they take was seen at the same interface.

    A SYN or FIN that is sent again is one. A keep-alive is none (RFC 9293 §3.8.4), because it takes no number. Where
    more than MOST_RANGES gaps are in what was seen of a flow, the lowest ranges are forgotten, and their like is new.
    """
    flows: dict[tuple[object, ...], _Seen] = {}
    return tuple(one for one in packets if one.kind is PacketKind.TCP and _is_again(one, flows))


def _is_again(one: Packet, flows: dict[tuple[object, ...], _Seen]) -> bool:
    if not one.occupies:
        return False
    key = (one.point, one.interface, *one.ends)
    seen = flows.get(key)
    if seen is None or (Flag.SYN in one.flags and seen.first_syn not in (None, one.sequence)):
        flows[key] = seen = _Seen(base=one.sequence)
    if Flag.SYN in one.flags:
        seen.first_syn = one.sequence
    return not seen.add(one.sequence, one.occupies)


@dataclass(kw_only=True, slots=True)
class _Seen:
    """Which sequence numbers of a flow were seen, as ranges that do not touch."""

    base: int
    first_syn: int | None = None
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    """of the ranges, in their order"""

    def add(self, sequence: int, count: int) -> bool:
        """Whether any of them is new."""
        # What comes before the first one seen counts as below it.
        start = (sequence - self.base + SEQUENCES // 2) % SEQUENCES - SEQUENCES // 2
        end = start + count
        # Those that it touches: from the first that ends no earlier to the last that starts no later.
        first, behind = bisect_left(self.ends, start), bisect_right(self.starts, end)
        if behind - first == 1 and self.starts[first] <= start and end <= self.ends[first]:
            return False
        if first < behind:
            start, end = min(start, self.starts[first]), max(end, self.ends[behind - 1])
        self.starts[first:behind], self.ends[first:behind] = [start], [end]
        del self.starts[:-MOST_RANGES], self.ends[:-MOST_RANGES]
        return True
