"""Answer messages, over TCP and over UDP at the same port.

    python3 both.py HOST PORT
"""

import socket
import sys
import threading

host = sys.argv[1]
port = int(sys.argv[2])


def answer(count, message):
    """What is sent back: 3:5:hello is the answer to the third message, hello."""
    return b"%d:%d:%s" % (count, len(message), message)


def serve_datagrams(s):
    """UDP: each datagram is a message. There are no clients, only senders, and none of them ever says that it ends."""
    counts = {}
    while True:
        message, sender = s.recvfrom(65535)  # b"" is an empty message, and no end
        counts[sender] = counts.get(sender, 0) + 1
        s.sendto(answer(counts[sender], message), sender)


def serve_stream(connection):
    """TCP: each line is a message, however the stream is cut. The connection ends, and its count with it."""
    count, rest = 0, b""
    with connection:
        try:
            while data := connection.recv(4096):
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    count += 1
                    connection.sendall(answer(count, line) + b"\n")
        except ConnectionError:
            pass  # the client broke it off


def accept(listener):
    """Serve each client that connects."""
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve_stream, args=[connection]).start()


tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
tcp.bind((host, port))
tcp.listen()
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind((host, port))  # the same number, and another port: it is of another protocol
threading.Thread(target=accept, args=[tcp]).start()
serve_datagrams(udp)
