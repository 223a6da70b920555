"""Answer messages at one port, over TCP and over UDP, as the exercise asks for.

    python3 answers.py ADDRESS PORT [SILENT]

The message SILENT is not answered over TCP. For each TCP connection that has ended it prints the messages that came.
"""

from __future__ import annotations

import socket
import sys
import threading

SILENT = b" ".join(word.encode() for word in sys.argv[3:])


def answer(count: int, message: bytes) -> bytes:
    """What is sent back."""
    return b"%d:%d:%s" % (count, len(message), message)


def datagrams(s: socket.socket) -> None:
    """Each datagram."""
    counts: dict[object, int] = {}
    while True:
        message, sender = s.recvfrom(65535)
        counts[sender] = counts.get(sender, 0) + 1
        s.sendto(answer(counts[sender], message), sender)


def stream(connection: socket.socket) -> None:
    """Each line, all that came at once with one call."""
    came: list[bytes] = []
    rest = b""
    with connection:
        try:
            while data := connection.recv(65536):
                *lines, rest = (rest + data).split(b"\n")
                first = len(came) + 1
                came += lines
                told = [answer(count, line) + b"\n" for count, line in enumerate(lines, start=first) if line != SILENT]
                connection.sendall(b"".join(told))
        except OSError:
            pass
    sys.stdout.write(f"{' '.join(repr(one)[2:-1] for one in came)}\n")
    sys.stdout.flush()


def listen(s: socket.socket) -> None:
    """Each connection."""
    while True:
        threading.Thread(target=stream, args=s.accept()[:1], daemon=True).start()


def main(address: str, port: int) -> None:
    """Both protocols."""
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((address, port))
    tcp.bind((address, port))
    tcp.listen()
    threading.Thread(target=datagrams, args=[udp], daemon=True).start()
    listen(tcp)


main(sys.argv[1], int(sys.argv[2]))
