"""Ask a server of serve_once_each.py, print `own-address own-port | answer`, or the error's name; exit status 1.

ask.py tcp|udp ADDRESS PORT [SOURCE_PORT]
"""

import errno
import socket
import sys

protocol, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
source = int(sys.argv[4]) if len(sys.argv) > 4 else 0
family = socket.AF_INET6 if ":" in address else socket.AF_INET
kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
with socket.socket(family, kind) as s:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.settimeout(1)
    s.bind(("", source))
    try:
        s.connect((address, port))
        if protocol == "udp":
            s.send(b"?")
        print(*s.getsockname()[:2], "|", s.recv(1024).decode().strip())
    except TimeoutError:
        sys.exit("timeout")
    except OSError as error:
        sys.exit(errno.errorcode.get(error.errno or 0, str(error)))
