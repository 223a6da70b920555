import socket
import sys

public, public_port, private, private_port = sys.argv[1:]

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.bind(("0.0.0.0", int(private_port)))
    while True:
        data, sender = s.recvfrom(2048)
        answer = f"{data.decode().strip()} {sender[0]} {sender[1]}\n"
        s.sendto(answer.encode(), sender)
