"""Connect to a name by whichever of its addresses answers."""

import socket
import sys

name, port = sys.argv[1], int(sys.argv[2])
addresses = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
for family, kind, protocol, _, address in sorted(addresses):  # AF_INET is the smaller number
    s = socket.socket(family, kind, protocol)
    try:
        s.connect(address)
        break
    except OSError:
        s.close()
s.sendall(b"hello\n")
print(s.makefile().readline().strip())
