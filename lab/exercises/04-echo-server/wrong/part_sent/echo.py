"""Send back whatever a client sends, to many clients at once.

    python3 echo.py HOST PORT
"""

import selectors
import socket
import sys

host = sys.argv[1]
port = int(sys.argv[2])

selector = selectors.DefaultSelector()


def accept(listener):
    connection, _ = listener.accept()
    connection.setblocking(False)
    selector.register(connection, selectors.EVENT_READ, serve)


def serve(connection):
    try:
        data = connection.recv(4096)
        if data:
            connection.send(data)
            return
    except BlockingIOError:
        return
    except ConnectionError:
        pass
    selector.unregister(connection)
    connection.close()


with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen()
    selector.register(listener, selectors.EVENT_READ, accept)
    while True:
        for key, _ in selector.select():
            key.data(key.fileobj)
