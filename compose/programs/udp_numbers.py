"""Send numbered datagrams, or receive them and print which ones came.

    python3 udp_numbers.py receive ADDRESS PORT
    python3 udp_numbers.py send ADDRESS PORT [COUNT]

Nobody acknowledges a datagram and nobody sends it again: what is lost is lost (RFC 768). The receiver prints a line
for every number, in the order in which they come.
"""

import argparse
import socket
import time

arguments = argparse.ArgumentParser()
arguments.add_argument("role", choices=["receive", "send"])
arguments.add_argument("address")
arguments.add_argument("port", type=int)
arguments.add_argument("count", type=int, nargs="?", default=100)
wanted = arguments.parse_args()
address, port = wanted.address, wanted.port

family = socket.AF_INET6 if ":" in address else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as s:
    if wanted.role == "receive":
        s.bind((address, port))
        while True:
            print(s.recv(1024).decode(), flush=True)
    s.connect((address, port))
    for number in range(wanted.count):
        s.send(str(number).encode())
        # A receiver that is slower than the sender would lose datagrams by itself, in its full socket buffer.
        time.sleep(0.0005)
