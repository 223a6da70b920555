"""Send COUNT frames of random bytes, many of which look like IPv4, IPv6, ARP, TCP or DNS at their beginning."""

import contextlib
import random
import socket
import sys

KINDS = [bytes.fromhex(one) for one in ("0800", "86dd", "0806", "8100", "88a8", "ffff")]
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind(("eth0", 0))
chance = random.Random(7)
for number in range(int(sys.argv[1])):
    frame = b"\xff" * 6 + chance.randbytes(6) + chance.choice(KINDS) + chance.randbytes(chance.randrange(1, 200))
    if number % 3 == 0:  # an IPv4 header whose lengths and protocol are random, to port 53
        length = chance.randrange(65536).to_bytes(2, "big")
        protocol = bytes([chance.choice([1, 6, 17, chance.randrange(256)])])
        frame = frame[:12] + b"\x08\x00" + bytes([0x40 | chance.randrange(16)]) + b"\0" + length + bytes(4) + b"\x40"
        frame += protocol + bytes(2) + chance.randbytes(8) + b"\0\x35\0\x35" + chance.randbytes(chance.randrange(60))
    with contextlib.suppress(OSError):
        raw.send(frame)
