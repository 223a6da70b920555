"""Compare a connection's own end, as this host knows it, with what the server sees of it."""

import socket
import sys

with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as s:
    own = s.getsockname()  # after connect(), which chooses both address and port
    address, port = s.makefile().readline().split()

seen = (address, int(port))
print("own", *own)
print("seen", *seen)
print("no NAT" if own == seen else "NAT")
