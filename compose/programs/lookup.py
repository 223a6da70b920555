"""Look a name up with getaddrinfo(3), for each line of the standard input once more.

    python3 lookup.py [--cache] NAME

With --cache the program remembers the first answer for as long as it runs: it will not notice that the address
changed, because getaddrinfo() does not tell for how long an answer may be kept (the TTL).
"""

import argparse
import functools
import socket
import sys

arguments = argparse.ArgumentParser()
arguments.add_argument("--cache", action="store_true")
arguments.add_argument("name")
wanted = arguments.parse_args()


def addresses(name):
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return f"gaierror: {error.strerror}"
    return " ".join(address[0] for *_, address in found)


if wanted.cache:
    addresses = functools.cache(addresses)

print(addresses(wanted.name), flush=True)
for _ in sys.stdin:
    print(addresses(wanted.name), flush=True)
