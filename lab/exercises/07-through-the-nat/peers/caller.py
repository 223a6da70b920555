"""A UDP server that remembers who has spoken to it, and sends what it is told to send.

    python3 caller.py ADDRESS PORT

For each line of JSON on its standard input it writes one:
{} asks who has spoken so far, {"heard": [[ADDRESS, PORT, DATAGRAMS, LAST TEXT], ...]} in the order of their first.
{"to": [ADDRESS, PORT], "text": TEXT} sends a datagram, and is answered in the same way.
"""

import json
import select
import socket
import sys

MOST = 20
"""Of more ends it does not tell."""
MOST_TEXT = 40

heard: dict[tuple[str, int], list[str | int]] = {}

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.bind((sys.argv[1], int(sys.argv[2])))
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([s, sys.stdin], [], [])
        if s in ready:
            data, end = s.recvfrom(2048)
            if end in heard or len(heard) < MOST:
                count = int(heard[end][2]) if end in heard else 0
                heard[end] = [*end, count + 1, data.decode(errors="replace")[:MOST_TEXT]]
        if sys.stdin in ready:
            line = sys.stdin.readline()
            if not line:
                break
            order = json.loads(line)
            if "to" in order:
                s.sendto(order["text"].encode(), tuple(order["to"]))
            print(json.dumps({"heard": list(heard.values())}), flush=True)
