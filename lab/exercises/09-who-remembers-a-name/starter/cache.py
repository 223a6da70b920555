"""A name server that asks another one, and remembers each answer for as long as its TTL says.

    python3 cache.py ADDRESS SERVER
"""

import socket
import sys
import time

import messages

address, server = sys.argv[1:]


def ask(query):
    """What the other name server answers. Raises OSError if it does not."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(1)
        s.connect((server, 53))
        s.send(query)
        return s.recv(4096)


with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as clients:
    clients.bind((address, 53))
    while True:
        query, client = clients.recvfrom(4096)
        # TODO: messages.question(query) is what is asked. Is it remembered, and still good? Then do not ask again.
        try:
            answer = ask(query)
        except OSError:  # no answer: the client asks again, or gives up
            continue
        # TODO: remember it, for messages.seconds(answer).
        clients.sendto(answer, client)
