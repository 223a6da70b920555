"""Send numbered messages, and print the numbers of those that were not answered.

    python3 lost.py PROTOCOL HOST PORT COUNT
"""

import socket
import sys

protocol = sys.argv[1]
host = sys.argv[2]
port = int(sys.argv[3])
count = int(sys.argv[4])

answered = set()
# TODO: send 1 to COUNT, and add each number that is answered

missing = [number for number in range(1, count + 1) if number not in answered]
print("lost:", *(missing or ["none"]))
