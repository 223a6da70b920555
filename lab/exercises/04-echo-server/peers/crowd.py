"""Many clients: all of them connect, then each sends a text of its own, the last one first.

    python3 crowd.py ADDRESS PORT COUNT WORD

It prints how many of them had their own text back, and holds all connections until its standard input ends.
"""

from __future__ import annotations

import socket
import sys


def is_answered(s: socket.socket, text: bytes) -> bool:
    """Whether a client has back what it sends."""
    came = b""
    try:
        s.sendall(text)
        while len(came) < len(text) and (piece := s.recv(len(text))):
            came += piece
    except OSError:
        return False
    return came == text


def main(address: str, port: int, count: int, word: str) -> None:
    """All of them."""
    held = []
    try:
        for _ in range(count):
            held.append(socket.create_connection((address, port), timeout=2))
    except OSError:
        pass
    answered = 0
    for number, s in reversed(list(enumerate(held))):
        if not is_answered(s, f"{word} {number}".encode()):
            break  # the others would wait as long
        answered += 1
    sys.stdout.write(f"{answered} of {count}\n")
    sys.stdout.flush()
    sys.stdin.read()


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
