"""Sends frames in the name of others: named_as_others.py INTERFACE HARDWARE-ADDRESS.

Hundreds in names that nobody has, and one in the name of the given address.
"""

from __future__ import annotations

import socket
import sys

EXPERIMENT = b"\x88\xb5"
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
    wire.bind((sys.argv[1], 0))
    for number in range(500):
        wire.send(b"\xff" * 6 + b"\x02\x99\x00\x00" + number.to_bytes(2, "big") + EXPERIMENT + bytes(46))
    wire.send(b"\xff" * 6 + bytes.fromhex(sys.argv[2].replace(":", "")) + EXPERIMENT + bytes(46))
