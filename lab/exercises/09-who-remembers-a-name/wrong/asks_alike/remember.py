"""Look up names, one for each line that is read, and remember what was found for some seconds."""

import socket
import sys
import time

keep = float(sys.argv[1])
memory = {}  # name -> what was found, and until when it is good


def look_up(name):
    try:
        return socket.getaddrinfo(name, None, family=socket.AF_INET)[0][4][0]
    except socket.gaierror:
        return "no such name"


for line in sys.stdin:
    name = line.strip().lower()
    now = time.monotonic()
    if name not in memory or memory[name][1] <= now:
        memory[name] = look_up(name), now + keep
    print(memory[name][0], flush=True)
