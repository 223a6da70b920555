import socket
import sys

with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as s:
    own = s.getsockname()
    s.makefile().readline()
    seen = s.getpeername()  # this is the server's end, and not what it sees

print("own", *own)
print("seen", *seen)
print("no NAT" if own == seen else "NAT")
