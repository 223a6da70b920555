"""Serve one port at several addresses, and tell each client at which of them it has come in."""

import socket
import sys

port = int(sys.argv[1])
addresses = sys.argv[2:]

listening = []
for address in addresses:
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    s.listen()
    listening.append(s)

while True:
    for s in listening:
        connection, _ = s.accept()
        with connection:
            address, port = connection.getsockname()
            connection.sendall(f"{address} {port}\n".encode())
