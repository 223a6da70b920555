"""Answer each client with its own line, and where it comes from."""

import socket
import sys

with socket.create_server(("0.0.0.0", int(sys.argv[1]))) as listening:
    while True:
        connection, (address, port) = listening.accept()
        with connection:
            connection.settimeout(2)  # one that says nothing does not keep the others waiting for ever
            try:
                word = connection.makefile().readline().strip()
                connection.sendall(f"{word} {address} {port}\n".encode())
            except OSError:
                pass
