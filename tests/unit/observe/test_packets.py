"""Frames -> Packets, and what those of one connection mean together."""

from __future__ import annotations

import struct
from dataclasses import replace
from ipaddress import ip_address
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.observe.frames import HEADER, Frames
from lab.observe.packets import PacketKind, connections, packet, retransmissions
from tests.unit.frames import ALICE, ALICE6, DATA, SERVER, SERVER6, in_ip, recorded_packets, seen, tcp, tcp_segment

# ---------------------------------------------------------------------------------------- recorded


def test_a_recorded_syn_is_followed_through_the_gateway() -> None:
    """alice's SYN leaves alice, arrives at the router, leaves it with another source, and arrives at the server."""
    syns = [one for one in recorded_packets() if one.flags == {"SYN"}]
    assert [(one.point, one.interface, one.outgoing, str(one.source)) for one in syns] == [
        ("alice", "eth0", True, ALICE),
        ("router", "eth0", False, ALICE),
        ("router", "eth1", True, "203.0.113.1"),
        ("server", "eth0", False, "203.0.113.1"),
    ]
    assert [one.source_port for one in syns[:2]] == [5555, 5555]
    assert syns[2].source_port == syns[3].source_port != 5555
    assert [one.ttl for one in syns] == [64, 64, 63, 63]
    assert {one.sequence for one in syns} == {syns[0].sequence}


def test_a_recorded_connection_is_seen_alike_everywhere() -> None:
    """Once at each of the four interfaces: its handshake first, numbers from 0, and nothing sent twice."""
    found = connections(recorded_packets())
    assert [(one.point, one.interface) for one in found] == [
        ("alice", "eth0"),
        ("router", "eth0"),
        ("router", "eth1"),
        ("server", "eth0"),
    ]
    for one in found:
        assert one.handshake == one.packets[:3]
        assert [one.relative(step) for step in one.packets[:3]] == [(0, 0), (0, 1), (1, 1)]
        assert one.server == (ip_address(SERVER), 65432)
        assert one.retransmissions == ()
        assert [step.payload for step in one.packets if step.payload] == [b"Hello", b"Hello"]


def test_recorded_echoes_and_errors_have_type_and_identifier() -> None:
    """An echo, its reply with the same identifier, and that nobody is at a port."""
    icmp = [one for one in recorded_packets() if one.kind is PacketKind.ICMP and one.point == "alice"]
    assert [(one.icmp_type, one.icmp_code) for one in icmp] == [(3, 3), (8, 0), (0, 0)]
    assert icmp[0].icmp_id is None
    assert icmp[1].icmp_id == icmp[2].icmp_id is not None
    assert [len(one.payload) for one in icmp[1:]] == [56, 56], "what ping sends if it is told nothing else"
    assert {one.source_port for one in icmp} == {None}


@pytest.mark.parametrize(
    ("source", "protocol", "kind", "data", "payload"),
    [
        (ALICE, 1, 8, b"\0\7\0\1hello", b"hello"),
        (ALICE, 1, 0, b"\0\7\0\1", b""),
        (ALICE6, 58, 128, b"\0\7\0\1hello", b"hello"),
        (ALICE6, 58, 129, b"\0\7\0\1hello", b"hello"),
        (ALICE, 1, 8, b"\0\7", b"\0\7"),
        (ALICE, 1, 3, b"\0\0\0\0quoted", b"\0\0\0\0quoted"),
    ],
)
def test_an_echo_carries_what_follows_its_number(
    source: str, protocol: int, kind: int, data: bytes, payload: bytes
) -> None:
    """Identifier and sequence number are of the header (RFC 792, RFC 4443 §4.1); one that is cut off has neither."""
    destination = SERVER if source == ALICE else SERVER6
    found = seen(in_ip(source, destination, protocol, bytes([kind, 0, 0, 0]) + data))
    assert (found.icmp_type, found.payload) == (kind, payload)
    assert found.icmp_id == (7 if payload != data else None)


@pytest.mark.parametrize("size", [1, 13, 1000, 100_000])
def test_a_recording_may_be_cut_anywhere(size: int) -> None:
    """The same Packets come out, whatever the pieces."""
    data = (DATA / "frames.bin").read_bytes()
    lines = (DATA / "frames_interfaces.txt").read_text().split("\n")
    interfaces = [(line.split()[0], line.split()[1]) for line in lines if line]
    frames = Frames()
    found = [one for at in range(0, len(data), size) for one in frames.take(data[at : at + size], interfaces)]
    assert sorted(found, key=lambda one: one.time) == list(recorded_packets())
    assert HEADER.size == 19


# ------------------------------------------------------------------------------------- every part


def test_a_segment_has_everything_of_its_header() -> None:
    """Ends, flags, numbers, window and data; a padded frame does not make its data longer."""
    frame = in_ip(ALICE, SERVER, 6, tcp_segment(1, 2, "PSH ACK", 7, 9, b"data")) + b"\0" * 9
    found = seen(frame)
    assert found.ends == ((ip_address(ALICE), 1), (ip_address(SERVER), 2))
    assert (found.words, found.sequence, found.acknowledgement, found.window) == ("PSH ACK", 7, 9, 1000)
    assert (found.payload, found.length, found.kind) == (b"data", len(frame), PacketKind.TCP)
    assert (found.source_mac, found.destination_mac) == ("02:00:00:00:01:00", "02:00:00:00:02:00")


@pytest.mark.parametrize(
    ("headers", "first"),
    [
        ([], 6),
        ([(6, 0, b"\x01\x04\0\0\0\0")], 0),
        ([(60, 0, b"\0" * 6), (6, 1, b"\0" * 14)], 43),
        ([(6, 4, b"\0" * 22)], 51),
    ],
)
def test_ipv6_extension_headers_are_passed_over(headers: list[tuple[int, int, bytes]], first: int) -> None:
    """Hop-by-hop options, routing, destination options and the authentication header lie before TCP's."""
    chain = b"".join(bytes([following, size]) + data for following, size, data in headers)
    found = seen(in_ip(ALICE6, SERVER6, first, chain + tcp_segment(1, 2, "SYN", 7)))
    assert (found.kind, found.source_port, found.flags) == (PacketKind.TCP, 1, frozenset({"SYN"}))
    assert (str(found.source), found.ttl) == (ALICE6, 64)


@pytest.mark.parametrize("tags", [["8100"], ["8100", "8100"], ["88a8", "8100"], ["88a8", "88a8"], ["9100"] * 9])
def test_vlan_tags_are_passed_over(tags: list[str]) -> None:
    """Any number of them, of every kind (IEEE 802.1Q, 802.1ad)."""
    frame = in_ip(ALICE, SERVER, 6, tcp_segment(1, 2, "SYN", 7))
    found = seen(frame[:12] + b"".join(bytes.fromhex(tag) + b"\0\5" for tag in tags) + frame[12:])
    assert (found.kind, found.source_port, str(found.source)) == (PacketKind.TCP, 1, ALICE)


def test_only_the_first_fragment_has_ports() -> None:
    """Of both families; a later one is told by its kind and by being a fragment."""
    body = tcp_segment(1, 2, "ACK", 7, data=b"x" * 20)
    first = seen(in_ip(ALICE, SERVER, 6, body, mf=1))
    later = seen(in_ip(ALICE, SERVER, 6, body, offset=3))
    assert (first.fragment, first.source_port) == (True, 1)
    assert (later.fragment, later.source_port, later.kind) == (True, None, PacketKind.TCP)
    first6 = seen(in_ip(ALICE6, SERVER6, 44, struct.pack(">BBHI", 6, 0, 1, 7) + body))
    later6 = seen(in_ip(ALICE6, SERVER6, 44, struct.pack(">BBHI", 6, 0, 24 << 3, 7) + body))
    assert (first6.fragment, first6.source_port) == (True, 1)
    assert (later6.fragment, later6.source_port, later6.kind) == (True, None, PacketKind.TCP)


@given(st.binary(max_size=120), st.sampled_from([b"", b"\x08\x00", b"\x86\xdd", b"\x08\x06", b"\x81\x00"]))
def test_no_frame_raises(data: bytes, kind: bytes) -> None:
    """Whatever a program sends becomes a Packet that holds the frame."""
    frame = b"\0" * 12 * bool(kind) + kind + data
    assert seen(frame).frame == frame


@given(st.integers(0, 10_000), st.data())
def test_no_damage_to_a_real_frame_raises(index: int, data: st.DataObject) -> None:
    """Cut off anywhere, or with any byte changed."""
    frames = [one.frame for one in recorded_packets()]
    frame = bytearray(frames[index % len(frames)])
    frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    seen(bytes(frame[: data.draw(st.integers(0, len(frame)))]))


def test_a_frame_that_was_cut_off_keeps_its_length() -> None:
    """What was on the wire, not what is left of it."""
    assert packet(b"\0" * 20, time=1, point="a", interface="b", outgoing=None, length=9000).length == 9000


# ------------------------------------------------------------------------------------- connections


def test_numbers_count_over_the_end() -> None:
    """Sequence numbers wrap (RFC 9293 §3.4)."""
    last = (1 << 32) - 1
    (found,) = connections([tcp("SYN", last), tcp("SYN ACK", 5, 0, back=True), tcp("ACK", 0, 6), tcp("ACK", 3, 6)])
    assert [found.relative(one) for one in found.packets] == [(0, 0), (0, 1), (1, 1), (4, 1)]


def test_without_a_handshake_there_is_none() -> None:
    """A connection that was there before is counted from what was seen first; a refused one has no handshake."""
    (old,) = connections([tcp("ACK", 100, 500, b"ab"), tcp("ACK", 500, 102, back=True)])
    assert old.handshake is None
    assert [old.relative(one) for one in old.packets] == [(0, 0), (0, 2)]
    (refused,) = connections([tcp("SYN", 1), tcp("RST ACK", 0, 2, back=True)])
    assert refused.handshake is None


def test_the_same_ports_again_are_another_connection() -> None:
    """A SYN with another number begins one; one with the same number is the same SYN, sent again."""
    found = connections([tcp("SYN", 1), tcp("SYN", 1), tcp("RST ACK", 0, 2, back=True), tcp("SYN", 9)])
    assert [len(one.packets) for one in found] == [3, 1]


@pytest.mark.parametrize(
    ("second", "is_again"),
    [
        (tcp("ACK", 10, 0, b"abc"), True),
        (tcp("PSH ACK", 10, 1, b"abc"), True),
        (tcp("ACK", 11, 0, b"bc"), True),
        (tcp("ACK", 13, 0, b"d"), False),
        (tcp("ACK", 10, 0, b"abcd"), False),
        (tcp("ACK", 10, 0), False),
        (tcp("ACK", 12, 0), False),
        (tcp("ACK", 10, 0, b"abc", back=True), False),
        (tcp("ACK", 10, 0, b"abc", interface="eth1"), False),
        (tcp("ACK", 5, 0, b"abc"), False),
    ],
)
def test_what_was_seen_before_is_a_retransmission(second: object, is_again: bool) -> None:
    """All of its bytes, in the same direction at the same interface; no keep-alive, and nothing that is new."""
    first = tcp("ACK", 10, 0, b"abc")
    assert retransmissions([first, second]) == ((second,) if is_again else ())  # type: ignore[list-item]


def test_a_syn_and_a_fin_are_sent_again_too() -> None:
    """Each takes a sequence number; a SYN with another number is another connection's."""
    syn, fin = tcp("SYN", 1, time=2), tcp("FIN ACK", 5, time=3)
    assert retransmissions([tcp("SYN", 1), syn, tcp("FIN ACK", 5), fin]) == (syn, fin)
    assert retransmissions([tcp("SYN", 1), tcp("SYN", 9)]) == ()


def test_segments_that_change_places_are_not_sent_again() -> None:
    """What comes late was not seen before."""
    late = tcp("ACK", 10, 0, b"abc")
    assert retransmissions([tcp("ACK", 13, 0, b"def"), late, tcp("ACK", 16, 0, b"g")]) == ()
    assert retransmissions([tcp("ACK", 13, 0, b"def"), late, tcp("ACK", 10, 0, b"abcdef")])[0].payload == b"abcdef"


def test_made_up_segments_take_no_time() -> None:
    """20,000 segments that have nothing to do with each other are bounded work."""
    segments = [replace(tcp("ACK", 0, 0, b"x"), sequence=number * 7919 * 1000 % 2**31) for number in range(20_000)]
    begun = process_time()
    assert retransmissions(segments) == ()
    assert process_time() - begun < 1


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12)), max_size=30))
def test_ranges_are_what_was_seen(segments: list[tuple[int, int]]) -> None:
    """A segment is one again if and only if each of its numbers was there before."""
    seen_numbers: set[int] = set()
    wanted = []
    packets = [tcp("ACK", start, 0, bytes(size), time=index) for index, (start, size) in enumerate(segments)]
    for one, (start, size) in zip(packets, segments, strict=True):
        numbers = set(range(start, start + size))
        wanted += [one] if numbers <= seen_numbers else []
        seen_numbers |= numbers
    assert list(retransmissions(packets)) == wanted
