import socket
import sys
import threading
import time

server = (sys.argv[1], int(sys.argv[2]))
pause = float(sys.argv[3]) / 3


def keep():
    while True:
        time.sleep(pause)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(b"hello\n", server)


with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.sendto(b"hello\n", server)
    threading.Thread(target=keep, daemon=True).start()
    while True:
        text = s.recv(2048).decode().strip()
        if text == "bye":
            break
        print(text)
