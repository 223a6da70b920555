"""Tell each client its address and port, as they are seen here."""

import socket
import sys

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("0.0.0.0", int(sys.argv[1])))  # every IPv4 address of this host
    listening.listen()
    while True:
        # The peer is where the packets came from. Behind a NAT that is what the gateway has made of the client's end.
        connection, (address, port) = listening.accept()
        with connection:
            connection.sendall(f"{address} {port}\n".encode())
