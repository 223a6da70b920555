"""The other end of a conversation, told what to do by JSON, a line for each step; it answers each with a line of JSON.

    python3 peer.py

Its first line is about the socket, {"protocol": "tcp", "address": "192.0.2.10", "port": 8000, "wait": 2} and perhaps
"source": [ADDRESS, PORT]; its answer is {"own": [ADDRESS, PORT]}. Each further one sends and reads:
{"send": BASE64, "read": N} or "read": "line", "end", "some" or "" for nothing, {"empty": true} sends a datagram without
content, {"shut": true} ends its own half of a connection, and {"reset": true} breaks it off. The answer has what was
read, "data": BASE64, and "end": true if the other end was reached. What went wrong is {"error": "ECONNREFUSED"};
"timeout" if nothing came in time, or not all that is wanted in little more: who sends a byte now and then is not heard
for ever.
"""

from __future__ import annotations

import binascii
import errno
import json
import socket
import struct
import sys
import time

# Most checks start it several times. typing and base64 take as long to import as all that it does.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Step = dict[str, Any]

MOST = 1 << 18
"""Nothing much longer is read, whatever comes. In BASE64 it fits into what a command may print, which is 1 MiB."""
MORE_SECONDS = 1.0
"""that a step may take beyond its wait, in which something has to come each time"""


def opened(step: Step) -> socket.socket:
    """The socket of the first step."""
    family = socket.AF_INET6 if ":" in step["address"] else socket.AF_INET
    kind = socket.SOCK_STREAM if step["protocol"] == "tcp" else socket.SOCK_DGRAM
    s = socket.socket(family, kind)
    s.settimeout(step["wait"])
    if step.get("source"):
        # The same source port again, while its last connection is still in TIME-WAIT.
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(tuple(step["source"]))
    s.connect((step["address"], step["port"]))
    return s


def is_whole(data: bytes, wanted: int | str) -> bool:
    """Whether so much was read as is wanted."""
    if wanted == "line":
        return b"\n" in data
    if wanted == "some":
        return len(data) > 0
    return isinstance(wanted, int) and len(data) >= wanted


def read(s: socket.socket, wanted: int | str, found: Step, *, wait: float, deadline: float) -> None:
    """Read into `found`, for at most `wait` seconds without a byte."""
    data = b""
    try:
        while wanted != "" and not is_whole(data, wanted) and len(data) < MOST:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            s.settimeout(min(wait, left))
            piece = s.recv(MOST if s.type == socket.SOCK_DGRAM else 65536)
            data += piece
            if s.type == socket.SOCK_DGRAM:
                break
            if not piece:
                found["end"] = True
                break
    finally:
        s.settimeout(wait)
        found["data"] = binascii.b2a_base64(data, newline=False).decode()


def take(s: socket.socket, step: Step, found: Step, *, wait: float) -> None:
    """Carry out one step."""
    deadline = time.monotonic() + wait + MORE_SECONDS
    if step.get("reset"):
        # To linger for no time is to give up what was not sent, with RST in the place of FIN (socket(7)).
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
        return
    if step.get("shut"):
        s.shutdown(socket.SHUT_WR)
    if step.get("empty"):
        s.send(b"")
    if step.get("send"):
        data = binascii.a2b_base64(step["send"])
        s.sendall(data) if s.type == socket.SOCK_STREAM else s.send(data)
    read(s, step.get("read", ""), found, wait=wait, deadline=deadline)


def main() -> None:
    """Take a step for each line of the standard input."""
    s, wait = None, 0.0
    for line in sys.stdin:
        step = json.loads(line)
        found = {}
        try:
            if s is None:
                s, wait = opened(step), step["wait"]
                found["own"] = s.getsockname()[:2]
            else:
                take(s, step, found, wait=wait)
        except TimeoutError:
            found["error"] = "timeout"
        except OSError as error:
            found["error"] = errno.errorcode.get(error.errno or 0, str(error))
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()
        if s is None:
            break


main()
