"""For every claim of the note something that makes it untrue, so that its demonstration can be seen to fail.

A break changes a program, the lab's file, or the network of one running host, and nothing of the demonstration.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Break:
    """How the world differs from the one that the note describes."""

    claim: str
    what: str
    programs: tuple[tuple[str, str, str], ...] = ()
    """(file, text in it, text in its place)"""
    lab: tuple[tuple[str, str], ...] = ()
    """(text in the lab's file, text in its place)"""
    ip: tuple[tuple[str, str], ...] = ()
    """(host, words for ip(8))"""


def program(claim: str, what: str, *changes: tuple[str, str, str]) -> Break:
    """A program that does something else."""
    return Break(claim=claim, what=what, programs=changes)


def lab(claim: str, what: str, *changes: tuple[str, str]) -> Break:
    """A lab that is another."""
    return Break(claim=claim, what=what, lab=changes)


def ip(claim: str, what: str, host: str, words: str) -> Break:
    """A host whose network was changed."""
    return Break(claim=claim, what=what, ip=((host, words),))


CONNECTS = ("connect_by_name.py", "s.connect((NAME, PORT))")

BREAKS = (
    # ---------------------------------------------------------------------------------------- ports
    ip("interfaces", "the second interface has lost its address", "server", "addr del 198.51.100.10/24 dev eth1"),
    ip("addresses", "the further address is gone", "server", "addr del 192.0.2.11/24 dev eth0"),
    program("port-range", "port 0 is a port like others", ("bind.py", "int(port)))", "int(port) or 1025))")),
    program(
        "endpoint",
        "every bind succeeds",
        ("bind.py", "if wanted.reuseport:", "if True:"),
    ),
    program(
        "ports-per-address",
        "a server takes all addresses",
        ("whoami_server.py", "s.bind((address, port))", "s.bind(('0.0.0.0', port))"),
    ),
    ip("ports-per-alias", "the further address is gone", "server", "addr del 192.0.2.11/24 dev eth0"),
    program(
        "wildcard",
        "0.0.0.0 means one address only",
        ("whoami_server.py", "s.bind((address, port))", "s.bind(('192.0.2.10', port))"),
    ),
    program("many-ports", "both ports lead to one name", ("whoami_server.py", 'f"{name} sees', 'f"eighty sees')),
    ip("other-machines", "the second machine is not on the network", "ann", "link set dev eth0 down"),
    lab(
        "well-known",
        "the border is where Docker puts it",
        (
            "    networks: {left: {ipv4_address: 192.0.2.20",
            "    sysctls: {net.ipv4.ip_unprivileged_port_start: 0}\n    networks: {left: {ipv4_address: 192.0.2.20",
        ),
    ),
    program(
        "ephemeral",
        "a client chooses its port by itself",
        ("many_clients.py", "s.settimeout(5)", "s.settimeout(5); s.bind(('', 20000 + len(held)))"),
    ),
    program(
        "ephemeral-exhaustion",
        "a client that takes no more ports than there are",
        ("many_clients.py", "range(int(count))", "range(min(int(count), 4))"),
    ),
    program(
        "protocols",
        "the UDP server needs another port than the TCP server",
        ("whoami_server.py", "s.bind((address, port))", "s.bind((address, port + (protocol == 'udp')))"),
    ),
    # -------------------------------------------------------------------------------------- sockets
    program(
        "lifecycle",
        "a server that takes one client and closes its door",
        ("server.py", "conn, addr = s.accept()", "conn, addr = s.accept(); s.close()"),
    ),
    program(
        "accept",
        "the listening socket is closed after the first client",
        ("whoami_server.py", "args=s.accept(), daemon=True).start()", "args=s.accept()).start(); s.close()"),
    ),
    program(
        "connection",
        "the server leaves at once",
        (
            "whoami_server.py",
            "        while connection.recv(1024):\n            ",
            "        connection.recv(1024)\n        if True:\n            ",
        ),
    ),
    program(
        "many-clients",
        "the server serves one client after the other",
        (
            "whoami_server.py",
            "threading.Thread(target=serve, args=s.accept(), daemon=True).start()",
            "serve(*s.accept())",
        ),
    ),
    program("echo", "a server that does not send back", ("server.py", "conn.sendall(data)", "pass")),
    # ------------------------------------------------------------------------------------ transport
    lab("tcp-reliable", "a wire that loses nothing", ("    x-lab: {loss: 10%}\n", "")),
    program(
        "tcp-reliable",
        "a receiver that loses a byte",
        ("transfer.py", "count += len(data)", "count += len(data) - (count == 0)"),
    ),
    lab("udp-unreliable", "a wire that loses nothing", ("    x-lab: {loss: 10%}\n", "")),
    program(
        "tcp-stateful",
        "a client that speaks UDP",
        (
            "whoami_client.py",
            'socket.SOCK_STREAM if wanted.protocol == "tcp" else socket.SOCK_DGRAM',
            "socket.SOCK_DGRAM",
        ),
    ),
    program(
        "udp-boundaries",
        "a datagram is cut into pieces",
        ("boundaries.py", 's.send(b"second")', 's.send(b"sec"); s.send(b"ond")'),
    ),
    program(
        "udp-stateless",
        "a client with a peer",
        ("udp_state.py", 'connect = "--connect" in sys.argv', "connect = True"),
    ),
    # ---------------------------------------------------------------------------------- translation
    lab("nat-source", "all gateways keep the port", ("ports: random", "ports: preserve")),
    program(
        "nat-reply",
        "a server that sends the first client's answer to all",
        (
            "whoami_server.py",
            "def answer(peer):\n",
            "first = []\n\n\ndef answer(peer):\n    first.append(peer)\n    peer = first[0]\n",
        ),
    ),
    lab("nat-inbound", "the gateway forwards the service's own port", ("tcp: 8080", "tcp: 8000")),
    lab("nat-lifetime", "the gateway keeps the port", ("ports: random", "ports: preserve")),
    # ---------------------------------------------------------------------------------------- names
    program(
        "connect-address",
        "a program that asks whatever it is given",
        (*CONNECTS, 'socket.getaddrinfo("www.example.com", PORT); s.connect((NAME, PORT))'),
    ),
    program("connect-name", "a program that knows the address", (*CONNECTS, 's.connect(("192.0.2.80", PORT))')),
    lab("hosts-file", "a hosts file without the name", ("    extra_hosts: {printer.example.com: 192.0.2.81}\n", "")),
    lab(
        "resolve-error",
        "the name exists",
        ("            - printer ", "            - nothing A 192.0.2.80\n            - printer "),
    ),
    program("user-kernel", "a program that knows the address", (*CONNECTS, 's.connect(("192.0.2.80", PORT))')),
    program(
        "cache-application", "a program without a memory", ("lookup.py", "functools.cache(addresses)", "addresses")
    ),
    lab("cache-system", "a host without a cache", ("      cache: nscd\n", "")),
    lab("cache-server", "an answer that may not be kept", ("- four     A", "- four 0   A")),
    # ------------------------------------------------------------------------------------- families
    lab("dual-stack", "nothing is broken", ("gateway: 198.51.100.1\n", 'gateway: [198.51.100.1, "2001:db8:2::1"]\n')),
    program("ipv6", "a client that knows IPv4 only", ("client.py", "socket.AF_INET,", "socket.AddressFamily(2),")),
    program("v6only", "the option has no effect", ("whoami_server.py", '"--v6only" in options', "False")),
)
