"""Serve clients of both families at one port, and tell each the address and port that it comes from."""

import socket
import sys
import threading


def serve(s):
    while True:
        connection, peer = s.accept()
        with connection:
            connection.sendall(f"{peer[0]} {peer[1]}\n".encode())


sockets = []
for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
    s = socket.socket(family, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, int(sys.argv[1])))
    s.listen()
    sockets.append(s)
for s in sockets:
    threading.Thread(target=serve, args=[s]).start()
