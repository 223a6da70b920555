import socket
import sys
import threading
import time

server = (sys.argv[1], int(sys.argv[2]))
pause = float(sys.argv[3]) / 3

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def keep():
    while True:
        s.sendto(b"hello\n", server)
        time.sleep(pause)


threading.Thread(target=keep).start()
while True:
    text = s.recv(2048).decode().strip()
    if text == "bye":
        break
    print(text)
