"""Serve one port at several addresses, and tell each client at which of them it has come in.

    python3 one_port.py PORT ADDRESS ADDRESS
"""

import socket
import sys

port = int(sys.argv[1])
addresses = sys.argv[2:]


def serve(listening):
    """Answer each client that comes to one listening socket."""
    # TODO: for each client: accept(), send one line, close.


for address in addresses:
    print("TODO: a listening socket at", address, "port", port)
