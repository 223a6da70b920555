import socket
import sys
import time

with socket.create_server(("0.0.0.0", int(sys.argv[1]))) as listening:
    while True:
        connection, peer = listening.accept()
        with connection:
            for byte in b"a word that takes its time\n":
                connection.sendall(bytes([byte]))
                time.sleep(1)
