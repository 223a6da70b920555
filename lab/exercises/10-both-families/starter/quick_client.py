"""Connect to a name by whichever of its addresses answers, IPv6 first, without waiting long for any (RFC 8305).

    python3 quick_client.py NAME PORT
"""

import socket
import sys

name, port = sys.argv[1], int(sys.argv[2])
addresses = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
# TODO: begin with the first, and with the next one if there is no connection after a quarter of a second.
# TODO: send the line "hello", and print the line that is answered.
