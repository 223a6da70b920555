"""Send two messages at once, or receive: each recv() prints what it got.

    python3 boundaries.py receive tcp|udp ADDRESS PORT
    python3 boundaries.py send    tcp|udp ADDRESS PORT
"""

import socket
import sys

role, protocol, address, port = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
with socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM) as s:
    if role == "send":
        s.connect((address, port))
        s.send(b"first")
        s.send(b"second")
    elif protocol == "udp":
        s.bind((address, port))
        print("ready", flush=True)
        sys.stdin.readline()  # until both are there
        for _ in range(2):
            print("recv", s.recv(1024).decode(), flush=True)
    else:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((address, port))
        s.listen()
        print("ready", flush=True)
        connection, _ = s.accept()
        sys.stdin.readline()
        while data := connection.recv(1024):  # b"": the other side has closed
            print("recv", data.decode(), flush=True)
