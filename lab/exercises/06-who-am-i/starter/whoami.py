"""Tell each client its address and port, as they are seen here."""

import socket
import sys

port = int(sys.argv[1])

# TODO: a listening socket at 0.0.0.0 (every IPv4 address of this host) and that port.
# TODO: accept() one client after the other, for ever. What does accept() tell of the client?
# TODO: send the line, and close the connection.
