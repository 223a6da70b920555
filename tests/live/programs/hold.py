"""Connect from a given port, send a text, print both ends and the answer, and hold the connection."""

import socket
import sys

address, port, source, text = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
with socket.socket() as s:
    s.bind(("", source))
    s.settimeout(5)
    s.connect((address, port))
    s.sendall(text.encode())
    print(*s.getsockname(), s.recv(1024).decode(), flush=True)
    s.settimeout(None)
    s.recv(1)
