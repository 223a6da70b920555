"""Open doors: each a listening socket, that tells whoever comes in the door's name."""

import errno
import socket
import sys
import threading

ADDRESSES = {
    "all": "0.0.0.0",  # the wildcard: every IPv4 address that the host has, or will have
    "me": "127.0.0.1",  # loopback: no packet to it ever leaves a host, or comes in from outside
}


def serve(listening, name):
    while True:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(f"{name}\n".encode())


for door in sys.argv[1:]:
    name, where, port = door.split(":")
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # So that a port can be used again at once.
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        s.bind((ADDRESSES.get(where, where), int(port)))
        s.listen()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        print(name, "taken")
        continue
    threading.Thread(target=serve, args=[s, name]).start()
