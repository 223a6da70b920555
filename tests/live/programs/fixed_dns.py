"""Answer questions at a UDP port with 192.0.2.1 and a TTL of 60 s, until killed: fixed_dns.py ADDRESS PORT.

A name that begins with `lost` gets no answer, one that begins with `no` gets NXDOMAIN.
"""

import socket
import sys

ANSWER = bytes.fromhex("c00c 0001 0001 0000003c 0004 c0000201")

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], int(sys.argv[2])))
print("bound", flush=True)
while True:
    question, client = server.recvfrom(512)
    if question[13:].startswith(b"lost"):
        continue
    if question[13:].startswith(b"no"):
        server.sendto(question[:2] + bytes.fromhex("8403 0001 0000 0000 0000") + question[12:], client)
        continue
    server.sendto(question[:2] + bytes.fromhex("8400 0001 0001 0000 0000") + question[12:] + ANSWER, client)
