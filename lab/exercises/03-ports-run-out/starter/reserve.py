"""Listen by TCP at as many of these ports of an address as can be had, and say what came of each.

    python3 reserve.py ADDRESS PORT...
"""

import errno
import signal
import socket
import sys

address = sys.argv[1]
for port in map(int, sys.argv[2:]):
    # TODO: bind() and listen(), and print what came of it: "80: EACCES", "8000: 8000", "0: 50002", "70000: no port"
    pass

# TODO: keep what you have until the program is ended.
