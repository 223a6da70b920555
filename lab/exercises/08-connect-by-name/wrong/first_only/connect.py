import socket
import sys

name, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])

try:
    address = socket.getaddrinfo(name, port)[0][4]
except socket.gaierror as error:
    words = {socket.EAI_NONAME: "no such name", socket.EAI_NODATA: "no address"}
    print(words.get(error.errno, "no name server"))
    sys.exit(1)

s = socket.socket()
s.settimeout(seconds)
try:
    s.connect(address)
except ConnectionRefusedError:
    print("refused", address[0])
    sys.exit(1)
except TimeoutError:
    print("silent", address[0])
    sys.exit(1)
print("connected", address[0])
