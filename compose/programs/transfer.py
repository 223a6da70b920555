"""Send a number of bytes over TCP, or receive them; both print how many and their SHA-256.

    python3 transfer.py receive ADDRESS PORT
    python3 transfer.py send ADDRESS PORT [BYTES]
"""

import argparse
import hashlib
import random
import socket

arguments = argparse.ArgumentParser()
arguments.add_argument("role", choices=["receive", "send"])
arguments.add_argument("address")
arguments.add_argument("port", type=int)
arguments.add_argument("bytes", type=int, nargs="?", default=1 << 20)
wanted = arguments.parse_args()
address, port = wanted.address, wanted.port

family = socket.AF_INET6 if ":" in address else socket.AF_INET
digest, count = hashlib.sha256(), 0
with socket.socket(family, socket.SOCK_STREAM) as s:
    if wanted.role == "receive":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((address, port))
        s.listen()
        connection, _ = s.accept()
        with connection:
            # recv() gives what has arrived, in order; how the sender cut it into pieces is not to be seen.
            while data := connection.recv(65536):
                digest.update(data)
                count += len(data)
    else:
        data = random.Random(1).randbytes(wanted.bytes)  # the same each time, and no two parts alike
        digest.update(data)
        count = len(data)
        s.connect((address, port))
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        s.recv(1)  # until the other side has closed too
print(count, "bytes", digest.hexdigest())
