"""Send back whatever a client sends, to many clients at once.

    python3 echo.py HOST PORT
"""

import selectors
import socket
import sys

host = sys.argv[1]
port = int(sys.argv[2])
MOST = 65536

selector = selectors.DefaultSelector()
waiting = {}


def accept(listener, _):
    connection, _ = listener.accept()
    connection.setblocking(False)
    waiting[connection] = b""
    selector.register(connection, selectors.EVENT_READ, serve)


def serve(connection, events):
    if events & selectors.EVENT_READ:
        data = connection.recv(4096)
        if not data and not waiting[connection]:
            selector.unregister(connection)
            connection.close()
            del waiting[connection]
            return
        waiting[connection] += data
    if waiting[connection]:
        try:
            sent = connection.send(waiting[connection])
        except BlockingIOError:
            sent = 0
        waiting[connection] = waiting[connection][sent:]
    rest = len(waiting[connection])
    wanted = (selectors.EVENT_READ if rest < MOST else 0) | (selectors.EVENT_WRITE if rest else 0)
    selector.modify(connection, wanted, serve)


with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen()
    selector.register(listener, selectors.EVENT_READ, accept)
    while True:
        for key, events in selector.select():
            key.data(key.fileobj, events)
