"""The labs that come along: each shows what it is about, and everything that it suggests works as it is written."""

from __future__ import annotations

import shlex
from collections.abc import Callable

import pytest

from lab import labfiles
from lab.live import Instance
from lab.observe import Translation, listeners
from tests.live.support import command_line, until

LABS = [name for name, _ in labfiles.available()]
ECHO = "echo_client/echo_client.py"

Translations = Callable[[str], tuple[Translation, ...]]
Start = Callable[..., None]
Listens = Callable[[str, int], None]
Ask = Callable[..., str]


@pytest.mark.parametrize("name", [pytest.param(one, marks=pytest.mark.instance(one)) for one in LABS])
def test_everything_that_a_lab_suggests_works(lab: Instance, name: str) -> None:
    """Each line under `try`, run as it stands in the lab as it came up, ends well."""
    assert lab.lab.name == name
    assert lab.lab.suggestions
    for line in lab.lab.suggestions:
        program, command, *words = shlex.split(line)
        assert program == "lab"
        done = command_line(command, "--name", lab.name, *words)
        assert done.returncode == 0, f"{line}: {done.stderr.decode()}"
        assert done.stdout or command == "logs", line


def echo(lab: Instance, host: str, *arguments: object) -> str:
    """What the echo client of a host printed; what it complained of, if it failed."""
    printed = lab.run(host, ["python3", ECHO, *map(str, arguments)], seconds=20)
    text = printed.stdout if printed.ended.status == 0 else printed.stderr
    return text.decode().strip().splitlines()[-1] if text else printed.ended.reason


def log(lab: Instance, host: str, program: str = "echo") -> list[str]:
    """The addresses from which an echo server was reached, in their order."""
    lines = lab.output(host, program).text.decode().splitlines()
    return [line.split("'")[1] for line in lines]


# ----------------------------------------------------------------------------------------------- ports


@pytest.mark.instance("ports")
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_one_port_of_each_address_of_a_host(lab: Instance, protocol: str, start: Start, ask: Ask) -> None:
    """Six programs hold port 8000 of one host, each at another address, and each answers at its own."""
    addresses = [str(address.ip) for interface in lab.host("server").interfaces for address in interface.addresses]
    assert len(addresses) == 6
    for number, address in enumerate(addresses):
        start("server", "serve_once_each.py", protocol, address, 8000, f"at-{address}", name=f"p{number}")
    until(
        lambda: {str(one.address) for one in listeners(lab.look(["sockets"])["server"].sockets) if one.port == 8000},
        wanted=lambda seen: seen == set(addresses),
        what=f"listeners at {addresses}",
    )
    for address in addresses:
        client = "ann" if address.startswith(("192.0.2.", "2001:db8:1:")) else "ben"
        assert ask(client, protocol, address, 8000).split(" | ")[1].split()[0] == f"at-{address}"


@pytest.mark.instance("ports")
@pytest.mark.parametrize("address", ["192.0.2.10", "2001:db8:1::10"])
def test_four_ephemeral_ports(lab: Instance, address: str, start: Start, listens: Listens) -> None:
    """The fifth connection of narrow to one endpoint finds no port; to another endpoint there are four again."""
    start("server", "serve_once_each.py", "tcp", address, 8000, "x", name="first")
    start("server", "serve_once_each.py", "tcp", address, 8001, "x", name="second")
    listens("server", 8000)
    listens("server", 8001)
    family = "AF_INET6" if ":" in address else "AF_INET"
    script = f"""
import errno, socket
held = []
for port in (8000,) * 5 + (8001,) * 5:
    s = socket.socket(socket.{family})
    try:
        s.connect(({address!r}, port))
        print(s.getsockname()[1])
    except OSError as error:
        print(errno.errorcode[error.errno])
    held.append(s)
"""
    *words, last = lab.run("narrow", ["python3", "-c", script]).stdout.decode().split()
    assert {words[4], last} == {"EADDRNOTAVAIL"}
    assert set(words[:4]) == set(words[5:9]) == {"50000", "50001", "50002", "50003"}


# ------------------------------------------------------------------------------------------------- NAT


@pytest.mark.instance("nat-policies")
def test_three_port_policies_side_by_side(lab: Instance, translations: Translations) -> None:
    """A port is kept, it is another each time, it is one of the pool; each from its own gateway's address."""
    own = (("ann", 5555), ("ben", 5555), ("ben", 5556), ("ben", 5557), ("cleo", 5555))
    for client, port in own:
        assert "Received" in echo(lab, client, "203.0.113.80", 65432, port), client
    kept = {entry.outside for entry in translations("preserve")}
    drawn = {entry.outside[1] for entry in translations("random")}
    (pooled,) = {entry.outside for entry in translations("pool")}
    assert {(str(address), port) for address, port in kept} == {("203.0.113.1", 5555)}
    assert len(drawn & {5555, 5556, 5557}) <= 1  # by chance
    assert 40000 <= pooled[1] <= 40999
    assert log(lab, "server") == ["203.0.113.1", *["203.0.113.2"] * 3, "203.0.113.3"]
    nat = lab.host("random").nat
    assert nat is not None
    assert {one.name: one.seconds for one in nat.timeouts} == {"udp": 2, "udp-stream": 2}


@pytest.mark.instance("nat-inbound")
def test_a_forwarded_port_and_a_hairpin(lab: Instance, translations: Translations) -> None:
    """The stranger reaches alice by the router's port 8080 and is seen as it is; bob does too, seen as the router.

    Nobody reaches her port 8000 at the router.
    """
    assert "Received" in echo(lab, "stranger", "203.0.113.1", 8080)
    assert "Received" in echo(lab, "bob", "203.0.113.1", 8080)
    assert log(lab, "alice") == ["203.0.113.99", "192.168.1.1"]
    assert all(entry.destination_is_translated for entry in translations("router"))
    assert "ConnectionRefusedError" in echo(lab, "stranger", "203.0.113.1", 8000)


@pytest.mark.instance("nat-carrier")
def test_two_gateways_translate_one_after_the_other(lab: Instance, translations: Translations) -> None:
    """What alice's router makes of her address is the carrier's inside; the server sees the carrier only."""
    for client in ("alice", "bob"):
        assert "Received" in echo(lab, client, "203.0.113.80", 65432, 5555)
    (first,) = translations("home-router")
    (other,) = translations("other-router")
    assert [str(one.outside[0]) for one in (first, other)] == ["100.64.0.2", "100.64.0.3"]
    at_carrier = translations("carrier")
    assert {entry.inside for entry in at_carrier} == {first.outside, other.outside}
    assert {str(entry.outside[0]) for entry in at_carrier} == {"203.0.113.1"}
    assert all(40000 <= entry.outside[1] <= 40999 for entry in at_carrier)
    assert log(lab, "server") == ["203.0.113.1"] * 2


# ------------------------------------------------------------------------------------------ dual stack

BOTH = {"server.example": {"198.51.100.80", "2001:db8:2::80"}, "broken.example": {"198.51.100.90", "2001:db8:2::90"}}


def resolved(lab: Instance, host: str, name: str) -> list[str]:
    """What getaddrinfo(3) gives a program of the host, in its order."""
    script = f"import socket\nfor one in socket.getaddrinfo({name!r}, 80, type=socket.SOCK_STREAM): print(one[4][0])"
    return lab.run(host, ["python3", "-c", script]).stdout.decode().split()


@pytest.mark.instance("dual-stack")
@pytest.mark.parametrize("host", ["alice", "four", "six"])
def test_a_name_has_both_addresses(lab: Instance, host: str) -> None:
    """getaddrinfo gives every address of a name; first one that the host can use (RFC 6724 §6, rule 1)."""
    for name, addresses in BOTH.items():
        found = resolved(lab, host, name)
        assert len(found) == 2
        assert set(found) == addresses
        assert (":" in found[0]) == (host != "four")


@pytest.mark.instance("labs/names-with-several-addresses.yaml")
def test_a_name_has_any_number_of_addresses(lab: Instance) -> None:
    """Several of one family are given too, to who asks for both families and to who asks for one (host.conf(5))."""
    expected = {"192.0.2.80", "192.0.2.81", "2001:db8:1::80", "2001:db8:1::81"}
    for host, name in (("alice", "by-line.example"), ("bob", "by-name.example")):
        assert set(resolved(lab, host, name)) == expected
        four = lab.run(host, ["getent", "ahostsv4", name]).stdout.decode().split()
        assert set(four) >= {"192.0.2.80", "192.0.2.81"}


@pytest.mark.instance("dual-stack")
def test_who_reaches_whom_over_which_family(lab: Instance) -> None:
    """alice has both families, four and six have one; the one socket of the server serves both."""
    four, six = "198.51.100.80", "2001:db8:2::80"
    reached = {
        (host, address): "Received" in echo(lab, host, address, 65432)
        for host in ("alice", "four", "six")
        for address in (four, six)
    }
    assert {pair for pair, answered in reached.items() if not answered} == {("four", six), ("six", four)}
    seen = log(lab, "server")
    assert seen == ["::ffff:192.0.2.10", "2001:db8:1::10", "::ffff:192.0.2.11", "2001:db8:1::12"]


@pytest.mark.instance("dual-stack")
def test_a_host_of_one_family_has_nothing_of_the_other(lab: Instance) -> None:
    """Not even a link-local address, which getaddrinfo's AI_ADDRCONFIG would take for one."""
    (_, eth0) = lab.look(["addresses"], ["four"])["four"].links
    assert {address.version for address in eth0.addresses} == {4}
    (_, eth0) = lab.look(["addresses"], ["six"])["six"].links
    assert {address.version for address in eth0.addresses} == {6}


def connects(lab: Instance, host: str, address: str) -> str:
    """What comes of connecting to port 65432 of an address: `connected`, or the name of the error."""
    script = f"""
import socket
try:
    socket.create_connection(({address!r}, 65432), timeout=2)
    print("connected")
except OSError as error:
    print(type(error).__name__)
"""
    return lab.run(host, ["python3", "-c", script]).stdout.decode().strip()


@pytest.mark.instance("dual-stack")
def test_broken_ipv6_is_silence(lab: Instance) -> None:
    """A client hears nothing from broken's IPv6 address, and is answered at its IPv4 address.

    Positive control: the server, on broken's own network, reaches the same listener over IPv6.
    """
    assert connects(lab, "alice", "198.51.100.90") == "connected"
    assert connects(lab, "server", "2001:db8:2::90") == "connected"
    assert connects(lab, "alice", "2001:db8:2::90") == "TimeoutError"
    until(lambda: log(lab, "broken"), wanted=lambda seen: "2001:db8:2::80" in seen, what="the server's connection")
    assert "2001:db8:1::10" not in log(lab, "broken")
