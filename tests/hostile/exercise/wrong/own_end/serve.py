import socket
import sys

with socket.create_server(("0.0.0.0", int(sys.argv[1]))) as listening:
    while True:
        connection, _ = listening.accept()
        with connection:
            word = connection.makefile().readline().strip()
            address, port = connection.getsockname()  # the server's end
            connection.sendall(f"{word} {address} {port}\n".encode())
