"""A child that sends to the other hosts without a pause: datagrams, and connections to every port."""
import os as _os
import socket as _socket

if not _os.fork():
    _datagrams = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    _port = 0
    while True:
        _port = _port % 65535 + 1
        for _address in ("203.0.113.99", "203.0.113.1"):
            try:
                _datagrams.sendto(bytes(1400), (_address, _port))
            except OSError:
                pass
            with _socket.socket() as _one:
                _one.setblocking(False)
                _one.connect_ex((_address, _port))
