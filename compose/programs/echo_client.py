"""A client for the echo server: it sends one message and prints what comes back.

    python3 echo_client.py [ADDRESS [PORT [SOURCE_PORT]]]

Without SOURCE_PORT the kernel picks a port of this host's ephemeral range.
"""

import socket
import sys

HOST = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
PORT = int(sys.argv[2]) if len(sys.argv) > 2 else 65432
SOURCE_PORT = int(sys.argv[3]) if len(sys.argv) > 3 else 0  # 0 means: any free one
FAMILY = socket.AF_INET6 if ":" in HOST else socket.AF_INET

with socket.socket(FAMILY, socket.SOCK_STREAM) as s:
    if SOURCE_PORT:  # a client binds only if it wants a certain port; connect() takes a free one by itself
        s.bind(("", SOURCE_PORT))
    s.connect((HOST, PORT))
    # Both ends of the connection as this host sees them. Behind a NAT the server sees another source.
    print("Connected from", s.getsockname()[:2], "to", s.getpeername()[:2])
    s.sendall(b"Hello, server")
    data = s.recv(1024)

print("Received", repr(data))
