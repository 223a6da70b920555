"""Answer from behind a gateway that forwards PUBLIC:PUBLIC_PORT to PRIVATE:PRIVATE_PORT."""

import socket
import sys

_, _, private, private_port = sys.argv[1:]

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    # What comes in has this host's own address and port as its destination already: the gateway has changed it.
    s.bind((private, int(private_port)))
    while True:
        data, (address, port) = s.recvfrom(2048)
        text = data.decode(errors="replace").strip()
        # From the same socket: the gateway knows the way back from this end, and gives it the public one.
        s.sendto(f"{text} {address} {port}\n".encode(), (address, port))
