"""Compare a connection's own end, as this host knows it, with what the server sees of it."""

import socket
import sys

server, port = sys.argv[1], int(sys.argv[2])

# TODO: connect to the server. What are the address and the port of this end? Ask the socket.
own = ("0.0.0.0", 0)

# TODO: read the line that the server sends. s.makefile() is like an open file: it has readline().
seen = ("0.0.0.0", 0)

print("own", *own)
print("seen", *seen)
# TODO: print the third line.
