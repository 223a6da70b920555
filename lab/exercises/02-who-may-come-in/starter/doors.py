"""Open doors: each a listening socket, that tells whoever comes in the door's name.

    python3 doors.py NAME:WHERE:PORT...
"""

import socket
import sys

for door in sys.argv[1:]:
    name, where, port = door.split(":")
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # TODO: which address stands for `all`, and which for `me`?
    # TODO: what if the endpoint is taken?
    # TODO: tell each client the name, at all doors side by side.
