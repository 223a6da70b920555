"""Ask a whoami server, and print what this host knows of itself beside what the server sees.

    python3 whoami_client.py [--hold] [--wait SECONDS] tcp|udp ADDRESS PORT [SOURCE_PORT [SOURCE_ADDRESS]]

It prints `from ADDRESS PORT | ANSWER`, or the name of the error. With --hold it keeps the socket open and asks again
for each line on its standard input, until that ends.
"""

import argparse
import errno
import socket
import sys

arguments = argparse.ArgumentParser()
arguments.add_argument("--hold", action="store_true")
arguments.add_argument("--wait", type=float, default=2.0)
arguments.add_argument("protocol", choices=["tcp", "udp"])
arguments.add_argument("address")
arguments.add_argument("port", type=int)
arguments.add_argument("source_port", type=int, nargs="?", default=0)  # 0: whichever the kernel takes
arguments.add_argument("source_address", nargs="?", default="")  # "": whichever leads to the server
wanted = arguments.parse_args()


def ask(s):
    s.send(b"who am I?\n")
    print("from", *s.getsockname()[:2], "|", s.recv(1024).decode().strip(), flush=True)


family = socket.AF_INET6 if ":" in wanted.address else socket.AF_INET
with socket.socket(family, socket.SOCK_STREAM if wanted.protocol == "tcp" else socket.SOCK_DGRAM) as s:
    # A source port may still be in TIME-WAIT from the last run.
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.settimeout(wanted.wait)
    try:
        if wanted.source_port or wanted.source_address:
            s.bind((wanted.source_address, wanted.source_port))
        # connect() on a UDP socket sends nothing: it only fixes the peer, for send() and for errors.
        s.connect((wanted.address, wanted.port))
        ask(s)
        while wanted.hold and sys.stdin.readline():
            ask(s)
    except TimeoutError:
        sys.exit("no answer")
    except OSError as error:
        sys.exit(errno.errorcode.get(error.errno, error.strerror))
