"""Connect to a server by its name, and say which of its addresses was reached, or why none was.

    python3 connect.py NAME PORT SECONDS
"""

import socket
import sys

name, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])

# TODO: get the addresses of the name. What if there are none?

# TODO: try one after the other, each for at most so many seconds, until one is reached.

sys.exit(1)  # no address was reached
