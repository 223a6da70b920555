"""Packets and events as lines and as JSON."""

from __future__ import annotations

import json

import dns.message
import pytest

from lab import labfiles
from lab.observe import events
from lab.show import event_json
from lab.telling import Events, Packets, until
from tests.unit.frames import DATA, in_ip, recorded_packets, seen, tcp, tcp_segment, udp

NAT = labfiles.load("nat")


def test_recorded_packets_as_lines() -> None:
    """Times from the first on, places, directions, names, and numbers from 0."""
    teller = Packets(NAT, ["alice", "router", "server"])
    lines = [" ".join(teller.line(one).split()) for one in recorded_packets()]
    tcp_lines = [line.partition(" ")[2] for line in lines if " tcp " in line]
    assert tcp_lines[:3] == [
        "alice/eth0 > alice:5555 → server:65432 tcp SYN seq=0 len=0",
        "router/eth0 < alice:5555 → server:65432 tcp SYN seq=0 len=0",
        "router/eth1 > router(203.0.113.1):40719 → server:65432 tcp SYN seq=0 len=0",
    ]
    assert "alice/eth0 < server:65432 → alice:5555 tcp SYN ACK seq=0 ack=1 len=0" in tcp_lines
    assert "alice/eth0 > alice:5555 → server:65432 tcp PSH ACK seq=1 ack=1 len=5" in tcp_lines
    assert lines[0].startswith("0.000000 ")
    assert any("stranger → alice icmp destination unreachable: port" in line for line in lines)


def test_addresses_alone_if_one_wants() -> None:
    """With a port behind an IPv6 address in brackets; a place is called as ever."""
    teller = Packets(NAT, ["alice"], numeric=True)
    first = " ".join(teller.line(tcp("SYN", 1)).split())
    assert first == "0.000000 alice/eth0 > 192.168.1.100:5555 → 203.0.113.80:80 tcp SYN seq=0 len=0"


@pytest.mark.parametrize(
    ("lab", "source", "destination", "told"),
    [
        ("ports", "192.0.2.20", "192.0.2.10", "ann:1 → server(192.0.2.10):2"),
        ("ports", "2001:db8:1::10", "2001:db8:1::20", "server(2001:db8:1::10):1 → ann:2"),
        ("dual-stack", "2001:db8:1::10", "2001:db8:2::80", "alice:1 → server:2"),
        ("dual-stack", "2001:db8:1::77", "2001:db8:2::1", "[2001:db8:1::77]:1 → router(2001:db8:2::1):2"),
    ],
)
def test_an_address_is_told_where_a_host_has_another_of_its_family(
    lab: str, source: str, destination: str, told: str
) -> None:
    """One of each family is none of several."""
    one = seen(in_ip(source, destination, 6, tcp_segment(1, 2, "SYN", 7)))
    assert told in Packets(labfiles.load(lab), ["here"]).line(one)


def test_questions_and_answers_are_told_in_words() -> None:
    """And what is none."""
    teller = Packets(NAT, ["alice"])
    asked = dns.message.make_query("www.example.", "A", id=7)
    assert "alice:5555 → server:53 udp, dns asks A www.example. id=7" in teller.line(udp(asked.to_wire()))
    assert "dns answers A www.example. id=7: NOERROR" in teller.line(
        udp(dns.message.make_response(asked).to_wire(), back=True)
    )
    assert "dns that cannot be read" in teller.line(udp(b"nonsense"))
    assert teller.json(udp(asked.to_wire()))["dns"] == [{"id": 7, "name": "www.example.", "type": "A", "answer": None}]


def test_nothing_drives_a_terminal() -> None:
    """A name in a question may hold anything."""
    data = bytes.fromhex("000701000001000000000000") + b"\x03\x1b[2\0\0\1\0\1"
    line = Packets(NAT, ["alice"]).line(udp(data))
    assert line.isprintable()
    assert Packets(NAT, ["alice"]).line(seen(b"\xff" * 9)).isprintable()


def test_every_recorded_packet_is_json() -> None:
    """With the keys that docs/json.md has."""
    teller = Packets(NAT, ["alice"])
    found = [json.loads(json.dumps(teller.json(one))) for one in (*recorded_packets(), tcp("SYN", 1))]
    syn = next(one for one in found if one["flags"] == ["SYN"])
    assert (syn["source_host"], syn["source_port"], syn["sequence"], syn["point"]) == ("alice", 5555, 0, "alice")


def test_recorded_events_as_lines_and_json() -> None:
    """The translation, and what became of it."""
    found = events((DATA / "conntrack_events.txt").read_text())
    teller = Events(["router"])
    lines = [" ".join(teller.line("router", one).split()) for one in found]
    ends = "tcp 192.168.1.100:5555 as 203.0.113.1:40719 to 203.0.113.80:65432"
    assert lines[0] == f"0.000000 NEW {ends} SYN_SENT, 120s left"
    assert lines[-2].endswith(f"DESTROY {ends} TIME_WAIT")
    gone = event_json("router", found[-2])
    assert (gone["event"], gone["seconds_left"], gone["inside_port"]) == ("DESTROY", None, 5555)


@pytest.mark.parametrize(
    ("seconds", "count", "words"),
    [
        (None, None, "until Ctrl-C"),
        (None, 1, "until 1 packet or Ctrl-C"),
        (0.5, None, "until 0.5 s have passed or Ctrl-C"),
        (3.0, 3, "until 3 packets or 3 s have passed or Ctrl-C"),
    ],
)
def test_what_ends_a_capture_is_told(seconds: float | None, count: int | None, words: str) -> None:
    """Whatever was asked for, and Ctrl-C always."""
    assert until(seconds=seconds, count=count) == words
