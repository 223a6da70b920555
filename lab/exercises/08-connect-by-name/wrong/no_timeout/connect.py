import socket
import sys

NOT_RESOLVED = {
    socket.EAI_NONAME: "no such name",
    socket.EAI_NODATA: "no address",
    socket.EAI_AGAIN: "no name server",
}

name, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])

try:
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
except socket.gaierror as error:
    print(NOT_RESOLVED.get(error.errno, error.strerror))
    sys.exit(1)

for family, kind, protocol, _, address in found:
    with socket.socket(family, kind, protocol) as s:
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
