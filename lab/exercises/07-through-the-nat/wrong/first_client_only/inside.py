import socket
import sys

public, public_port, private, private_port = sys.argv[1:]

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.bind((private, int(private_port)))
    data, sender = s.recvfrom(2048)
    s.connect(sender)  # like accept()? From now on the socket hears nobody else
    while True:
        s.send(f"{data.decode().strip()} {sender[0]} {sender[1]}\n".encode())
        data = s.recv(2048)
