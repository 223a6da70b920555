"""Greet each client: python3 greeter.py PORT WORD."""

import socket
import sys

port = int(sys.argv[1])
word = sys.argv[2]

with socket.create_server(("0.0.0.0", port)) as listening:
    while True:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(f"hello {word}\n".encode())
