"""Bindings, as the exact set of listening sockets of every host."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import Any

import pytest

from lab.live import Instance
from lab.model import Endpoint, Protocol
from lab.observe import Kind, Socket, listeners
from tests.live.support import until

ECHO = Endpoint(protocol=Protocol.TCP, address=ip_address("203.0.113.80"), port=65432)


def test_only_the_declared_program_listens(lab: Instance) -> None:
    """The server listens at its one endpoint, and nothing listens anywhere else: TCP or UDP, IPv4 or IPv6."""
    seen = {name: listeners(view.sockets) for name, view in lab.look(["sockets"]).items()}
    assert seen == {host.name: frozenset({ECHO} if host.name == "server" else ()) for host in lab.lab.hosts}


def test_no_resolver_of_dockers_is_in_a_host(lab: Instance, host: Callable[[str], Any]) -> None:
    """No host has a socket, a rule or a name server at 127.0.0.11, nor a name server of the machine's."""
    for name, view in lab.look(["owners", "packet_sockets", "rules"]).items():
        assert not [socket for socket in view.sockets if str(socket.local.address) == "127.0.0.11"]
        assert "127.0.0.11" not in view.rules
        servers = [
            line for line in host(name).file("/etc/resolv.conf").content_string.splitlines() if line[:4] == "name"
        ]
        assert servers == ["nameserver 127.0.0.1"]


def test_a_further_listener_is_seen(lab: Instance, sockets: Callable[[str], tuple[Socket, ...]]) -> None:
    """Positive control: a program that binds the wildcard addresses shows up as exactly these endpoints."""
    lab.run("stranger", ["sh", "-c", "nc -lk -u 0.0.0.0 5353 >/dev/null 2>&1 & nc -lk 0.0.0.0 8080 >/dev/null 2>&1 &"])
    lab.run("stranger", ["sh", "-c", "python3 -m http.server -b :: 8081 >/dev/null 2>&1 & sleep 0.5"])
    expected = {
        Endpoint(protocol=Protocol.UDP, address=ip_address("0.0.0.0"), port=5353),
        Endpoint(protocol=Protocol.TCP, address=ip_address("0.0.0.0"), port=8080),
        Endpoint(protocol=Protocol.TCP, address=IPv6Address("::"), port=8081),
    }
    until(lambda: listeners(sockets("stranger")), wanted=lambda seen: seen == expected, what=str(expected))


def test_a_listener_belongs_to_its_program(sockets: Callable[[str], tuple[Socket, ...]]) -> None:
    """A listening socket names its process and the user it runs as."""
    (listening,) = [socket for socket in sockets("server") if socket.listens]
    assert listening.uid == 1000
    assert [process.name for process in listening.processes] == ["python3"]


@pytest.mark.instance("labs/sniffer.yaml")
def test_a_sniffer_is_seen(lab: Instance, sockets: Callable[[str], tuple[Socket, ...]]) -> None:
    """A packet socket and a raw one are among a host's sockets, with the program that holds them."""
    packet, raw = "a = s.socket(s.AF_PACKET, s.SOCK_RAW, 0x300)", "b = s.socket(s.AF_INET, s.SOCK_RAW, 1)"
    code = f"import socket as s, time; {packet}; {raw}; time.sleep(60)"
    lab.start("sniffer", ["python3", "-c", code], name="sniff")
    seen = until(
        lambda: {(one.kind, *(process.name for process in one.processes)) for one in sockets("sniffer")},
        wanted=lambda found: len(found) == 2,
        what="two sockets",
    )
    assert seen == {(Kind.PACKET, "python3"), (Kind.RAW, "python3")}
    assert {one.uid for one in sockets("sniffer") if one.kind is Kind.PACKET} == {1000}
