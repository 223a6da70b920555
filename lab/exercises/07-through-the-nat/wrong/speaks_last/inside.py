"""Answer from behind a gateway that forwards PUBLIC:PUBLIC_PORT to PRIVATE:PRIVATE_PORT."""

import socket
import sys

public, public_port, private, private_port = sys.argv[1:]

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    # TODO: bind to the end at which the datagrams arrive.
    # TODO: for ever: receive one, and answer whoever has sent it.
    pass
