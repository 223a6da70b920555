"""What a host finds itself with: interfaces, addresses, routes, settings, files; equal on every wiring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.building import WIRINGS
from lab.live import Instance
from lab.model import InterfaceAddress
from lab.testing import Instances

LABS = Path(__file__).parent / "labs"
OF_THE_DEVICE = frozenset({"ifindex", "link_index", "link_netnsid", "txqlen"})
"""What tells devices apart, and no program can use: their numbers, and a length of queues that they do not have."""

NO_SEARCH = "search ."
"""which some engines write and some leave out (resolv.conf(5))"""


def said(lab: Instance, host: str, *argv: str) -> str:
    """What a trusted command prints in a host."""
    done = lab.wiring.command(host, argv, seconds=10)
    assert done.status == 0, done.stderr
    return done.stdout.decode()


@pytest.mark.parametrize("host", ["alice", "many", "plain", "router", "server"])
def test_interfaces_are_named_and_ordered_as_in_the_lab_file(lab: Instance, host: str) -> None:
    """eth0 is the first network that the file names, whatever the alphabet says, and each has its addresses."""
    found = json.loads(said(lab, host, "ip", "-j", "addr", "show"))
    seen = [
        (one["ifname"], [f"{a['local']}/{a['prefixlen']}" for a in one["addr_info"] if a["scope"] == "global"])
        for one in found
        if one["ifname"] != "lo"
    ]

    def family(address: InterfaceAddress) -> int:
        return address.version

    declared = lab.host(host).interfaces
    assert [one.network for one in declared] != sorted(one.network for one in declared) or len(declared) == 1
    for (name, addresses), one in zip(seen, declared, strict=True):
        assert name == one.name
        # The kernel lists the newest IPv6 address first.
        assert sorted(addresses) == sorted(map(str, one.addresses))
        assert addresses[0] == str(min(one.addresses, key=family))


def test_each_address_is_on_the_wire_that_it_belongs_to(lab: Instance) -> None:
    """A host with three interfaces is asked for each of its addresses from a neighbour on that very network."""
    for asker, address, interface in (
        ("alice", "192.0.2.20", "eth0"),
        ("alice", "192.0.2.22", "eth0"),
        ("server", "203.0.113.20", "eth0"),
        ("server", "2001:db8:2::21", "eth0"),
        ("plain", "198.51.100.20", "eth0"),
    ):
        assert lab.run(asker, ["ping", "-c", "1", "-W", "2", address]).ended.status == 0, address
        (found,) = json.loads(said(lab, asker, "ip", "-j", "neigh", "show", "to", address))
        networks = [one.network for one in lab.host(asker).interfaces]
        number = [one.name for one in lab.lab.hosts].index("many")
        index = [one.network for one in lab.host("many").interfaces].index(networks[0])
        assert (found["dev"], found["lladdr"]) == (interface, f"02:00:00:00:{number + 1:02x}:{index:02x}")


def everything(lab: Instance, host: str) -> dict[str, Any]:
    """Whatever of a host's network could differ from another's, by what it is."""
    settings = (
        "cd /proc/sys/net; find ipv4 ipv6 netfilter unix core -type f -readable | sort | "
        "while read f; do echo $f $(cat $f 2>/dev/null); done"
    )
    links = json.loads(said(lab, host, "ip", "-j", "-d", "addr", "show"))
    changing = ("stable_secret", "nf_conntrack_count", "netdev_rss_key", "_available", "tcp_fastopen_key")
    return {
        # The files that Docker makes have comments of each engine's own; `names` has what they say.
        "fingerprint": [line for line in lab.fingerprints([host])[host] if not line.startswith("file /etc/")],
        "settings": [
            line
            for line in said(lab, host, "sh", "-c", settings).splitlines()
            if not any(word in line for word in changing)
        ],
        "links": [{key: value for key, value in link.items() if key not in OF_THE_DEVICE} for link in links],
        "routes": said(lab, host, "ip", "route", "show", "table", "all").splitlines(),
        "routes6": sorted(said(lab, host, "ip", "-6", "route", "show", "table", "all").splitlines()),
        "rules": said(lab, host, "ip", "rule").splitlines(),
        "sockets": said(lab, host, "ss", "-Hnatuw0").splitlines(),
        "names": [
            [line for line in said(lab, host, "cat", file).splitlines() if line[:1] not in "#" and line != NO_SEARCH]
            for file in ("/etc/hosts", "/etc/resolv.conf", "/etc/hostname")
        ],
        "whoami": said(lab, host, "hostname"),
        "environment": sorted(lab.run(host, ["env"]).stdout.decode().splitlines()),
        "power": lab.run(host, ["grep", "-E", "^(Cap|Seccomp|NoNewPrivs)", "/proc/self/status"]).stdout.decode(),
    }


@pytest.mark.parametrize("host", ["alice", "many", "plain", "router", "server"])
def test_a_host_is_the_same_on_every_wiring(instances: Instances, host: str) -> None:
    """Every setting of the kernel, address, route, file, socket: nothing tells a program on which wiring it runs."""
    first, *others = (everything(instances.get(str(LABS / "wires.yaml"), one), host) for one in WIRINGS)
    for other in others:
        assert {key: other[key] for key in first} == first


def test_names_come_from_the_lab_file_only(lab: Instance) -> None:
    """Its own name server, its own search list, its own lines in hosts(5): nothing of Docker's."""
    words = [
        line.split()
        for line in said(lab, "alice", "cat", "/etc/resolv.conf").splitlines()
        if line.strip() and line[:1] != "#"
    ]
    assert sorted(words) == [
        ["nameserver", "192.0.2.53"],
        ["options", "timeout:1", "attempts:1"],
        ["search", "example.com"],
    ]
    for name, whole in (("www", "www.example.com"), ("server.example.net", "server.example.net")):
        assert said(lab, "alice", "getent", "hosts", name).split() == ["203.0.113.80", whole]
    assert said(lab, "alice", "hostname").strip() == "alices-own"
    for name in ("plain", "many", f"socketlab.{lab.name}.many"):
        assert lab.run("alice", ["getent", "hosts", name]).ended.status != 0


def test_nothing_of_dockers_resolver_answers(lab: Instance) -> None:
    """No socket at 127.0.0.11, no rule that leads there, and a question to it is refused by the kernel."""
    asking = (
        "import socket\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5); s.connect(('127.0.0.11', 53))\n"
        "s.send(bytes.fromhex('000101000001000000000000') + b'\\5alice\\0\\0\\1\\0\\1')\n"
        "try: print(s.recv(512))\n"
        "except OSError as error: print(type(error).__name__)\n"
    )
    for host in ("alice", "many", "plain", "router", "server"):
        assert said(lab, host, "ss", "-Hnatu", "src", "127.0.0.11") == ""
        assert lab.run(host, ["python3", "-c", asking]).stdout == b"ConnectionRefusedError\n"
    assert "127.0.0.11" not in said(lab, "router", "nft", "list", "ruleset")
