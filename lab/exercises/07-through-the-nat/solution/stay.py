"""Stay within reach of a server, through a gateway that forgets a mapping after LIFETIME idle seconds."""

import socket
import sys
import time

server = (sys.argv[1], int(sys.argv[2]))
pause = float(sys.argv[3]) / 3  # a hello may be late, and one may be lost

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    due = time.monotonic()
    while True:
        if time.monotonic() >= due:
            s.sendto(b"hello\n", server)
            due = time.monotonic() + pause
        s.settimeout(max(due - time.monotonic(), 0.001))
        try:
            data, sender = s.recvfrom(2048)
        except TimeoutError:
            continue
        text = data.decode(errors="replace").strip()
        if sender != server:
            continue
        if text == "bye":
            break
        print(text, flush=True)
