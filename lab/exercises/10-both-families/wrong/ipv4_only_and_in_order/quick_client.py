"""Connect to a name by whichever of its addresses answers."""

import socket
import sys

# It tries all addresses, one after the other.
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=4) as s:
    s.sendall(b"hello\n")
    print(s.makefile().readline().strip())
