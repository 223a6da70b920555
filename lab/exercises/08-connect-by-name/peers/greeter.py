"""A server that says hello to whoever connects, and reads until they have done.

python3 greeter.py PORT ADDRESS...
"""

import socket
import sys
import threading

port = int(sys.argv[1])


def greet(connection: socket.socket) -> None:
    with connection:
        try:
            connection.sendall(b"hello\n")
            while connection.recv(1024):
                pass
        except OSError:  # they have gone without a word
            pass


def serve(listening: socket.socket) -> None:
    while True:
        connection, _ = listening.accept()
        threading.Thread(target=greet, args=[connection]).start()


for address in sys.argv[2:]:
    listening = socket.create_server((address, port))
    threading.Thread(target=serve, args=[listening]).start()
