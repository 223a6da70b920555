"""Serve one port at several addresses, and tell each client at which of them it has come in."""

import socket
import sys
import threading

port = int(sys.argv[1])
addresses = sys.argv[2:]


def serve(listening):
    while True:
        connection, _ = listening.accept()
        with connection:
            # Of a connection's two ends this is ours: the address that the client has asked for.
            address, port = connection.getsockname()
            connection.sendall(f"{address} {port}\n".encode())


for address in addresses:
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # Without it a server that is started again waits until its old connections have left TIME-WAIT.
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    s.listen()
    # accept() waits: one thread for each address, so that neither waits for the other's clients.
    threading.Thread(target=serve, args=[s]).start()
