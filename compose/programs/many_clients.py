"""Open many connections to one server, use all of them at once, and hold them.

    python3 many_clients.py ADDRESS PORT COUNT [ADDRESS PORT COUNT]...

It prints a line per connection: its local port, and what the server answered on it, or the name of the error. Then it
waits until its standard input ends.
"""

import errno
import socket
import sys

if len(sys.argv) < 4 or len(sys.argv) % 3 != 1:
    sys.exit(__doc__)
held = []
words = sys.argv[1:]
while words:
    address, port, count, *words = words
    for _ in range(int(count)):
        s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        s.settimeout(5)
        try:
            s.connect((address, int(port)))
            held.append(s)
        except OSError as error:
            # EADDRNOTAVAIL: every port of the ephemeral range leads to this one endpoint already.
            print(f"{address} {port}:", errno.errorcode.get(error.errno, "no answer"), flush=True)

# The last that came asks first: a server that takes one client after the other would now keep all others waiting.
for s in reversed(held):
    s.sendall(b"who am I?\n")
    print(f"{s.getpeername()[0]} {s.getpeername()[1]}: from port", s.getsockname()[1], "|", s.recv(1024).decode().strip())
sys.stdout.flush()
sys.stdin.read()
