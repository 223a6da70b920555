"""Send datagrams as fast as possible, and print how many: flood.py ADDRESS SIZE SECONDS."""

import contextlib
import socket
import sys
import time

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
data = bytes(int(sys.argv[2]))
end = time.monotonic() + float(sys.argv[3])
count = 0
while time.monotonic() < end:
    with contextlib.suppress(OSError):
        sock.sendto(data, (sys.argv[1], 9))
        count += 1
print(count)
