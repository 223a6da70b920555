import socket
import sys

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("0.0.0.0", int(sys.argv[1])))
    s.listen()
    connections = []
    while True:
        connection, (address, port) = s.accept()
        connections.append(connection)
        connection.sendall(f"{address} {port}\n".encode())
