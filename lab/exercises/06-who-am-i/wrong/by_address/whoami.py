import socket
import sys

seen = {}

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("0.0.0.0", int(sys.argv[1])))
    s.listen()
    while True:
        connection, (address, port) = s.accept()
        with connection:
            # A client that has come before: but behind one address there may be many.
            port = seen.setdefault(address, port)
            connection.sendall(f"{address} {port}\n".encode())
