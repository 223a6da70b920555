"""A server for one client: tell.py PORT [ADDRESS PORT] tells it these, or where it comes from; and prints that."""

import socket
import sys

with socket.create_server(("0.0.0.0", int(sys.argv[1]))) as listening:
    connection, peer = listening.accept()
    with connection:
        print(*peer, flush=True)
        connection.sendall((" ".join(sys.argv[2:] or map(str, peer)) + "\n").encode())
