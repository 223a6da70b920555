import contextlib
import socket
import sys

with socket.create_server(("0.0.0.0", int(sys.argv[1]))) as listening:
    while True:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            while True:
                connection.sendall(b"x" * 65536)
