"""Send back whatever a client sends, to many clients at once.

    python3 echo.py HOST PORT
"""

import socket
import sys
import threading

host = sys.argv[1]
port = int(sys.argv[2])


def serve(connection):
    """One client, from its first byte to its end."""
    with connection:  # closed at the end, whatever ends it
        try:
            data = connection.recv(4096)
            connection.sendall(data)
        except ConnectionError:
            pass  # it broke the connection off: there is nobody left to tell


with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
    # Else bind() is refused for as long as an old connection of this port is in TIME-WAIT.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen()
    while True:
        connection, _ = listener.accept()  # a new socket for this client; the listening one goes on
        threading.Thread(target=serve, args=[connection], daemon=True).start()
