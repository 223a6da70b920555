"""Connect to a name by whichever of its addresses answers."""

import socket
import sys

# A quarter of a second for each address.
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=0.25) as s:
    s.sendall(b"hello\n")
    print(s.makefile().readline().strip())
