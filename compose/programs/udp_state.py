"""Send a datagram for each line of the standard input, from one unconnected UDP socket, and print what comes back.

    python3 udp_state.py [--connect] ADDRESS PORT

With --connect the socket knows its peer, and so learns of ICMP errors (udp(7)): without it nobody tells.
"""

import errno
import socket
import sys

connect = "--connect" in sys.argv
address, port = sys.argv[-2], int(sys.argv[-1])
with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.settimeout(1)
    if connect:
        s.connect((address, port))
    for line in sys.stdin:
        try:
            s.send(line.encode()) if connect else s.sendto(line.encode(), (address, port))
            print("answer:", s.recv(1024).decode().strip(), flush=True)
        except TimeoutError:
            print("no answer, and no error", flush=True)
        except OSError as error:
            print(errno.errorcode[error.errno], flush=True)
