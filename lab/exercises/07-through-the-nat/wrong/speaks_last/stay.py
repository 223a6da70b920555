import socket
import sys

server = (sys.argv[1], int(sys.argv[2]))
pause = float(sys.argv[3]) / 3

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.bind(("", 0))
    s.settimeout(pause)
    while True:
        data, sender = s.recvfrom(2048)  # nobody can know yet where this socket is
        if data.decode().strip() == "bye":
            break
        print(data.decode().strip())
        s.sendto(b"hello\n", server)
