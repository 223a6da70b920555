"""Send two messages at once, or receive: each recv() prints what it got.

    python3 boundaries.py receive tcp|udp ADDRESS PORT
    python3 boundaries.py send    tcp|udp ADDRESS PORT

The receiver begins to read when it is given a line on its standard input: by then both messages may have arrived.
"""

import argparse
import socket
import sys

arguments = argparse.ArgumentParser()
arguments.add_argument("role", choices=["receive", "send"])
arguments.add_argument("protocol", choices=["tcp", "udp"])
arguments.add_argument("address")
arguments.add_argument("port", type=int)
wanted = arguments.parse_args()
protocol, address, port = wanted.protocol, wanted.address, wanted.port

family = socket.AF_INET6 if ":" in address else socket.AF_INET
with socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM) as s:
    if wanted.role == "send":
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
