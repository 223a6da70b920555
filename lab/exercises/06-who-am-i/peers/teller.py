"""A server for one client, that tells it what it is told to tell.

    python3 teller.py ADDRESS PORT

It prints `ready` when it listens, and then the address and port that it sees. Then it waits for a line of its standard
input, passes that on to the client, and closes the connection. The end of its standard input ends it.
"""

import contextlib
import select
import socket
import sys

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
    # The last one's connection may still be in TIME-WAIT.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((sys.argv[1], int(sys.argv[2])))
    listening.listen()
    print("ready", flush=True)
    ready, _, _ = select.select([listening, sys.stdin], [], [])
    if listening in ready:
        connection, peer = listening.accept()
        with connection, contextlib.suppress(ConnectionError):  # a client need not wait for it
            print(*peer, flush=True)
            connection.sendall(sys.stdin.readline().encode())
