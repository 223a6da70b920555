"""IP fragments -> whole packets."""

from __future__ import annotations

import struct
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.observe.packets import Packet
from lab.observe.reassembly import INCOMPLETE, MOST_WAITING, Fragments
from tests.unit.frames import ALICE, ALICE6, SERVER, SERVER6, in_ip, seen, udp, udp_datagram

DATA = bytes(range(256)) * 8
BODY = udp_datagram(5555, 53, DATA)


def fragment(start: int, end: int, *, number: int = 7, version: int = 4, body: bytes = BODY, time: int = 0) -> Packet:
    """A part of a datagram; the last one ends where that ends."""
    more = end < len(body)
    if version == 4:
        return seen(in_ip(ALICE, SERVER, 17, body[start:end], mf=more, offset=start // 8, id=number), time=time)
    header = struct.pack(">BBHI", 17, 0, start | more, number)
    return seen(in_ip(ALICE6, SERVER6, 44, header + body[start:end]), time=time)


@pytest.mark.parametrize("version", [4, 6])
def test_parts_in_any_order_are_one_packet(version: int) -> None:
    """With the ports and all of the data, and no part of anything any more; a part that comes twice is passed over."""
    parts = [fragment(at, at + 1024, version=version) for at in (0, 1024, 2048)]
    for order in permutations(parts):
        fragments = Fragments()
        (whole,) = [one for one in (fragments.take(part) for part in (order[0], *order)) if one is not None]
        assert (whole.payload, whole.destination_port, whole.fragment) == (DATA, 53, False)
        assert fragments.end() == []


def test_what_is_whole_is_passed_on() -> None:
    """As it is, also with the header of a fragment that is all (RFC 6946)."""
    atomic = seen(in_ip(ALICE6, SERVER6, 44, struct.pack(">BBHI", 17, 0, 0, 7) + BODY))
    assert (Fragments().take(udp(b"x")), Fragments().take(atomic)) == (udp(b"x"), atomic)
    assert atomic.payload == DATA


def test_an_extension_header_may_lie_in_the_parts() -> None:
    """Of IPv6, between the fragment's header and UDP's."""
    body = bytes([17, 0, 1, 4, 0, 0, 0, 0]) + BODY
    parts = [
        seen(in_ip(ALICE6, SERVER6, 44, struct.pack(">BBHI", 60, 0, start | (start == 0), 7) + body[start:end]))
        for start, end in ((0, 8), (8, len(body)))
    ]
    fragments = Fragments()
    assert fragments.take(parts[0]) is None
    whole = fragments.take(parts[1])
    assert whole is not None
    assert (whole.payload, whole.destination_port) == (DATA, 53)


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ([], INCOMPLETE),
        ([fragment(1016, 2048)], "fragments overlap"),
        ([fragment(1536, 2048), fragment(1280, 1288, body=BODY[:1288])], "fragments overlap"),
        ([fragment(1280, 1288, body=BODY[:1288]), fragment(1536, 2048)], "fragments overlap"),
        ([seen(in_ip(ALICE, SERVER, 17, b"x" * 9, mf=1, offset=200, id=7))], "a fragment has an impossible length"),
        ([seen(in_ip(ALICE, SERVER, 17, b"x" * 80, offset=8190, id=7))], "a fragment has an impossible length"),
        ([fragment(1024, len(BODY), number=8)], INCOMPLETE),
        ([fragment(1024, len(BODY), time=31_000_000_000)], INCOMPLETE),
        ([fragment(0, 1024, number=number) for number in range(100, 100 + MOST_WAITING)], INCOMPLETE),
    ],
)
def test_what_is_given_up_is_told(others: list[Packet], reason: str) -> None:
    """Its first part, and why."""
    fragments, first = Fragments(), fragment(0, 1024)
    assert [fragments.take(one) for one in (first, *others)] == [None] * (1 + len(others))
    assert (first, reason) in fragments.given_up() + fragments.end()


def test_points_are_kept_apart() -> None:
    """Parts that were seen at different interfaces are no packet."""
    fragments = Fragments()
    assert fragments.take(fragment(0, 1024)) is None
    assert fragments.take(replace(fragment(1024, len(BODY)), interface="eth1")) is None


@given(st.lists(st.tuples(st.integers(0, 270), st.integers(0, 300), st.booleans(), st.sampled_from([4, 6]))))
def test_no_parts_raise(parts: list[tuple[int, int, bool, int]]) -> None:
    """Whatever their places, lengths and marks say."""
    fragments = Fragments()
    for offset, size, more, version in parts:
        body = BODY[:size]
        if version == 4:
            fragments.take(seen(in_ip(ALICE, SERVER, 17, body, mf=more, offset=offset, id=7)))
        else:
            header = struct.pack(">BBHI", 17, 0, offset << 3 | more, 7)
            fragments.take(seen(in_ip(ALICE6, SERVER6, 44, header + body)))
    fragments.end()
