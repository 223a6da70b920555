"""Print this end of a connection, and what the server sees of it."""

import socket
import sys

with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as s:
    s.sendall(b"hello\n")
    _, address, port = s.makefile().readline().split()
    print("own", *s.getsockname())
    print("seen", address, port)
