"""A client that sends much, and only then begins to read.

    python3 greedy.py ADDRESS PORT BYTES SEED

It prints `sent` when the kernel has taken all of it, waits for a line on its standard input, reads, and prints what
came, compared with what was sent. At the end of its input it leaves without having read.
"""

from __future__ import annotations

import random
import socket
import sys

HELD = 400_000
"""bytes that are sent and not yet taken by the server wait in this host"""
TAKEN = 4096
"""bytes that are taken before they are read: a server that cannot get rid of its echo has to stop reading, too (RFC
9293 §3.8.6)"""


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def read(s: socket.socket, sent: bytes) -> str:
    """Read as much as was sent; what came, in words."""
    came = bytearray()
    try:
        while len(came) < len(sent):
            piece = s.recv(65536)
            if not piece:
                return f"{len(came)} bytes, and then the end"
            came += piece
    except TimeoutError:
        return f"{len(came)} bytes, and then nothing more"
    if came == sent:
        return f"all {len(sent)} bytes"
    place = next(at for at in range(len(sent)) if came[at] != sent[at])
    return f"{place} bytes, and then others"


def main(address: str, port: int, count: int, seed: str) -> None:
    """One connection."""
    data = random.Random(seed).randbytes(count)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, HELD)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, TAKEN)
        s.settimeout(2)
        try:
            s.connect((address, port))
            s.sendall(data)
            say("sent")
            if sys.stdin.readline():
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, HELD)
                say(read(s, data))
        except TimeoutError:
            say("nobody takes what is sent")
        except OSError as error:
            say(error.strerror or str(error))


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
