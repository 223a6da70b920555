"""Connect to a server by its name, and say which of its addresses was reached, or why none was."""

import socket
import sys

NOT_RESOLVED = {
    socket.EAI_NONAME: "no such name",
    socket.EAI_NODATA: "no address",
    socket.EAI_AGAIN: "no name server",
}

name, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])

# First the name becomes addresses: in this process, by the C library. The kernel knows nothing of names.
try:
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
except socket.gaierror as error:
    print(NOT_RESOLVED.get(error.errno, error.strerror))
    sys.exit(1)

# Then one address after the other is connected to, each by a socket of its own.
for family, kind, protocol, _, address in found:
    with socket.socket(family, kind, protocol) as s:
        s.settimeout(seconds)
        try:
            s.connect(address)
        except ConnectionRefusedError:
            print("refused", address[0])
        except TimeoutError:
            print("silent", address[0])
        else:
            print("connected", address[0])
            sys.exit(0)
sys.exit(1)
