import socket
import sys

with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as s:
    s.sendall(b"hello\n")
    _, address, port = s.makefile().readline().split()
    own, port = s.getsockname()
    print("own", own, port)
    print("seen", address, port)  # its own port: many gateways keep it
