"""A server that answers each client with a fixed word and the client's address as it sees it, on TCP or UDP."""

import socket
import sys

protocol, address, port, word = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
with socket.socket(family, kind) as s:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    if protocol == "tcp":
        s.listen()
    while True:
        if protocol == "tcp":
            connection, peer = s.accept()
            with connection:
                connection.sendall(f"{word} {peer[0]} {peer[1]}\n".encode())
        else:
            _, peer = s.recvfrom(1024)
            s.sendto(f"{word} {peer[0]} {peer[1]}\n".encode(), peer)
