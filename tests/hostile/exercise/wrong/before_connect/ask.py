import socket
import sys

with socket.socket() as s:
    own = s.getsockname()  # nothing is chosen yet
    s.connect((sys.argv[1], int(sys.argv[2])))
    s.sendall(b"hello\n")
    _, address, port = s.makefile().readline().split()
    print("own", *own)
    print("seen", address, port)
