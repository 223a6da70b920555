"""Frames that carry a word past a rule that looks for IP packets only: odd_frames.py send|hear INTERFACE.

`send` prints how many it sent; `hear` prints the number of each that came, one a line, after the word `ready`.
"""

from __future__ import annotations

import socket
import struct
import sys

WORD = b"a word that nobody is to hear, number "
NUMBERED = WORD + b"000 "
EVERYBODY = b"\xff" * 6
OWN = bytes.fromhex("020000000999")
ANY = bytes(15) + b"\x01"
"""::1, for no particular reason"""
FIRST_FRAGMENT = struct.pack("!BBHI", 58, 0, 1, 7)


def icmp6(kind: int, *, hops: int = 255, before: bytes = b"", next_header: int = 58) -> bytes:
    """An IPv6 packet that begins like an ICMPv6 message of a kind, with our word as its content."""
    body = before + struct.pack("!BBHI", kind, 0, 0, 0) + NUMBERED * 3
    return b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(body), next_header, hops) + ANY + ANY + body


def arp() -> bytes:
    """An ARP request that is longer than one."""
    return b"\x08\x06" + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + OWN + bytes(14) + NUMBERED * 30


FRAMES = (
    b"\x88\xb5" + NUMBERED * 2,  # an ethertype for experiments (IEEE 802)
    b"\x88\x64" + NUMBERED * 2,  # PPPoE
    b"\x81\x00\x00\x07\x88\xb5" + NUMBERED * 2,
    b"\x81\x00\x00\x07\x81\x00\x00\x08\x08\x00" + NUMBERED * 2,
    b"\x88\xa8\x00\x07\x81\x00\x00\x08\x86\xdd" + NUMBERED * 2,
    arp(),
    *(icmp6(kind) for kind in (130, 131, 132, 133, 134, 135, 136, 137, 143)),
    icmp6(135, hops=64),
    icmp6(143, hops=1),
    icmp6(135, before=FIRST_FRAGMENT, next_header=44),
)


def main(what: str, interface: str) -> None:
    """Send all frames, or hear what comes."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as wire:
        wire.bind((interface, 3))
        if what == "send":
            for number, frame in enumerate(FRAMES):
                wire.send(EVERYBODY + OWN + frame.replace(NUMBERED, WORD + b"%03d " % number))
            print(len(FRAMES))
            return
        print("ready", flush=True)
        while True:
            data, address = wire.recvfrom(2000)
            if address[2] != socket.PACKET_OUTGOING and WORD in data:
                print(int(data.partition(WORD)[2][:3]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
