import socket
import sys

with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as s:
    own = s.getsockname()
    address, port = s.makefile().readline().split()

print("own", *own)
print("seen", address, port)
print("NAT" if int(port) != own[1] else "no NAT")
