"""The machine, its bridge, a cloud's own address, the internet: what is no address of the lab has no way there."""
import errno as _errno
import socket as _socket
import sys as _sys

_TARGETS = ["172.17.0.1", "172.17.0.2", "169.254.169.254", "192.0.2.1", "198.18.0.1", "10.0.0.1", "192.168.1.100"]
for _address in _TARGETS:
    for _port in (22, 80, 2375, 2376, 5000):
        with _socket.socket() as _one:
            _one.settimeout(1)
            _error = _one.connect_ex((_address, _port))
            if _error != _errno.ENETUNREACH:
                _sys.exit(f"{_address}:{_port}: {_errno.errorcode.get(_error, _error)}")
try:
    with _socket.socket(_socket.AF_INET6, _socket.SOCK_DGRAM) as _one:
        for _address in ("ff02::1%eth0", "fe80::1%eth0", "2001:db8::1", "::ffff:172.17.0.1"):
            try:
                _one.sendto(b"x", (_address, 9))
            except OSError:
                continue
            _sys.exit(f"it could send to {_address}")
except OSError:
    pass
