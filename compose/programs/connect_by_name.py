"""Connect to a server by its name, say a word, and print which address it was.

    python3 connect_by_name.py NAME PORT [4|6]

Python's connect() takes a name and has it resolved before it asks the kernel to connect; the kernel knows addresses
only (connect(2)).
"""

import argparse
import errno
import socket
import sys

arguments = argparse.ArgumentParser()
arguments.add_argument("name")
arguments.add_argument("port", type=int)
arguments.add_argument("family", choices=["4", "6"], nargs="?", default="4")
wanted = arguments.parse_args()

NAME, PORT = wanted.name, wanted.port
FAMILY = socket.AF_INET6 if wanted.family == "6" else socket.AF_INET

with socket.socket(FAMILY, socket.SOCK_STREAM) as s:
    s.settimeout(5)
    try:
        s.connect((NAME, PORT))
        s.sendall(b"Hello, server")
        print("connected to", s.getpeername()[0], "| received", s.recv(1024).decode().strip())
    except socket.gaierror as error:  # the name could not be resolved: there was nothing to connect to
        sys.exit(f"gaierror: {error.strerror}")
    except OSError as error:
        sys.exit(errno.errorcode.get(error.errno, str(error)))
