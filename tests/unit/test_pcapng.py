"""Packets as a file that Wireshark reads: its blocks, read back."""

from __future__ import annotations

import io
from dataclasses import replace
from ipaddress import ip_address

from pcapng import FileScanner, blocks

from lab import labfiles
from lab.pcapng import Writer, comment, host_names, interface_name, pcapng
from tests.unit.frames import recorded_packets


def test_the_blocks_of_a_capture() -> None:
    """The section says whose it is, an interface where it is, a packet when it was; every address has its name."""
    lab, packets = labfiles.load("nat"), recorded_packets()
    found = list(FileScanner(io.BytesIO(pcapng(packets, lab, instance="mine", dropped=3))))
    assert isinstance(found[0], blocks.SectionHeader)
    assert found[0].options["opt_comment"].startswith("socketlab instance mine, lab nat: ")
    assert found[0].options["opt_comment"].endswith("; 3 frames were dropped")
    names = {record["address"]: record["names"] for record in found[1].records}
    assert names["203.0.113.80"] == ["server"]
    assert names["192.168.1.1"] == names["203.0.113.1"] == ["router"]
    interfaces = [one for one in found if isinstance(one, blocks.InterfaceDescription)]
    assert [one.options["if_name"] for one in interfaces] == ["alice/eth0", "router/eth0", "router/eth1", "server/eth0"]
    assert interfaces[2].options["if_description"] == "eth1 of router on internet: 203.0.113.1/24"
    read = [one for one in found if isinstance(one, blocks.EnhancedPacket)]
    assert [bytes(one.packet_data) for one in read] == [one.frame for one in packets]
    assert [(one.timestamp_high << 32) + one.timestamp_low for one in read] == [one.time for one in packets]


def test_an_interface_has_its_addresses_of_both_families() -> None:
    """Options 4 and 5 of its block, by length and bytes: an address with its mask, or with its prefix' length."""
    at_ann = replace(recorded_packets()[0], point="ann", interface="eth0")
    data = pcapng([at_ann], labfiles.load("ports"), instance="mine")
    assert b"\x04\0\x08\0" + ip_address("192.0.2.20").packed + b"\xff\xff\xff\0" in data
    assert b"\x05\0\x11\0" + ip_address("2001:db8:1::20").packed + b"\x40\0\0\0" in data


def test_a_file_may_grow() -> None:
    """Piece by piece it is the same file."""
    lab, packets = labfiles.load("nat"), recorded_packets()
    writer = Writer(lab, instance="mine")
    pieces = []
    for one in packets:
        writer.add([one])
        pieces.append(writer.take())
    assert b"".join(pieces) == pcapng(packets, lab, instance="mine")
    assert writer.take() == b""


def test_a_packet_is_told_in_words() -> None:
    """Who to whom, where, and which way; a network is called by its name alone."""
    names = host_names(labfiles.load("nat"))
    syn = next(one for one in recorded_packets() if one.flags == {"SYN"})
    assert comment(syn, names) == "alice → server, seen at alice/eth0 outgoing"
    assert (interface_name("home", "home"), interface_name("network:x", "x")) == ("home", "network:x")
