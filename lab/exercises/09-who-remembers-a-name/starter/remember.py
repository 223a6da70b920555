"""Look up names, one for each line that is read, and remember what was found for some seconds.

    python3 remember.py SECONDS
"""

import socket
import sys

keep = float(sys.argv[1])

for line in sys.stdin:
    name = line.strip()
    # TODO: what if it is remembered, and still good?
    address = socket.getaddrinfo(name, None, family=socket.AF_INET)[0][4][0]
    # TODO: what if there is no such name?
    print(address, flush=True)
