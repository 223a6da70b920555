"""Serve clients of both families at one port, and tell each the address and port that it comes from."""

import socket
import sys
import threading


def serve(connection, peer):
    with connection:
        connection.sendall(f"{peer[0]} {peer[1]}\n".encode())


with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", int(sys.argv[1])))
    s.listen()
    while True:
        threading.Thread(target=serve, args=s.accept()).start()
