"""Bind sockets one after the other, each while all before it are held, and print what came of each.

    python3 bind.py [--reuseaddr] [--reuseport] [--v6only 0|1] [--hold] PROTOCOL/ADDRESS:PORT...

For example: python3 bind.py tcp/192.0.2.10:8000 tcp/192.0.2.10:8000 'udp/[::]:53'
With --hold it goes on holding them until it is ended; else its end, which is at once, closes them.

A TCP socket listens as well: with SO_REUSEADDR a second bind can succeed where the second listen does not.
"""

import argparse
import errno
import signal
import socket
import sys

arguments = argparse.ArgumentParser()
arguments.add_argument("--reuseaddr", action="store_true")
arguments.add_argument("--reuseport", action="store_true")
arguments.add_argument("--v6only", type=int, choices=[0, 1])
arguments.add_argument("--hold", action="store_true")
arguments.add_argument("endpoints", nargs="+")
wanted = arguments.parse_args()

held = []  # a socket that nothing refers to is closed, and its port is free again
for endpoint in wanted.endpoints:
    protocol, _, rest = endpoint.partition("/")
    address, _, port = rest.rpartition(":")
    address = address.strip("[]")
    if protocol not in ("tcp", "udp") or not port.isdigit():
        sys.exit(f"expected PROTOCOL/ADDRESS:PORT, such as tcp/192.0.2.10:8000, found {endpoint}")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    s = socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
    if wanted.reuseaddr:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if wanted.reuseport:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if wanted.v6only is not None and family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, wanted.v6only)
    try:
        s.bind((address, int(port)))
        if protocol == "tcp":
            s.listen()
        # Asked for port 0, the kernel has chosen one; getsockname() tells which.
        print(endpoint, "bound to port", s.getsockname()[1])
    except OSError as error:
        print(endpoint, errno.errorcode.get(error.errno, error.strerror))
    except OverflowError as error:  # Python refuses a number that does not fit into 16 bits by itself
        print(endpoint, "OverflowError:", error)
    held.append(s)
if wanted.hold:
    sys.stdout.flush()
    signal.pause()
