"""Answer messages, over TCP and over UDP at the same port.

    python3 both.py HOST PORT
"""

import socket
import sys

host = sys.argv[1]
port = int(sys.argv[2])


def answer(count, message):
    """What is sent back: 3:5:hello is the answer to the third message, hello."""
    return b"%d:%d:%s" % (count, len(message), message)


# TODO: a TCP socket and a UDP socket
