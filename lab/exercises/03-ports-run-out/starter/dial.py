"""Hold up to COUNT connections to each endpoint, and say from which port each goes out.

    python3 dial.py COUNT ADDRESS PORT [ADDRESS PORT]...
"""

import errno
import signal
import socket
import sys

count = int(sys.argv[1])
words = sys.argv[2:]
for address, port in zip(words[::2], words[1::2]):
    # TODO: connect up to `count` times, and print for each "192.0.2.10 8000: 50001", or the error's name
    pass

# TODO: keep the connections until the program is ended.
