"""Listen by TCP at as many of these ports of an address as can be had, and say what came of each."""

import errno
import signal
import socket
import sys

kept = []  # a socket that nothing refers to is closed, and its port is free again


def reserve(address, port):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        s.bind((address, port))
        s.listen()
    except OverflowError:  # more than 16 bits: Python does not even ask the kernel
        return "no port"
    except OSError as error:
        return "EACCES" if error.errno == errno.EACCES else "EADDRINUSE"
    kept.append(s)
    return s.getsockname()[1]  # what has become of port 0


address = sys.argv[1]
for port in map(int, sys.argv[2:]):
    print(f"{port}: {reserve(address, port)}")
signal.pause()
