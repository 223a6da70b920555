import socket
import sys

server = (sys.argv[1], int(sys.argv[2]))

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.settimeout(0.5)
    s.sendto(b"hello\n", server)
    while True:
        try:
            text = s.recv(2048).decode().strip()
        except TimeoutError:
            s.sendto(b"hello\n", server)
            continue
        if text == "bye":
            break
        print(text)
