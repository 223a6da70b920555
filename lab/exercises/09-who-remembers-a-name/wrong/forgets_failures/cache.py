import socket
import sys
import time

import messages

address, server = sys.argv[1:]
memory = {}  # question -> the answer, since when it is known, and until when it is good


def ask(query):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(1)
        s.connect((server, 53))
        s.send(query)
        return s.recv(4096)


with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as clients:
    clients.bind((address, 53))
    while True:
        query, client = clients.recvfrom(4096)
        asked, now = messages.question(query), time.monotonic()
        if asked not in memory or memory[asked][2] <= now:
            try:
                answer = ask(query)
            except OSError:  # no answer: the client asks again, or gives up
                continue
            if answer[3] & 15:  # an error: there is nothing to remember
                clients.sendto(answer, client)
                continue
            memory[asked] = answer, now, now + messages.seconds(answer)
        answer, since, _ = memory[asked]
        clients.sendto(messages.again(answer, query, now - since), client)
