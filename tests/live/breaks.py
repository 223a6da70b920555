"""For every claim of the note something that makes it untrue, so that its demonstration can be seen to fail.

A break changes a program, the lab's file, or one running host from outside, and nothing of the demonstration. It names
the check that sees it: one that fails for another reason would prove nothing.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Break:
    """How the world differs from the one that the note describes."""

    claim: str
    what: str
    fails: str
    """the check that must fail: what it is about"""
    programs: tuple[tuple[str, str, str], ...] = ()
    """(file, text in it, text in its place)"""
    lab: tuple[tuple[str, str], ...] = ()
    """(text in the lab's file, text in its place)"""
    commands: tuple[tuple[str, str], ...] = ()
    """(host, a command that is run in it from outside)"""


def program(claim: str, what: str, *changes: tuple[str, str, str], fails: str) -> Break:
    """A program that does something else."""
    return Break(claim=claim, what=what, fails=fails, programs=changes)


def lab(claim: str, what: str, *changes: tuple[str, str], fails: str) -> Break:
    """A lab that is another."""
    return Break(claim=claim, what=what, fails=fails, lab=changes)


def host(claim: str, what: str, name: str, command: str, *, fails: str) -> Break:
    """A host that was changed."""
    return Break(claim=claim, what=what, fails=fails, commands=((name, command),))


BINDS = ("whoami_server.py", "s.bind((address, port))")
CONNECTS = ("connect_by_name.py", "s.connect((NAME, PORT))")
NAMES = ("whoami_server.py", "{wanted.name} sees")
SPAWNS = ("whoami_server.py", "            threading.Thread(target=serve, args=s.accept(), daemon=True).start()\n")
NOTHING_LOST = ("    x-lab: {loss: 10%}\n", "")
ANN = "    networks: {left: {ipv4_address: 192.0.2.20"

BREAKS = (
    # ---------------------------------------------------------------------------------------- ports
    host(
        "interfaces", "ben is not on his side", "ben", "ip link set dev eth0 down", fails="who answers ben at 198.51."
    ),
    host(
        "interfaces",
        "the second interface has no address",
        "server",
        "ip addr del 198.51.100.10/24 dev eth1",
        fails="listening at tcp/198.51.100.10:8000",
    ),
    host(
        "addresses",
        "the further address is gone",
        "server",
        "ip addr del 192.0.2.11/24 dev eth0",
        fails="who answers at 192.0.2.11",
    ),
    program(
        "port-range",
        "port 0 is a port like others",
        ("bind.py", "int(port)))", "int(port) or 1025))"),
        fails="the port chosen for port 0",
    ),
    program(
        "endpoint",
        "every bind succeeds",
        ("bind.py", "if wanted.reuseport:", "if True:"),
        fails="the second tcp bind, no option",
    ),
    program("ports-per-address", "one name for both", (*NAMES, "left sees"), fails="who answers at 198.51.100.10"),
    program(
        "ports-per-address",
        "a server takes all addresses",
        (*BINDS, "s.bind(('0.0.0.0', port))"),
        fails="listening at tcp/192.0.2.10:8000",
    ),
    program("ports-per-alias", "one name for both", (*NAMES, "first sees"), fails="who answers at 192.0.2.11"),
    host(
        "wildcard",
        "one of the addresses is gone",
        "server",
        "ip addr del 192.0.2.11/24 dev eth0",
        fails="the port that is taken everywhere",
    ),
    program("many-ports", "one name for both", (*NAMES, "eighty sees"), fails="who answers on port 8080"),
    host(
        "other-machines",
        "the second machine is not on the network",
        "ann",
        "ip link set dev eth0 down",
        fails="who answers at 192.0.2.20",
    ),
    lab(
        "well-known",
        "the border is where Docker puts it",
        (ANN, "    sysctls: {net.ipv4.ip_unprivileged_port_start: 0}\n" + ANN),
        fails="80, 1023, 1024 on ann",
    ),
    program(
        "ephemeral",
        "a client chooses its port by itself",
        ("many_clients.py", "s.settimeout(5)", "s.settimeout(5); s.bind(('', 20000 + len(held)))"),
        fails="source ports of ann outside its range",
    ),
    program(
        "ephemeral-exhaustion",
        "a client that turns to the other endpoint every second time",
        ("many_clients.py", "s.connect((address, int(port)))", "s.connect((address, int(port) ^ (len(held) & 1)))"),
        fails="the connection number 5",
    ),
    program("protocols", "one name for both", (*NAMES, "tcp-server sees"), fails="who answers by udp"),
    # -------------------------------------------------------------------------------------- sockets
    program(
        "lifecycle",
        "a server that takes one client and closes its door",
        ("server.py", "conn, addr = s.accept()", "conn, addr = s.accept(); s.close()"),
        fails="the server's calls",
    ),
    program(
        "accept",
        "the listening socket is closed after three clients",
        ("whoami_server.py", "        while True:\n            # The", "        for _ in range(3):\n            # The"),
        (*SPAWNS, SPAWNS[1] + "        s.close()\n        threading.Event().wait()\n"),
        fails="listening sockets that are left",
    ),
    program(
        "connection",
        "the server leaves at once",
        (
            "whoami_server.py",
            "            while connection.recv(1024):\n",
            "            connection.recv(1024)\n            if True:\n",
        ),
        fails="the client's pair",
    ),
    program(
        "many-clients",
        "the server serves one client after the other",
        (*SPAWNS, "            serve(*s.accept())\n"),
        fails="a line of the program",
    ),
    program(
        "many-clients",
        "the note's server takes more than one",
        ("server.py", "    conn, addr = s.accept()", "    s.accept()\n    conn, addr = s.accept()"),
        fails="the note's server ended",
    ),
    program(
        "echo",
        "a server that does not send back",
        ("server.py", "conn.sendall(data)", "pass"),
        fails="the end of client.py on server",
    ),
    program(
        "echo",
        "a server that sends something else",
        ("server.py", "conn.sendall(data)", "conn.sendall(b'Good bye')"),
        fails="the client on server, as in the note",
    ),
    # ------------------------------------------------------------------------------------ transport
    lab("tcp-reliable", "a wire that loses nothing", NOTHING_LOST, fails="segments lost, IPv4"),
    program(
        "tcp-reliable",
        "a receiver that loses a byte",
        ("transfer.py", "count += len(data)", "count += len(data) - (count == 0)"),
        fails="received over IPv6",
    ),
    lab("udp-unreliable", "a wire that loses nothing", NOTHING_LOST, fails="lost, IPv6"),
    program(
        "udp-boundaries",
        "a datagram is cut into pieces",
        ("boundaries.py", 's.send(b"second")', 's.send(b"sec"); s.send(b"ond")'),
        fails="what each recv() gave by UDP",
    ),
    program(
        "tcp-stateful",
        "a client that speaks UDP",
        (
            "whoami_client.py",
            'socket.SOCK_STREAM if wanted.protocol == "tcp" else socket.SOCK_DGRAM',
            "socket.SOCK_DGRAM",
        ),
        fails="segments of the handshake",
    ),
    program(
        "tcp-stateful",
        "a client that begins anew each time",
        (
            "whoami_client.py",
            "        while wanted.hold and sys.stdin.readline():\n            ask(s)\n",
            "        while wanted.hold and sys.stdin.readline():\n"
            "            s = socket.create_connection((wanted.address, wanted.port))\n            ask(s)\n",
        ),
        fails="what the client hears",
    ),
    program(
        "udp-stateless",
        "a client with a peer",
        ("udp_state.py", "wanted = arguments.parse_args()", "wanted = arguments.parse_args(); wanted.connect = True"),
        fails="without a server",
    ),
    # ---------------------------------------------------------------------------------- translation
    lab(
        "nat-source",
        "all gateways keep the port",
        ("ports: random", "ports: preserve"),
        fails="random, with the port free",
    ),
    program(
        "nat-reply",
        "a server that sends the first client's answer to all",
        (
            "whoami_server.py",
            "def answer(peer):\n",
            "first = []\n\n\ndef answer(peer):\n    first.append(peer)\n    peer = first[0]\n",
        ),
        fails="the answer that bob got is about its own mapping",
    ),
    lab(
        "nat-inbound",
        "the gateway forwards the service's own port",
        ("tcp: 8080", "tcp: 8000"),
        fails="stranger at 203.0.113.1:8000",
    ),
    host(
        "nat-inbound",
        "the gateway lets everybody in",
        "router",
        "nft add chain ip socketlab forward { policy accept ; }",
        fails="the stranger's SYNs at alice",
    ),
    lab(
        "nat-lifetime", "the gateway keeps the port", ("ports: random", "ports: preserve"), fails="the third comes from"
    ),
    # ---------------------------------------------------------------------------------------- names
    program(
        "connect-address",
        "a program that asks whatever it is given",
        (*CONNECTS, 'socket.getaddrinfo("www.example.com", PORT); s.connect((NAME, PORT))'),
        fails="DNS queries for 192.0.2.80",
    ),
    program(
        "connect-name",
        "a program that knows the address",
        (*CONNECTS, 's.connect(("192.0.2.80", PORT))'),
        fails="the order",
    ),
    lab(
        "hosts-file",
        "alice's hosts file is without the name",
        ("    extra_hosts: {printer.example.com: 192.0.2.81}\n", ""),
        fails="alice connects to",
    ),
    lab(
        "hosts-file",
        "bob's hosts file has the name too",
        (
            "  bob:\n    image: socketlab/host\n",
            "  bob:\n    image: socketlab/host\n    extra_hosts: {printer.example.com: 192.0.2.81}\n",
        ),
        fails="bob connects to",
    ),
    lab(
        "resolve-error",
        "the name exists",
        ("            - printer ", "            - nothing A 192.0.2.80\n            - printer "),
        fails="answers for nothing.example.com",
    ),
    program(
        "user-kernel",
        "a program that knows the address",
        (*CONNECTS, 's.connect(("192.0.2.80", PORT))'),
        fails="what the program asks the kernel for, in this order",
    ),
    program(
        "cache-application",
        "a program without a memory",
        ("lookup.py", "functools.cache(addresses)", "addresses"),
        fails="DNS queries --cache",
    ),
    lab("cache-system", "a host without a cache", ("      cache: nscd\n", ""), fails="DNS queries of bob"),
    lab(
        "cache-server",
        "an answer that may not be kept",
        ("- four     A", "- four 0   A"),
        fails="queries for four.example.com that reach the zone's server",
    ),
    # ------------------------------------------------------------------------------------- families
    lab(
        "dual-stack",
        "nothing is broken",
        ("gateway: 198.51.100.1\n", 'gateway: [198.51.100.1, "2001:db8:2::1"]\n'),
        fails="in order, first",
    ),
    program(
        "ipv6",
        "a client that knows IPv4 only",
        ("client.py", "socket.AF_INET,", "socket.AddressFamily(2),"),
        fails="the client's output, AF_INET6",
    ),
    program(
        "v6only",
        "the option has no effect",
        ("whoami_server.py", "IPV6_V6ONLY, wanted.v6only)", "IPV6_V6ONLY, False)"),
        fails="option on, over IPv4",
    ),
)
