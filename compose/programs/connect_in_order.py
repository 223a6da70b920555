"""Connect to a name by trying its addresses one after the other, each only when the one before has failed.

    python3 connect_in_order.py [--patience SECONDS] NAME PORT

This is what create_connection() and most simple programs do. An address that never answers costs all of the patience.
"""

import argparse
import socket
import sys
import time

arguments = argparse.ArgumentParser()
arguments.add_argument("--patience", type=float, default=3.0)  # without it: about two minutes (tcp(7), tcp_syn_retries)
arguments.add_argument("name")
arguments.add_argument("port", type=int)
wanted = arguments.parse_args()

began = time.monotonic()
try:
    found = socket.getaddrinfo(wanted.name, wanted.port, type=socket.SOCK_STREAM)
except socket.gaierror as error:
    sys.exit(f"{wanted.name}: {error.strerror}")
for family, kind, protocol, _, address in found:
    with socket.socket(family, kind, protocol) as s:
        s.settimeout(wanted.patience)
        try:
            s.connect(address)
        except OSError as error:
            print("tried", address[0], "|", "no answer" if isinstance(error, TimeoutError) else error.strerror, flush=True)
            continue
        print("connected to", address[0], f"| after {time.monotonic() - began:.2f} s")
        sys.exit()
sys.exit("no address answered")
