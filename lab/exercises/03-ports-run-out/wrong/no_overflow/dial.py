"""Hold up to COUNT connections to each endpoint, and say from which port each goes out."""

import errno
import signal
import socket
import sys

kept = []


def dial(address, port, count):
    for _ in range(count):
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            # Without a bind() before it, connect() takes any port that does not lead to this endpoint yet.
            s.connect((address, int(port)))
        except OSError as error:
            print(f"{address} {port}: {errno.errorcode[error.errno]}")
            return
        kept.append(s)
        print(f"{address} {port}: {s.getsockname()[1]}")


count = int(sys.argv[1])
words = sys.argv[2:]
for address, port in zip(words[::2], words[1::2]):
    dial(address, port, count)
signal.pause()
