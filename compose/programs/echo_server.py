"""An echo server: it sends back whatever a client sends, one client after the other.

    python3 echo_server.py [ADDRESS [PORT]]

It speaks TCP. With the default address 127.0.0.1 only programs on the same host can reach it; give the address
of an interface, or 0.0.0.0 for every address of the host, to be reached by others. At :: it serves IPv6 and IPv4.
"""

import socket
import sys

HOST = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
PORT = int(sys.argv[2]) if len(sys.argv) > 2 else 65432
FAMILY = socket.AF_INET6 if ":" in HOST else socket.AF_INET

with socket.socket(FAMILY, socket.SOCK_STREAM) as listener:
    # A server that is started again would otherwise have to wait until the connections that it closed
    # have left TIME-WAIT.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if FAMILY == socket.AF_INET6:
        # Off, an IPv4 client is served too; it appears with its address mapped into IPv6, as ::ffff:192.0.2.10.
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind((HOST, PORT))
    listener.listen()
    while True:
        # accept() gives a *new* socket for this one client; the listening socket goes on listening.
        connection, address = listener.accept()
        with connection:
            print("Connected by", address[:2], flush=True)  # of IPv6 there is more: flow label and scope
            try:
                while True:
                    data = connection.recv(1024)
                    if not data:  # the client has closed its side
                        break
                    connection.sendall(data)
            except ConnectionError as error:  # the client broke it off; the next one is served all the same
                print("Lost:", error, flush=True)
