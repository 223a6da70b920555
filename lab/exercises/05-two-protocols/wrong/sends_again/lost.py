"""Send numbered messages, and print the numbers of those that were not answered.

    python3 lost.py PROTOCOL HOST PORT COUNT
"""

import socket
import sys

protocol = sys.argv[1]
host = sys.argv[2]
port = int(sys.argv[3])
count = int(sys.argv[4])


def number_of(answer):
    """The message that an answer is for: 7 in 3:1:7."""
    return int(answer.split(b":", 2)[2])


answered = set()
if protocol == "udp":
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((host, port))
        s.settimeout(0.02)
        for number in range(1, count + 1):
            while number not in answered:
                s.send(str(number).encode())
                try:
                    answered.add(number_of(s.recv(65535)))
                except TimeoutError:
                    pass
else:
    with socket.create_connection((host, port)) as s:
        for number in range(1, count + 1):
            s.sendall(f"{number}\n".encode())
        s.shutdown(socket.SHUT_WR)
        for line in s.makefile("rb"):  # lines, however the stream is cut; at the server's end it is over
            answered.add(number_of(line))

missing = [number for number in range(1, count + 1) if number not in answered]
print("lost:", *(missing or ["none"]))
