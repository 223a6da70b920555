import socket
import struct
import sys

with socket.create_server(("0.0.0.0", int(sys.argv[1]))) as listening:
    while True:
        connection, _ = listening.accept()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
