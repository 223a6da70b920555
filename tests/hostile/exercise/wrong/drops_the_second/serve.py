import socket
import sys

with socket.create_server(("0.0.0.0", int(sys.argv[1]))) as listening:
    connection, (address, port) = listening.accept()
    with connection:
        word = connection.makefile().readline().strip()
        connection.sendall(f"{word} {address} {port}\n".encode())
