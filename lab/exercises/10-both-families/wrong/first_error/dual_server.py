"""Serve clients of both families at one port, and tell each the address and port that it comes from."""

import ipaddress
import socket
import sys
import threading


def plain(address):
    """An IPv4 client of an IPv6 socket has a mapped address (RFC 4291 §2.5.5.2): ::ffff:192.0.2.11."""
    found = ipaddress.ip_address(address)
    return getattr(found, "ipv4_mapped", None) or found


def serve(connection, peer):
    with connection:
        connection.sendall(f"{plain(peer[0])} {peer[1]}\n".encode())


with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as s:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Off: it takes IPv4 as well. What it is by itself differs from host to host (net.ipv6.bindv6only).
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind(("::", int(sys.argv[1])))
    s.listen()
    while True:
        threading.Thread(target=serve, args=s.accept()).start()
