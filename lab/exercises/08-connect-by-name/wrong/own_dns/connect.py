"""It asks the name server by itself, and so never looks into the hosts file."""

import os
import socket
import struct
import sys

name, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])

with open("/etc/resolv.conf") as file:
    server = next(line.split()[1] for line in file if line.startswith("nameserver"))


def skip(data, place):
    while data[place] and data[place] < 0xC0:
        place += 1 + data[place]
    return place + (2 if data[place] else 1)


def ask(name):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = os.urandom(2) + b"\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(1)
        s.sendto(query, (server, 53))
        data = s.recv(4096)
    if data[3] & 15 == 3:
        return None
    place, found = len(query), []
    for _ in range(struct.unpack_from("!H", data, 6)[0]):
        place = skip(data, place)
        kind, _, _, size = struct.unpack_from("!HHIH", data, place)
        if kind == 1:
            found.append(socket.inet_ntoa(data[place + 10 : place + 14]))
        place += 10 + size
    return found


try:
    addresses = [name] if name.replace(".", "").isdigit() else ask(name)
except TimeoutError:
    print("no name server")
    sys.exit(1)
if not addresses:
    print("no such name" if addresses is None else "no address")
    sys.exit(1)

for address in addresses:
    with socket.socket() as s:
        s.settimeout(seconds)
        try:
            s.connect((address, port))
        except ConnectionRefusedError:
            print("refused", address)
        except TimeoutError:
            print("silent", address)
        else:
            print("connected", address)
            sys.exit(0)
sys.exit(1)
