"""ARP and neighbour discovery in another's name need packets of its own making; it ends if it can make any."""
import socket as _socket
import sys as _sys

_KINDS = [
    ("packet", lambda: _socket.socket(_socket.AF_PACKET, _socket.SOCK_RAW, _socket.htons(3))),
    ("packet, cooked", lambda: _socket.socket(_socket.AF_PACKET, _socket.SOCK_DGRAM, _socket.htons(0x0806))),
    ("raw", lambda: _socket.socket(_socket.AF_INET, _socket.SOCK_RAW, _socket.IPPROTO_RAW)),
    ("raw ICMP", lambda: _socket.socket(_socket.AF_INET, _socket.SOCK_RAW, _socket.IPPROTO_ICMP)),
    ("raw ICMPv6", lambda: _socket.socket(_socket.AF_INET6, _socket.SOCK_RAW, 58)),
    ("another's address", lambda: _bound("203.0.113.99")),
    ("the gateway's address", lambda: _bound("203.0.113.1")),
]


def _bound(address):
    one = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    for option in (15, 19):  # IP_FREEBIND, IP_TRANSPARENT
        try:
            one.setsockopt(_socket.SOL_IP, option, 1)
        except OSError:
            pass
    one.bind((address, 0))
    return one


for _name, _make in _KINDS:
    try:
        _make()
    except OSError:
        continue
    _sys.exit(f"it could have: {_name}")
