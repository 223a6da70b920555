"""Stay within reach of a server, through a gateway that forgets a mapping after LIFETIME idle seconds."""

import socket
import sys

server = (sys.argv[1], int(sys.argv[2]))
lifetime = float(sys.argv[3])

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    # TODO: say hello to the server.
    # TODO: print each message, as it comes, until it is bye.
    # TODO: meanwhile say hello again, often enough.
    pass
