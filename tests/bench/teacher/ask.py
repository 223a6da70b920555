"""A client: ask.py ADDRESS PORT OWN-ADDRESS OWN-PORT prints its own end and what the server says."""

import socket
import sys

address, port, own, source = sys.argv[1:]
with socket.create_connection((address, int(port)), timeout=5, source_address=(own, int(source))) as s:
    print(*s.getsockname())
    print(s.makefile().readline().strip())
