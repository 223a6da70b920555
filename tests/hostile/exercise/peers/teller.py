"""A server for one client, that tells it what it is told to tell.

    python3 teller.py ADDRESS PORT

It prints `ready` when it listens, and then what the client sent. Then it waits for a line of its standard input, passes
that on to the client, and closes the connection.
"""

import contextlib
import select
import socket
import sys

MOST = 100
"""bytes of the client's line"""

with socket.create_server((sys.argv[1], int(sys.argv[2]))) as listening:
    print("ready", flush=True)
    ready, _, _ = select.select([listening, sys.stdin], [], [])
    if listening in ready:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):  # a client need not wait for it
            connection.settimeout(3)
            print(repr(connection.makefile("rb").readline(MOST)), flush=True)
            connection.sendall(sys.stdin.readline().encode())
