"""Every port that it can have, but its own: what the check needs on this host must not be among them."""
import socket as _socket
import sys as _sys

_kept = []
for _kind in (_socket.SOCK_STREAM, _socket.SOCK_DGRAM):
    for _port in range(20000, 20400):
        _one = _socket.socket(_socket.AF_INET, _kind)
        try:
            if _port != int(_sys.argv[1]):
                _one.bind(("0.0.0.0", _port))
            if _kind == _socket.SOCK_STREAM and _port != int(_sys.argv[1]):
                _one.listen()
        except OSError:
            pass
        _kept.append(_one)
