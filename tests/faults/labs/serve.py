"""Tell each client which address it comes from."""

import socket

with socket.create_server(("203.0.113.80", 7000)) as listening:
    while True:
        connection, peer = listening.accept()
        with connection:
            connection.sendall(peer[0].encode())
