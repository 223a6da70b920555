"""Open doors: each a listening socket, that tells whoever comes in the door's name."""

import errno
import socket
import sys

ADDRESSES = {"all": "0.0.0.0", "me": "127.0.0.1"}

listening = []
for door in sys.argv[1:]:
    name, where, port = door.split(":")
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        s.bind((ADDRESSES.get(where, where), int(port)))
        s.listen()
        listening.append((s, name))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        print(name, "taken")

while True:
    for s, name in listening:
        connection, _ = s.accept()
        with connection:
            connection.sendall(f"{name}\n".encode())
