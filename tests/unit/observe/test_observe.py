"""Recorded output of ss, conntrack and ip (observe_data/) -> typed values, and fingerprints."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from ipaddress import ip_address, ip_interface
from pathlib import Path
from typing import Any

import pytest

from lab.model import Endpoint, Protocol
from lab.observe import (
    FINGERPRINT_LOOKS,
    Kind,
    Process,
    Route,
    Socket,
    State,
    Translation,
    UnreadableError,
    fingerprint,
    host_view,
    links,
    listeners,
    routes,
    sockets,
    translations,
    unsettled,
)
from tests.unit.examples import at, connected, end, listening

DATA = Path(__file__).parent.parent / "observe_data"
ROW = 'tcp LISTEN 0 128 0.0.0.0:80 0.0.0.0:* users:(("{name}",pid=42,fd=3)) uid:1000 ino:1 sk:1 cgroup:/ <->\n'


def recorded(name: str) -> str:
    """A recorded text as it was, line ends and control characters included."""
    return (DATA / name).read_bytes().decode()


def by_port(kind: Kind, port: int) -> Socket:
    """The recorded socket of that kind at that local port that a process holds."""
    seen = sockets(recorded("ss_owners.txt"))
    (found,) = [s for s in seen if (s.kind, s.local.port) == (kind, port) and s.processes]
    return found


# --------------------------------------------------------------------------------------------- sockets


def test_every_recorded_row_is_a_socket() -> None:
    """No row is lost and none is made up, though one of the recorded names holds a line end."""
    seen = sockets(recorded("ss_owners.txt"))
    kinds = {kind: sum(socket.kind is kind for socket in seen) for kind in Kind}
    assert kinds == {Kind.TCP: 30, Kind.UDP: 6, Kind.RAW: 9, Kind.PACKET: 0, Kind.ICMP: 0, Kind.ICMP6: 0}


def test_what_waits_in_a_socket_does_not_tell_it_from_another() -> None:
    """Its two queues come and go with the traffic; it is the same socket."""
    row = "tcp ESTAB {} 192.0.2.1:80 192.0.2.2:4000 uid:1000 ino:1 sk:1\n"
    (busy,), (idle,) = sockets(row.format("17 2500")), sockets(row.format("0 0"))
    assert (busy.unread, busy.unsent) == (17, 2500)
    assert busy == idle


@pytest.mark.parametrize(
    ("port", "address", "v6only"),
    [
        (1024, "192.168.1.100", None),
        (1025, "0.0.0.0", None),
        (1026, None, False),
        (1027, "::", True),
        (1028, "::1", True),
        (1030, "::ffff:192.168.1.100", False),
    ],
)
def test_a_listener_has_the_address_that_it_was_bound_to(port: int, address: str | None, v6only: bool | None) -> None:
    """IPv4, its wildcard, the wildcard of both families, that of IPv6 alone, IPv6, and an IPv4-mapped address."""
    seen = by_port(Kind.TCP, port)
    assert (seen.local, seen.v6only, seen.state) == (end(address, port), v6only, State.LISTEN)


@pytest.mark.parametrize(
    ("kind", "port", "local"),
    [
        (Kind.TCP, 1029, end("0.0.0.0", 1029, "eth0")),
        (Kind.TCP, 4000, end("fe80::ff:fe00:100", 4000, "eth0")),
        (Kind.TCP, 4003, end(None, 4003, "eth0")),
        (Kind.UDP, 4004, end("127.0.0.1", 4004, "lo")),
    ],
)
def test_a_device_is_told_from_the_address(kind: Kind, port: int, local: object) -> None:
    """Sockets bound to a device (SO_BINDTODEVICE) and link-local addresses with their scope (RFC 4007 §11)."""
    assert by_port(kind, port).local == local


def test_both_ends_of_a_connection() -> None:
    """A connected socket has its peer's address and port, over TCP and over UDP."""
    assert by_port(Kind.TCP, 5555).remote == end("203.0.113.80", 65432)
    assert by_port(Kind.UDP, 2002).remote == end("203.0.113.80", 53)
    assert by_port(Kind.UDP, 4005).remote == end("fd00:1::101", 53)


def test_raw_sockets_have_their_protocol_for_a_port() -> None:
    """A raw socket shows the protocol that it gets: ICMP is 1, OSPF 89."""
    seen = [s for s in sockets(recorded("ss_owners.txt")) if s.kind is Kind.RAW]
    assert sorted({s.local.port for s in seen}) == [1, 17, 47, 58, 89, 255]
    assert [s.remote for s in seen if s.state is State.ESTAB] == [end("203.0.113.80", 0)]


def test_packet_sockets_have_device_and_ethertype() -> None:
    """A sniffer shows the device that it listens on, and the EtherType where it asked for one."""
    seen = sockets(recorded("ss_packet.txt"))
    assert {s.kind for s in seen} == {Kind.PACKET}
    assert [s.local for s in seen] == [
        end(None, 0),
        end(None, 0, "eth0"),
        end(None, 2048, "eth0"),
        end(None, 4660),
        end(None, 0),
    ]


STATES = """\
tcp FIN-WAIT-2 0      0      127.0.0.1:1061       127.0.0.1:59304 timer:(timewait,57sec,0) ino:0 sk:20
tcp TIME-WAIT  0      0      127.0.0.1:1061       127.0.0.1:59292 timer:(timewait,57sec,0) ino:0 sk:21
tcp SYN-SENT   0      1      192.168.1.100:36926  203.0.113.77:9  users:(("synsent",pid=16915,fd=3)) \
timer:(on,844ms,2) uid:1000 ino:42006 sk:23 cgroup:unreachable:29f <->
tcp CLOSE-WAIT 1      0      127.0.0.1:59304      127.0.0.1:1061  users:(("closing",pid=16919,fd=4)) \
uid:1000 ino:43050 sk:1f cgroup:unreachable:29f -->
"""


def test_states_on_the_way_to_the_end() -> None:
    """A socket that nobody owns any more, in TIME-WAIT for one, is a socket all the same, without processes."""
    seen = sockets(STATES)
    assert [(s.state, s.uid, len(s.processes)) for s in seen] == [
        (State.FIN_WAIT_2, None, 0),
        (State.TIME_WAIT, None, 0),
        (State.SYN_SENT, 1000, 1),
        (State.CLOSE_WAIT, 1000, 1),
    ]


@pytest.mark.parametrize(
    ("port", "name"),
    [
        (1040, '"x",pid=1,fd=3'),
        (1041, "x uid:0 v6only:"),
        (1042, 'a" uid:0 b'),
        (1043, "a\ntcp A 0 0 b:1"),
        (1044, ""),
        (1045, '((",pid=1,fd=3'),
        (1046, "��\x1b[2J�\x0c"),
        (1047, '\\" v6only:1'),
        (1049, "\u2028é"),
    ],
)
def test_a_recorded_name_is_only_a_name(port: int, name: str) -> None:
    """A program that gave itself a name made of the words of ss changes neither its pid nor user nor address."""
    seen = by_port(Kind.TCP, port)
    (process,) = seen.processes
    assert process.name == name
    assert process.pid > 10000
    assert seen.uid == 1000
    assert seen.state is State.LISTEN
    assert seen.v6only is (True if port == 1041 else None)


@pytest.mark.parametrize(
    "name",
    [
        'x",pid=1,fd=0',
        '"),("root',
        "a\nb",
        "\n\n",
        "\nudp UNCONN 0 ",
        "users:((",
        ' uid:0 "',
        "v6only:1",
        "\\",
        '"',
        "",
    ],
)
def test_no_name_fools_the_reader(name: str) -> None:
    """Whatever a name holds but a closing parenthesis, which ss itself cuts it at: one row, one owner, nothing more.

    ss reads a name from /proc/PID/stat up to the first parenthesis that closes.
    """
    shown = name.split(")")[0]
    (seen,) = sockets(ROW.format(name=shown))
    assert seen.processes == (Process(name=shown, pid=42),)
    assert (seen.uid, seen.v6only, seen.local) == (1000, None, end("0.0.0.0", 80))


def test_a_shared_socket_names_all_its_holders() -> None:
    """A socket that a child inherited belongs to both processes."""
    assert [process.name for process in by_port(Kind.TCP, 1050).processes] == ["child", "shared"]


@pytest.mark.parametrize(
    "line",
    [
        "Netid State Recv-Q Send-Q",
        "tcp LISTEN 0 128 0.0.0.0:80",
        "sctp LISTEN 0 128 0.0.0.0:80 0.0.0.0:*",
        "tcp DREAMING 0 128 0.0.0.0:80 0.0.0.0:*",
        "tcp LISTEN 0 128 localhost:80 0.0.0.0:*",
        "tcp LISTEN 0 128 0.0.0.0:http 0.0.0.0:*",
        "tcp LISTEN 0 128 300.0.0.1:80 0.0.0.0:*",
        "tcp LISTEN 0 128 [fe80::zz]:80 [::]:*",
        "tcp LISTEN 0 128 80 0.0.0.0:*",
        "p_raw UNCONN 0 0 eth0 *",
        'tcp LISTEN 0 128 0.0.0.0:80 0.0.0.0:* users:(("a",pid=b,fd=3)) uid:1000',
    ],
)
def test_a_row_that_is_not_understood_is_an_error(line: str) -> None:
    """A row is read whole or not at all, also among rows that are fine: an overlooked listener is a wrong verdict."""
    fine = ROW.format(name="fine")
    with pytest.raises(UnreadableError):
        sockets(f"{fine}{line}\n{fine}")


def test_no_sockets_is_an_answer() -> None:
    """A host without any socket has none; ss prints nothing, or a line that is empty."""
    assert sockets("") == sockets("\n") == ()


def test_listeners_are_the_exact_set() -> None:
    """TCP sockets that listen and UDP sockets without a peer, of whatever address; nothing else of all recorded."""
    found = listeners(sockets(recorded("ss_owners.txt")) + sockets(recorded("ss_packet.txt")))
    tcp = [*range(1024, 1031), *range(1040, 1051), 1060, 1061, 4000, 4003]
    assert sorted(e.port for e in found if e.protocol is Protocol.TCP) == tcp
    assert sorted(e.port for e in found if e.protocol is Protocol.UDP) == [2000, 2001, 4004]


def test_the_wildcard_of_both_families_reads_as_that_of_ipv6() -> None:
    """`*` is an IPv6 socket bound to :: that serves IPv4 too (ipv6(7), IPV6_V6ONLY)."""
    expected = Endpoint(protocol=Protocol.TCP, address=ip_address("::"), port=80)
    assert listeners((listening(None, 80),)) == listeners((listening("::", 80),)) == {expected}


def test_a_listener_at_one_device_is_told_from_one_at_all() -> None:
    """What is bound to lo is not reached at the wildcard address; a link-local address has its device anyway."""
    text = "tcp LISTEN 0 5 {}:80 {}:*\n"
    (at_lo,) = listeners(sockets(text.format("0.0.0.0%lo", "0.0.0.0")))
    assert (str(at_lo), at_lo.device) == ("tcp/0.0.0.0%lo:80", "lo")
    (link_local,) = listeners(sockets(text.format("[fe80::1]%eth0", "*")))
    assert (str(link_local), link_local.device) == ("tcp/[fe80::1]:80", "")


def test_a_closed_tcp_socket_does_not_listen() -> None:
    """ss calls a TCP socket in the state CLOSED UNCONN, as it does a UDP socket that waits; only that one listens."""
    text = "{} UNCONN 0 0 0.0.0.0:80 0.0.0.0:*\n"
    assert listeners(sockets(text.format("tcp"))) == frozenset()
    assert len(listeners(sockets(text.format("udp")))) == 1


@pytest.mark.parametrize(
    ("shown", "side"),
    [
        ("*:80", end(None, 80)),
        ("0.0.0.0:*", end("0.0.0.0", 0)),
        ("[fe80::1]%eth0:80", end("fe80::1", 80, "eth0")),
    ],
)
def test_an_end_reads_as_ss_writes_it(shown: str, side: object) -> None:
    """A person sees the notation that ss has taught them."""
    assert str(side) == shown


# ------------------------------------------------------------------------------------------- conntrack


def entry(protocol: str, source: tuple[str, int], destination: tuple[str, int]) -> Translation:
    """The recorded entry of that protocol whose first packet went that way."""
    (found,) = [
        one
        for one in translations(recorded("conntrack.txt"))
        if one.protocol == protocol
        and one.source == at(*source)
        and (one.original.destination, one.original.destination_port) == at(*destination)
    ]
    return found


def test_every_recorded_entry_is_a_translation() -> None:
    """No entry is lost, of whatever protocol."""
    protocols = [one.protocol for one in translations(recorded("conntrack.txt"))]
    assert {name: protocols.count(name) for name in protocols} == {
        "tcp": 11,
        "icmp": 4,
        "unknown": 1,
        "sctp": 1,
        "icmpv6": 1,
    }


def test_source_nat_shows_inside_and_outside() -> None:
    """A connection through the gateway: two source addresses and ports, one peer, state, time left and a flag."""
    found = entry("tcp", ("192.168.1.100", 5555), ("203.0.113.80", 65432))
    assert found.outside == at("203.0.113.1", 40930)
    assert found.peer == at("203.0.113.80", 65432)
    assert (found.state, found.seconds_left, found.flags) == ("ESTABLISHED", 431888, ("ASSURED",))
    assert (found.source_is_translated, found.destination_is_translated) == (True, False)


def test_equal_inside_ports_get_different_outside_ports() -> None:
    """Two hosts that connect from port 5555 to the same server are two entries outside."""
    one = entry("tcp", ("192.168.1.100", 5555), ("203.0.113.80", 65432))
    other = entry("tcp", ("192.168.1.101", 5555), ("203.0.113.80", 65432))
    assert one.outside != other.outside


def test_a_forward_translates_the_destination_only() -> None:
    """From outside through a port forward: inside is whom it leads to, outside the port that was asked."""
    found = entry("tcp", ("203.0.113.80", 59812), ("203.0.113.1", 8080))
    assert (found.inside, found.outside) == (at("192.168.1.100", 1025), at("203.0.113.1", 8080))
    assert found.peer == found.source_translated == at("203.0.113.80", 59812)
    assert (found.source_is_translated, found.destination_is_translated) == (False, True)


def test_a_hairpin_translates_both() -> None:
    """From inside to the gateway's outside address and back: both source and destination are translated."""
    found = entry("tcp", ("192.168.1.101", 42912), ("203.0.113.1", 8080))
    assert (found.inside, found.outside) == (at("192.168.1.100", 1025), at("203.0.113.1", 8080))
    assert (found.peer, found.source_translated) == (at("192.168.1.101", 42912), at("192.168.1.1", 42912))
    assert (found.source_is_translated, found.destination_is_translated) == (True, True)


def test_an_icmp_identifier_stands_for_the_port() -> None:
    """Two hosts ping with identifier 77; the gateway translates the second one's (RFC 5508 §3.1)."""
    kept = entry("icmp", ("192.168.1.101", 77), ("203.0.113.80", 77))
    changed = entry("icmp", ("192.168.1.100", 77), ("203.0.113.80", 77))
    assert (kept.outside, changed.outside) == (at("203.0.113.1", 77), at("203.0.113.1", 36440))
    assert (changed.peer, changed.destination_is_translated) == (at("203.0.113.80", 77), False)
    assert kept.state == ""


def test_an_entry_without_translation() -> None:
    """A ping that the gateway answers itself is tracked, and nothing of it is translated."""
    found = entry("icmp", ("192.168.1.101", 77), ("192.168.1.1", 77))
    assert (found.source_is_translated, found.destination_is_translated) == (False, False)


def test_a_connection_without_an_answer_is_unreplied() -> None:
    """Nobody answers at 203.0.113.77: SYN_SENT, and the flag that says so."""
    found = entry("tcp", ("192.168.1.101", 45356), ("203.0.113.77", 99))
    assert (found.state, found.flags) == ("SYN_SENT", ("UNREPLIED",))


def test_udp_has_ports_and_time_left_but_no_state() -> None:
    """A recorded UDP entry: a mapping with a timeout (RFC 4787 §4.3)."""
    (found,) = translations(
        "ipv4     2 udp      17 14 src=192.168.1.101 dst=203.0.113.80 sport=51392 dport=53 [UNREPLIED] "
        "src=203.0.113.80 dst=203.0.113.1 sport=53 dport=40865 mark=0 use=1\n"
    )
    assert (found.inside, found.outside) == (at("192.168.1.101", 51392), at("203.0.113.1", 40865))
    assert (found.state, found.seconds_left) == ("", 14)


def test_ipv6_entries() -> None:
    """Entries of IPv6 are in the same list; a simultaneous open is a state of its own."""
    assert entry("tcp", ("fd00:1::100", 5555), ("fd00:2::80", 80)).state == "ESTABLISHED"
    assert entry("icmpv6", ("fd00:1::100", 78), ("fd00:2::80", 78)).outside == at("fd00:1::100", 78)
    assert entry("tcp", ("192.168.1.100", 6555), ("203.0.113.80", 80)).state == "SYN_SENT2"


@pytest.mark.parametrize(
    "line",
    [
        "conntrack v1.4.7 (conntrack-tools): 14 flow entries have been shown.",
        "ipv4     2 tcp      6 99 ESTABLISHED src=192.168.1.1 dst=203.0.113.80 sport=1 dport=2",
        "ipv4 2 tcp 6 soon ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2",
        "ipv4 2 tcp 6 9 ESTABLISHED src=10.0.0.300 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2",
        "ipv4 2 tcp 6 9 ESTABLISHED src=10.0.0.1 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1",
    ],
)
def test_an_entry_that_is_not_understood_is_an_error(line: str) -> None:
    """Also among entries that are fine."""
    with pytest.raises(UnreadableError):
        translations(recorded("conntrack.txt") + line + "\n")


# ------------------------------------------------------------------------------- addresses and routes


def test_interfaces_have_addresses_of_both_families() -> None:
    """Every interface of the recorded gateway with its state and its addresses in the kernel's order."""
    seen = links(recorded("ip_addr.json"))
    assert [(link.name, link.up, link.mac) for link in seen] == [
        ("lo", True, "00:00:00:00:00:00"),
        ("eth0", True, "02:00:00:00:03:00"),
        ("eth1", True, "02:00:00:00:03:01"),
    ]
    assert seen[1].addresses == tuple(map(ip_interface, ("192.168.1.1/24", "fd00:1::1/64", "fe80::ff:fe00:300/64")))


def test_an_interface_that_is_down() -> None:
    """Up is a flag of the interface; without it nothing goes through."""
    (seen,) = links('[{"ifname": "eth0", "flags": ["BROADCAST", "MULTICAST"], "addr_info": []}]')
    assert not seen.up


def test_routes_are_those_that_somebody_set() -> None:
    """Of all tables of the recorded host only the two default routes were set; the others are the kernel's."""
    expected = [
        Route(destination="default", via=ip_address("192.168.1.1"), device="eth0"),
        Route(destination="default", via=ip_address("fd00:1::1"), device="eth0"),
    ]
    assert list(routes(recorded("ip_route.json"))) == expected


def test_a_route_in_another_table_is_not_of_the_main_one() -> None:
    """A route of table 7 is not one that every packet is looked up in."""
    assert routes('[{"dst": "default", "gateway": "10.0.0.1", "dev": "eth0", "table": "7"}]') == ()


@pytest.mark.parametrize("read", [links, routes])
@pytest.mark.parametrize("text", ["Cannot open netlink socket", "7", "[7]", '[{"flags": []}]', '{"a": 1}'])
def test_json_that_is_not_understood_is_an_error(read: Callable[[str], object], text: str) -> None:
    """Text that is no JSON, JSON of another shape, and items that lack what every item has."""
    with pytest.raises(UnreadableError):
        read(text)


# --------------------------------------------------------------------------------------- a whole host


def gateway() -> dict[str, Any]:
    """A fresh copy of everything that was looked at of a gateway right after up."""
    found: dict[str, Any] = json.loads(recorded("gateway.json"))
    return found


def test_a_view_holds_each_part_once() -> None:
    """Routes of both families are in one look; parts not looked at are empty."""
    view = host_view({"routes": recorded("ip_route.json")})
    assert [str(route.via) for route in view.routes] == ["192.168.1.1", "fd00:1::1"]
    assert (view.links, view.sockets, view.rules, view.translations) == ((), (), "", ())


def test_a_view_takes_sockets_with_owners_and_packet_sockets_too() -> None:
    """With `owners` the sockets have processes; a sniffer is a socket as well."""
    view = host_view({"owners": ROW.format(name="a"), "packet_sockets": recorded("ss_packet.txt")})
    assert len(view.sockets) == 6
    assert view.sockets[0].processes[0].name == "a"


def test_a_view_of_the_recorded_gateway() -> None:
    """Settings and rules are as they were printed."""
    view = host_view(gateway())
    assert dict(view.sysctls)["net.ipv4.ping_group_range"] == "0 2147483647"
    assert view.rules.startswith("table ip socketlab {\n")
    assert [link.name for link in view.links] == ["lo", "eth0", "eth1"]


def test_a_fingerprint_needs_exactly_the_looks_named() -> None:
    """What fingerprint reads is what FINGERPRINT_LOOKS asks the wiring for."""
    texts = gateway()
    assert set(FINGERPRINT_LOOKS) == set(texts)
    for name in FINGERPRINT_LOOKS:
        with pytest.raises(KeyError):
            fingerprint({key: value for key, value in texts.items() if key != name})


def test_equal_states_have_equal_fingerprints() -> None:
    """Pids, the order of looking, and numbers that the kernel gives to each new interface do not count."""
    one, other = gateway(), gateway()
    one["processes"] = [{"pid": 7, "uid": 1000, "state": "S", "command": ["a"]}, {"pid": 8, "uid": 0, "command": ["b"]}]
    other["processes"] = [{"pid": 9, "uid": 0, "command": ["b"]}, {"pid": 99, "uid": 1000, "command": ["a"]}]
    one["sockets"] = STATES
    other["sockets"] = "".join(reversed(STATES.replace("sk:2", "sk:9").replace("57sec", "3sec").splitlines(True)))
    items = json.loads(other["addresses"])
    for item in items:
        item["ifindex"] += 40
        item["link_index"] = 77
    other["addresses"] = json.dumps(list(reversed(items)))
    other["files"].reverse()
    assert fingerprint(one) == fingerprint(other)


def _add_process(texts: dict[str, Any]) -> None:
    texts["processes"].append({"pid": 7, "uid": 1000, "command": ["sleep", "1"]})


def _text(name: str, old: str, new: str) -> Callable[[dict[str, Any]], None]:
    def change(texts: dict[str, Any]) -> None:
        assert old in texts[name]
        texts[name] = texts[name].replace(old, new, 1)

    return change


def _add(name: str, text: str) -> Callable[[dict[str, Any]], None]:
    def change(texts: dict[str, Any]) -> None:
        texts[name] += [text] if isinstance(texts[name], list) else text

    return change


def _item(name: str, value: dict[str, object]) -> Callable[[dict[str, Any]], None]:
    def change(texts: dict[str, Any]) -> None:
        texts[name] = json.dumps([*json.loads(texts[name]), value])

    return change


CHANGES: dict[str, Callable[[dict[str, Any]], None]] = {
    "a process": _add_process,
    "a file": _add("files", "/tmp/x -rw-r--r-- 1000:1000 e3b0c44298fc1c14"),
    "a file's mode": lambda texts: texts.update(files=[f.replace("drwxrwxrwt", "drwxrwxrwx") for f in texts["files"]]),
    "a socket": _add("sockets", ROW.format(name="a")),
    "a packet socket": _add("packet_sockets", "p_raw UNCONN 0 0 *:eth0 *\n"),
    "a rule": _text("rules", "ct status dnat accept", "accept"),
    "the order of rules": _text(
        "rules",
        "ct state established,related accept\n\t\tct status dnat accept",
        "ct status dnat accept\n\t\tct state established,related accept",
    ),
    "a sysctl": _text("sysctls", "ip_forward = 1", "ip_forward = 0"),
    "an address": _text("addresses", "192.168.1.1", "192.168.1.2"),
    "an interface's state": _text("addresses", '"UP",', ""),
    "a route": _item("routes", {"dst": "10.0.0.0/8", "gateway": "192.168.1.9", "dev": "eth0"}),
    "an IPv6 route": _item("routes", {"dst": "default", "gateway": "fe80::1", "dev": "eth0"}),
    "a policy rule": _item("policy", {"priority": 5, "src": "all", "table": "7"}),
    "an ipc object": _add("ipc", "shm 0"),
    "a conntrack entry": _text("conntrack_count", "0", "1"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_each_change_shows_in_the_fingerprint(what: str) -> None:
    """A reset that leaves anything of this behind cannot be taken for one that worked."""
    texts = gateway()
    before = fingerprint(copy.deepcopy(texts))
    CHANGES[what](texts)
    assert fingerprint(texts) != before


def _with_process(*command: str) -> tuple[str, ...]:
    return fingerprint(gateway() | {"processes": [{"pid": 7, "uid": 1000, "command": list(command)}]})


@pytest.mark.parametrize(
    ("one", "other"),
    [(("a b",), ("a", "b")), (("a", ""), ("a",)), (("'",), ("\\x27",)), (("a' 'b",), ("a", "b")), (("\n",), ("\\n",))],
)
def test_different_command_lines_are_different_lines(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    """Words are quoted, so that the line says where each begins and ends."""
    assert _with_process(*one) != _with_process(*other)


def test_names_that_programs_chose_cannot_drive_a_terminal() -> None:
    """A fingerprint's lines end in messages: all of them print as one line, whatever a process or file is called."""
    texts = gateway()
    texts["processes"] = [{"pid": 7, "uid": 1000, "command": ["\x1b[2J", "a\nb", "\u202e"]}]
    texts["files"] = ["/tmp/\x1b]0;x\x07\udcff\n -rw-r--r-- 1000:1000 00"]
    assert all(line.isprintable() for line in fingerprint(texts))


def test_a_fingerprint_cannot_be_taken_of_what_is_not_understood() -> None:
    """An unreadable look is an error, and no part that is empty."""
    with pytest.raises(UnreadableError):
        fingerprint(gateway() | {"routes": "oops"})


def test_who_waits_and_who_does_not() -> None:
    """A connected UDP socket takes datagrams of its peer alone, so it is no listener."""
    assert not connected(("192.168.1.100", 2002), ("203.0.113.80", 53), kind=Kind.UDP).listens
    assert listening("0.0.0.0", 53, kind=Kind.UDP).listens


# -------------------------------------------------------------------------- what the kernel adds by itself

HELD = [
    {"ifname": "lo", "flags": ["UP"], "addr_info": [{"local": "::1", "prefixlen": 128}]},
    {
        "ifname": "eth0",
        "flags": ["UP"],
        "addr_info": [
            {"local": "192.0.2.20", "prefixlen": 24},
            {"local": "2001:db8:1::20", "prefixlen": 64},
            {"local": "fe80::ff:fe00:200", "prefixlen": 64},
        ],
    },
    {"ifname": "eth1", "flags": ["UP"], "addr_info": [{"local": "198.51.100.1", "prefixlen": 24}]},
]
ADDED = [
    {"dst": "2001:db8:1::/64", "dev": "eth0", "protocol": "kernel"},
    {"dst": "fe80::/64", "dev": "eth0", "protocol": "kernel"},
    {"type": "local", "dst": "2001:db8:1::20", "dev": "eth0", "table": "local", "protocol": "kernel"},
    {"type": "local", "dst": "fe80::ff:fe00:200", "dev": "eth0", "table": "local", "protocol": "kernel"},
    {"type": "multicast", "dst": "ff00::/8", "dev": "eth0", "table": "local", "protocol": "kernel"},
]


def test_a_complete_interface_is_settled() -> None:
    """Every address has its route; an interface without IPv6 waits for nothing, and lo is never waited for."""
    assert unsettled(json.dumps(HELD), json.dumps(ADDED)) == ()


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (1, "eth0: no unicast route to fe80::/64"),
        (2, "eth0: no local route to 2001:db8:1::20"),
        (3, "eth0: no local route to fe80::ff:fe00:200"),
        (4, "eth0: no multicast route to ff00::/8"),
    ],
)
def test_what_is_still_to_come_is_told(number: int, told: str) -> None:
    """One route that is not there yet."""
    assert unsettled(json.dumps(HELD), json.dumps(ADDED[:number] + ADDED[number + 1 :])) == (told,)


def test_an_interface_waits_for_its_state() -> None:
    """The carrier is there before the kernel has noted it; one that is not there is not waited for."""
    flags = ["NO-CARRIER", "BROADCAST", "MULTICAST", "UP", "LOWER_UP"]
    held = [dict(HELD[2], flags=flags), dict(HELD[2], ifname="eth2", flags=flags[:-1])]
    assert unsettled(json.dumps(held), json.dumps([])) == ("eth1: has a carrier, and is not up",)


def test_an_interface_waits_for_its_link_local_address() -> None:
    """The kernel makes it once the link is up."""
    held = [dict(HELD[1], addr_info=[{"local": "2001:db8:1::20", "prefixlen": 64}])]
    assert unsettled(json.dumps(held), json.dumps(ADDED)) == ("eth0: no link-local address",)


def test_no_link_local_address_is_awaited_where_none_is_made() -> None:
    """With addr_gen_mode 1 (none) the kernel makes no such address, nor the route that comes with it."""
    held = [dict(HELD[1], ifname="eth0.5", addr_info=[{"local": "2001:db8:1::20", "prefixlen": 64}])]
    added = [dict(one, dev="eth0.5") for one in ADDED if "fe80" not in str(one["dst"])]
    mode = "net.ipv6.conf.eth0/5.addr_gen_mode = {}\n"
    assert unsettled(json.dumps(held), json.dumps(added), mode.format(1)) == ()
    assert unsettled(json.dumps(held), json.dumps(added), mode.format(0)) == ("eth0.5: no link-local address",)


def test_the_multicast_route_of_older_kernels_is_one() -> None:
    """Before Linux 5.11 it is listed as a unicast route, which ip(8) does not say: the type is left out."""
    listed = [{key: value for key, value in one.items() if value != "multicast"} for one in ADDED]
    assert unsettled(json.dumps(HELD), json.dumps(listed)) == ()
