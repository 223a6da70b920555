import socket
import sys

name, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
reached = False

try:
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
except socket.gaierror as error:
    if error.errno == socket.EAI_NONAME:
        print("no such name")
    elif error.errno == socket.EAI_NODATA:
        print("no address")
    else:
        print("no name server")
    sys.exit(1)

for *_, address in found:
    s = socket.socket()
    s.settimeout(seconds)
    try:
        s.connect(address)
        print("connected", address[0])
        reached = True
    except ConnectionRefusedError:
        print("refused", address[0])
    except TimeoutError:
        print("silent", address[0])

sys.exit(0 if reached else 1)
