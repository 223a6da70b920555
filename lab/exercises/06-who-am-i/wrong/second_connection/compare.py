import socket
import sys

server = (sys.argv[1], int(sys.argv[2]))

with socket.create_connection(server) as s, socket.create_connection(server) as other:
    own = other.getsockname()
    address, port = s.makefile().readline().split()

seen = (address, int(port))
print("own", *own)
print("seen", *seen)
print("no NAT" if own == seen else "NAT")
