"""Send a datagram for each line of the standard input, from one unconnected UDP socket, and print what comes back.

    python3 udp_state.py [--connect] ADDRESS PORT

With --connect the socket knows its peer, and so learns of ICMP errors (udp(7)): without it nobody tells.
"""

import argparse
import errno
import socket
import sys

arguments = argparse.ArgumentParser()
arguments.add_argument("--connect", action="store_true")
arguments.add_argument("address")
arguments.add_argument("port", type=int)
wanted = arguments.parse_args()
server = (wanted.address, wanted.port)

with socket.socket(socket.AF_INET6 if ":" in wanted.address else socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.settimeout(1)
    if wanted.connect:
        s.connect(server)
    for line in sys.stdin:
        try:
            s.send(line.encode()) if wanted.connect else s.sendto(line.encode(), server)
            print("answer:", s.recv(1024).decode().strip(), flush=True)
        except TimeoutError:
            print("no answer, and no error", flush=True)
        except OSError as error:
            print(errno.errorcode.get(error.errno, error.strerror), flush=True)
