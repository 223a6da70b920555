import socket
import sys

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
    s.bind(("", 0))
    own = s.getsockname()  # a port, but no address yet
    s.connect((sys.argv[1], int(sys.argv[2])))
    address, port = s.makefile().readline().split()

seen = (address, int(port))
print("own", *own)
print("seen", *seen)
print("no NAT" if own == seen else "NAT")
