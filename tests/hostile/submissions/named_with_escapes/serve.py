import ctypes
import socket
import sys

ctypes.CDLL(None).prctl(15, b"\x1b[31m\n::error", 0, 0, 0)  # PR_SET_NAME
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listening:
    while True:
        listening.accept()
