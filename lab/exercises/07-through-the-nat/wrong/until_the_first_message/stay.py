import socket
import sys

server = (sys.argv[1], int(sys.argv[2]))

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.settimeout(float(sys.argv[3]) / 3)
    while True:
        s.sendto(b"hello\n", server)
        try:
            text = s.recv(2048).decode().strip()
            break
        except TimeoutError:
            pass
    s.settimeout(None)
    while text != "bye":
        print(text)
        text = s.recv(2048).decode().strip()
