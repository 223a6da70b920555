"""Connect to a name by whichever of its addresses answers first."""

import select
import socket
import sys

name, port = sys.argv[1], int(sys.argv[2])
attempts = []
for family, kind, protocol, _, address in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM):
    s = socket.socket(family, kind, protocol)
    s.setblocking(False)
    if s.connect_ex(address) == 115:  # EINPROGRESS: it is begun
        attempts.append(s)

_, answered, _ = select.select([], attempts, [])
s = answered[0]
s.setblocking(True)
s.sendall(b"hello\n")
print(s.makefile().readline().strip())
