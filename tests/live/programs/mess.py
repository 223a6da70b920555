"""Leave as much behind as a program can: processes, files, sockets, mappings, shared memory; end while it lives on."""

import ctypes
import os
import signal
import socket
import time

home = os.environ["HOME"]
os.makedirs(f"{home}/deep/er/still", exist_ok=True)
for folder in (home, "/tmp", "/dev/shm"):
    with open(f"{folder}/left behind\nin two lines", "w") as file:
        file.write("x" * 1000)
    os.symlink("/etc/passwd", f"{folder}/link")
    os.mkfifo(f"{folder}/pipe")
    os.mkdir(f"{folder}/closed")
    open(f"{folder}/closed/file", "w").close()
    os.chmod(f"{folder}/closed", 0)
os.chmod(home, 0o700)
socket.socket(socket.AF_UNIX).bind("/tmp/unix")
libc = ctypes.CDLL(None)
libc.shmget(4711, 4096, 0o1666)
libc.semget(4711, 1, 0o1666)
libc.msgget(4711, 0o1666)

open_sockets = []
for port in range(5000, 5010):
    listener = socket.socket()
    listener.bind(("0.0.0.0", port))
    listener.listen()
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("0.0.0.0", port))
    datagrams.sendto(b"x", ("203.0.113.80", port))
    half_open = socket.socket()
    half_open.setblocking(False)
    half_open.connect_ex(("203.0.113.123", port))
    connection = socket.socket()
    connection.connect(("127.0.0.1", port))
    open_sockets += [listener, datagrams, half_open, connection]

for _ in range(10):
    if os.fork() == 0:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        time.sleep(600)
