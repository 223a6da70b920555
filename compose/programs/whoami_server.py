"""A server that tells each client the address and port under which it is seen here.

    python3 whoami_server.py [--reuseport] [--v6only] tcp|udp ADDRESS PORT [NAME]

The answer is `NAME sees ADDRESS PORT`. Behind a NAT that is not what the client believes of itself.
"""

import argparse
import socket
import threading

arguments = argparse.ArgumentParser()
arguments.add_argument("--reuseport", action="store_true")
arguments.add_argument("--v6only", action="store_true")
arguments.add_argument("protocol", choices=["tcp", "udp"])
arguments.add_argument("address")
arguments.add_argument("port", type=int)
arguments.add_argument("name", nargs="?", default="server")
wanted = arguments.parse_args()
protocol, address, port = wanted.protocol, wanted.address, wanted.port


def answer(peer):
    return f"{wanted.name} sees {peer[0]} {peer[1]}\n".encode()


def serve(connection, peer):
    """One client, for as long as it likes: a line for each of its messages."""
    with connection:
        print("connected by", *peer[:2], flush=True)
        try:
            while connection.recv(1024):
                connection.sendall(answer(peer))
        except ConnectionError as error:  # the client broke it off
            print("lost", *peer[:2], error, flush=True)


family = socket.AF_INET6 if ":" in address else socket.AF_INET
with socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM) as s:
    # Without it a TCP server that is started again waits until its old connections have left TIME-WAIT. For UDP
    # it would let two servers take one port, and only the last would hear anything.
    if protocol == "tcp":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if wanted.reuseport:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        # Off, one socket at [::] serves IPv4 clients too; they appear as ::ffff:192.0.2.20.
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, wanted.v6only)
    s.bind((address, port))
    if protocol == "tcp":
        s.listen()
        while True:
            # The listening socket goes on listening while a thread serves the new one.
            threading.Thread(target=serve, args=s.accept(), daemon=True).start()
    while True:
        data, peer = s.recvfrom(1024)
        print("datagram from", *peer[:2], flush=True)
        s.sendto(answer(peer), peer)
