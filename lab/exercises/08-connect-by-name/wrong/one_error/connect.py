import socket
import sys

name, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])

try:
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
except socket.gaierror:
    print("no such name")
    sys.exit(1)

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
            sys.exit()
sys.exit(1)
