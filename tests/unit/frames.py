"""Frames and Packets for tests, made with dpkt; and the recorded ones."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import dpkt

from lab.observe.frames import Frames
from lab.observe.packets import Packet, packet

DATA = Path(__file__).parent / "observe_data"
ALICE, SERVER = "192.168.1.100", "203.0.113.80"
ALICE6, SERVER6 = "2001:db8:1::100", "2001:db8::80"
BITS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32}


def recorded_packets() -> tuple[Packet, ...]:
    """What frames.bin holds, in the order of time."""
    lines = (DATA / "frames_interfaces.txt").read_text().splitlines()
    interfaces = [(line.split()[0], line.split()[1]) for line in lines]
    found = Frames().take((DATA / "frames.bin").read_bytes(), interfaces)
    return tuple(sorted(found, key=lambda one: one.time))


def in_ip(source: str, destination: str, protocol: int, body: bytes, **more: Any) -> bytes:
    """A frame with a transport's header and data in it."""
    if ip_address(source).version == 6:
        header = dpkt.ip6.IP6(
            src=socket.inet_pton(socket.AF_INET6, source),
            dst=socket.inet_pton(socket.AF_INET6, destination),
            nxt=protocol,
            hlim=64,
            plen=len(body),
        )
        kind = dpkt.ethernet.ETH_TYPE_IP6
        data = bytes(header)[:40] + body
    else:
        four = dpkt.ip.IP(src=socket.inet_aton(source), dst=socket.inet_aton(destination), p=protocol, **more)
        four.len = 20 + len(body)
        four.sum = 1
        kind = dpkt.ethernet.ETH_TYPE_IP
        data = four.pack_hdr() + body
    return bytes(b"\x02\0\0\0\x02\0\x02\0\0\0\x01\0" + kind.to_bytes(2, "big") + data)


def tcp_segment(sport: int, dport: int, flags: str, seq: int, ack: int = 0, data: bytes = b"") -> bytes:
    """A TCP header and its data; flags as words."""
    bits = sum(BITS[one] for one in flags.split())
    header = dpkt.tcp.TCP(sport=sport, dport=dport, seq=seq, ack=ack, flags=bits, win=1000)
    return bytes(header.pack_hdr()) + data


def udp_datagram(sport: int, dport: int, data: bytes) -> bytes:
    """A UDP header and its data."""
    return bytes(dpkt.udp.UDP(sport=sport, dport=dport, ulen=8 + len(data)).pack_hdr()) + data


def seen(frame: bytes, *, time: int = 0, point: str = "alice", interface: str = "eth0") -> Packet:
    """The Packet of a frame that alice sent."""
    return packet(frame, time=time, point=point, interface=interface, outgoing=True)


def tcp(
    flags: str,
    seq: int,
    ack: int = 0,
    data: bytes = b"",
    *,
    back: bool = False,
    time: int = 0,
    ports: tuple[int, int] = (5555, 80),
    **more: Any,
) -> Packet:
    """A segment from alice to the server, or back."""
    ends = (SERVER, ALICE) if back else (ALICE, SERVER)
    first, second = reversed(ports) if back else ports
    return seen(in_ip(*ends, 6, tcp_segment(first, second, flags, seq, ack, data)), time=time, **more)


def udp(data: bytes, *, back: bool = False, time: int = 0, ports: tuple[int, int] = (5555, 53)) -> Packet:
    """A datagram from alice to the server, or back."""
    ends = (SERVER, ALICE) if back else (ALICE, SERVER)
    first, second = reversed(ports) if back else ports
    return seen(in_ip(*ends, 17, udp_datagram(first, second, data)), time=time)
