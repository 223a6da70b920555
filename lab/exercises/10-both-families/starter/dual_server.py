"""Serve clients of both families at one port, and tell each the address and port that it comes from.

    python3 dual_server.py PORT
"""

import socket
import sys

port = int(sys.argv[1])
# TODO: listen so that IPv4 clients and IPv6 clients find it.
# TODO: send each one line, "ADDRESS PORT", and close the connection.
