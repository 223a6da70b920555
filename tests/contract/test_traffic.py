"""Packets through a lab: routed, translated in three ways, of both families, counted, lost and captured."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address

import pytest

from lab.live import Instance
from lab.observe import Translation

Ask = Callable[..., str]
Start = Callable[..., None]
Listens = Callable[[str, int], None]
Translations = Callable[[str], tuple[Translation, ...]]
PORT = 5555
CONNECTIONS = 8
PINGS = 300


def seen(answer: str) -> tuple[str, int]:
    """The client's address and port, as a server of serve_once_each.py saw it."""
    _, address, port = answer.split(" | ")[1].split()
    return address, int(port)


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_out_through_the_gateway(
    start: Start, listens: Listens, ask: Ask, translations: Translations, protocol: str
) -> None:
    """The server sees the gateway's address; the gateway's table has that very connection."""
    start("server", "serve_once_each.py", protocol, "203.0.113.80", 7000, "hello")
    listens("server", 7000)
    address, port = seen(ask("alice", protocol, "203.0.113.80", 7000, PORT))
    assert address == "203.0.113.1"
    (entry,) = translations("router")
    assert entry.inside == (ip_address("192.0.2.10"), PORT)
    assert entry.outside == (ip_address("203.0.113.1"), port)


def test_in_through_a_forward_and_not_otherwise(start: Start, listens: Listens, ask: Ask) -> None:
    """A forwarded port leads to alice, who sees the client itself; another port of the gateway leads nowhere."""
    start("alice", "serve_once_each.py", "tcp", "192.0.2.10", 8000, "inside")
    listens("alice", 8000)
    assert seen(ask("server", "tcp", "203.0.113.1", 8080, PORT)) == ("203.0.113.80", PORT)
    assert ask("server", "tcp", "203.0.113.1", 8000) == "ECONNREFUSED"


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_ipv6_is_routed_and_not_translated(start: Start, listens: Listens, ask: Ask, protocol: str) -> None:
    """The server sees alice's own address; from outside she is not reached."""
    start("server", "serve_once_each.py", protocol, "2001:db8:2::80", 7000, "six")
    start("alice", "serve_once_each.py", protocol, "2001:db8:1::10", 7001, "inside")
    listens("server", 7000)
    listens("alice", 7001)
    assert seen(ask("alice", protocol, "2001:db8:2::80", 7000, PORT)) == ("2001:db8:1::10", PORT)
    assert ask("server", protocol, "2001:db8:1::10", 7001) == "timeout"


@pytest.mark.instance("nat-policies")
def test_a_free_port_is_preserved_and_a_taken_one_is_not(lab: Instance) -> None:
    """The second connection from the same port gets another one (RFC 4787 §4.2.1)."""
    assert kept(lab, "ann", ["192.168.1.10"]) == [PORT]
    other = kept(lab, "ann", ["192.168.1.11"])
    assert other != [PORT]
    assert {entry.outside[1] for entry in lab.translations("preserve")} == {PORT, *other}


@pytest.mark.instance("nat-policies")
def test_random_ports_follow_no_order(lab: Instance) -> None:
    """Of several connections from one port hardly one keeps it."""
    found = kept(lab, "ben", ["192.168.2.10", "192.168.2.11"] * (CONNECTIONS // 2), step=1)
    assert len(set(found)) > CONNECTIONS // 2
    assert sum(port in range(PORT, PORT + CONNECTIONS) for port in found) <= 1
    assert found != sorted(found)


@pytest.mark.instance("nat-policies")
def test_a_pool_is_kept_to(lab: Instance) -> None:
    """Every outside port is one of the pool's, and no connection gets another's."""
    nat = lab.host("pool").nat
    assert nat is not None
    assert nat.pool is not None
    found = kept(lab, "cleo", ["192.168.3.10", "192.168.3.11"])
    assert all(port in nat.pool for port in found)
    assert len(set(found)) == len(found)


def kept(lab: Instance, host: str, sources: list[str], *, step: int = 0) -> list[int]:
    """The outside ports of connections from PORT (each `step` higher), one after the other; all stay in the table."""
    code = (
        "import socket, sys\n"
        "for number, own in enumerate(sys.argv[3:]):\n"
        "    s = socket.socket(); s.settimeout(5)\n"
        "    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
        "    s.bind((own, int(sys.argv[1]) + number * int(sys.argv[2]))); s.connect(('203.0.113.80', 65432))\n"
        "    s.sendall(b'x'); s.recv(1); s.close()\n"
    )
    done = lab.run(host, ["python3", "-c", code, str(PORT), str(step), *sources])
    assert done.ended.status == 0, done.stderr
    gateway = {"ann": "preserve", "ben": "random", "cleo": "pool"}[host]
    by_own = {entry.inside: entry.outside[1] for entry in lab.translations(gateway)}
    return [by_own[ip_address(own), PORT + number * step] for number, own in enumerate(sources)]


@pytest.mark.instance("lossy")
def test_every_packet_is_counted_once_and_as_many_are_lost_as_declared(lab: Instance) -> None:
    """Of pings as many come back as were lost neither there nor back; nobody fails to find a neighbour.

    The bounds are six standard deviations away.
    """
    printed = lab.run("alice", ["ping", "-q", "-c", str(PINGS), "-i", "0.002", "192.0.2.80"], seconds=60)
    text = printed.stdout.decode()
    found = re.search(r"(\d+) packets transmitted, (\d+) received", text)
    assert found is not None, text
    assert "errors" not in text
    (wire,) = lab.segments()
    assert int(found[1]) == PINGS
    assert int(found[2]) == PINGS - wire.lost.other
    assert PINGS * 0.81 - 6 * 6.8 < int(found[2]) < PINGS * 0.81 + 6 * 6.8
    # Each question, and an answer to each that arrived.
    assert PINGS <= wire.passed.other + wire.lost.other <= 2 * PINGS
    lab.reset()
    (wire,) = lab.segments()
    assert (wire.passed.all, wire.lost.all) == (0, 0)


@pytest.mark.instance("lossy")
def test_a_lost_packet_is_seen_where_it_was_sent_and_nowhere_else(lab: Instance) -> None:
    """In the sender's capture there is every packet, in the network's and the receiver's each that was not lost."""
    with lab.capture(["alice", "wire", "server"]) as capture:
        lab.run("alice", ["ping", "-q", "-c", str(PINGS), "-i", "0.002", "192.0.2.80"], seconds=60)
    asked = {
        point: [one for one in capture.packets if one.point == point and one.icmp_type == 8]
        for point in ("alice", "wire", "server")
    }
    assert len(asked["alice"]) == PINGS
    assert 0 < len(asked["server"]) < PINGS
    assert [one.frame for one in asked["wire"]] == [one.frame for one in asked["server"]]
    assert capture.dropped == 0


def test_a_capture_shows_each_frame_at_each_point_in_order(lab: Instance) -> None:
    """One ping through the gateway: at alice, on her network, on both sides of the gateway, beyond, at the server."""
    with lab.capture(["alice", "zeta", "router", "middle", "server", "plain"]) as capture:
        assert lab.run("alice", ["ping", "-c", "1", "203.0.113.80"]).ended.status == 0
    way = [(one.point, one.interface, one.outgoing) for one in capture.packets if one.icmp_type in (0, 8)]
    there = [
        ("alice", "eth0", True),
        ("zeta", "zeta", None),
        ("router", "eth0", False),
        ("router", "eth1", True),
        ("middle", "middle", None),
        ("server", "eth0", False),
    ]
    back = [(point, name, None if out is None else not out) for point, name, out in reversed(there)]
    assert way == [*there, *back]
    # Nothing but what hosts of this lab have said: not of the machine, nor of another's.
    assert {frame_source(one.frame) for one in capture.packets} <= {"02:00:00"}


def frame_source(frame: bytes) -> str:
    """How the hardware address of a frame's sender begins."""
    return frame[6:9].hex(":")


def test_events_of_a_gateway(lab: Instance, start: Start, listens: Listens, ask: Ask) -> None:
    """Its connection tracking tells of a connection when it begins."""
    start("server", "serve_once_each.py", "tcp", "203.0.113.80", 7000, "hello")
    listens("server", 7000)
    with lab.events("router") as events:
        ask("alice", "tcp", "203.0.113.80", 7000, PORT)
    assert (ip_address("192.0.2.10"), PORT) in {one.translation.inside for one in events.entries}


FORGE = """
import socket, struct, sys
def checked(data):
    words = sum(struct.unpack(f"!{len(data) // 2}H", data))
    words = (words >> 16) + (words & 0xFFFF)
    return ~(words + (words >> 16)) & 0xFFFF
to_mac, source, to, vni = bytes.fromhex(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
udp = struct.pack("!HHHH", 9, 9999, 14, 0) + b"forged"
ip = struct.pack("!BBHHHBBH", 0x45, 0, 34, 0, 0, 64, 17, 0) + socket.inet_aton(source) + socket.inet_aton(to)
ip = ip[:10] + struct.pack("!H", checked(ip)) + ip[12:]
frame = to_mac + bytes.fromhex("02000000ee00") + b"\\x08\\x00" + ip + udp
datagram = struct.pack("!BxxxI", 8, vni << 8) + frame
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
for there in ("255.255.255.255", "224.0.0.1", "192.0.2.255"):
    s.sendto(datagram, (there, 4789))
"""


@pytest.mark.parametrize("vni", [1, 2, 3])
def test_no_frame_is_made_by_a_datagram(lab: Instance, vni: int) -> None:
    """What a program broadcasts, in whatever form, is heard as what it is, and never as a frame of another's."""
    number = [one.name for one in lab.lab.hosts].index("router")
    hosts = [one.name for one in lab.lab.hosts]
    with lab.capture([*hosts, *(f"network:{one.name}" for one in lab.lab.networks)]) as capture:
        for index in (0, 1):
            mac = f"02000000{number + 1:02x}{index:02x}"
            done = lab.run("alice", ["python3", "-c", FORGE, mac, "198.51.100.7", "203.0.113.1", str(vni)])
            assert done.ended.status == 0, done.stderr
        # Positive control: the datagrams themselves have come.
        assert lab.run("alice", ["ping", "-c", "1", "192.0.2.1"]).ended.status == 0
    carried = [one for one in capture.packets if b"forged" in one.frame]
    assert {one.point for one in carried} >= {"alice", "router"}
    assert {one.frame[6:12].hex(":") for one in carried} == {"02:00:00:00:01:00"}
    assert {str(one.ends[1][0]) for one in carried} <= {"255.255.255.255", "224.0.0.1", "192.0.2.255"}
