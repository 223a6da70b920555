"""Addresses and ports: what the note says under "Every IP address has the full range of ports"."""

from __future__ import annotations

from lab.note.claim import claim
from lab.observe import State
from lab.stage import Stage
from lab.talk import Talk

LEFT, ALIAS, RIGHT = "192.0.2.10", "192.0.2.11", "198.51.100.10"
"""The server's addresses: two on the interface to the left segment, one on that to the right."""
LEFT6, RIGHT6 = "2001:db8:1::10", "2001:db8:2::10"
ANN, BEN = "192.0.2.20", "198.51.100.20"
NARROW = "192.0.2.30"


@claim(
    id="interfaces",
    says="A single physical machine can have multiple network interfaces (e.g., wired Ethernet, Wi-Fi), and each "
    "interface can have its own IP address.",
    lab="ports",
    source="RFC 1122 §3.3.4 (multihoming); ip-address(8)",
)
def interfaces(stage: Stage) -> None:
    """The server's interfaces are listed; then a neighbour on each segment asks at the address on its own side."""
    links = [link for link in stage.instance.look(["addresses"], ["server"])["server"].links if link.name != "lo"]
    stage.table("the server's interfaces")
    for link in links:
        held = sorted((one for one in link.addresses if not one.ip.is_link_local), key=lambda one: (one.version, one))
        stage.row(interface=link.name, addresses=", ".join(map(str, held)))
    stage.expect("interfaces of the server", len(links), 2)
    addresses = [address for link in links for address in link.addresses]
    stage.expect("addresses that two interfaces have", len(addresses) - len(set(addresses)), 0)
    stage.table("asked from each side")
    for who, asked in (("ann", (LEFT, LEFT6)), ("ben", (RIGHT, RIGHT6))):
        for address in asked:
            stage.whoami("server", "tcp", address, 8000, address)
            answer = stage.ask(who, "tcp", address, 8000)
            stage.row(client=who, asked=address, answered_by=answer.server or answer.text)
            stage.expect(f"who answers {who} at {address}", answer.server or answer.text, address)


@claim(
    id="addresses",
    says="Even a single interface can have multiple IP addresses (though this is less common).",
    lab="ports",
    source="ip-address(8)",
)
def addresses(stage: Stage) -> None:
    """One program listens on every address; a neighbour reaches it by both addresses of one interface."""
    links = stage.instance.look(["addresses"], ["server"])["server"].links
    held = {str(address.ip): link.name for link in links for address in link.addresses}
    stage.whoami("server", "tcp", "0.0.0.0", 8000)
    for address in (LEFT, ALIAS):
        answer = stage.ask("ann", "tcp", address, 8000)
        stage.row(address=address, interface=held.get(address, "none"), answer=answer.said)
        stage.expect(f"who answers at {address}", answer.server or answer.text, "server")
    stage.expect("interface of both addresses", held.get(ALIAS, "none"), held.get(LEFT, "none, and that is not equal"))


@claim(
    id="port-range",
    says="A port is a number (from 0 to 65535).",
    lab="ports",
    source="RFC 9293 §3.1 (16 bits); RFC 768; RFC 6335 §6; ip(7), ip_local_port_range",
    care="Port 0 is reserved, and nobody listens on it: to bind it asks the kernel to choose a port of the "
    "ephemeral range (in a UDP header it says that there is no source port). 65536 does not fit into the header's 16 "
    "bits: Python refuses it before the kernel sees it.",
)
def port_range(stage: Stage) -> None:
    """A program that may bind well-known ports binds the lowest, the highest, one more than that, and port 0."""
    results = bound(stage, "ben", *(f"tcp/{BEN}:{port}" for port in (1, 65535, 65536, 0)))
    for endpoint, result in results.items():
        stage.row(asked_for=endpoint, result=result)
    lowest, highest, beyond, zero = results.values()
    stage.expect("the lowest port", lowest, "bound to port 1")
    stage.expect("the highest port", highest, "bound to port 65535")
    stage.expect("one more", beyond.partition(":")[0], "OverflowError")
    stage.expect_in("the port chosen for port 0", number(zero), ephemeral_range(stage, "ben"))


@claim(
    id="endpoint",
    says="A socket is uniquely identified by an IP address, port number, and protocol.",
    lab="ports",
    source="RFC 9293 §4 (Glossary: socket); socket(7), SO_REUSEADDR and SO_REUSEPORT",
    care="It is so for sockets that wait to be asked, unless they agree to share: with SO_REUSEPORT several of one "
    "user do, and the kernel spreads clients over them. SO_REUSEADDR lets a TCP server bind a port whose old "
    "connections are in TIME-WAIT, not one that listens; for UDP it lets two share on Linux, and one of them hears. "
    "And the sockets of accepted connections have all three in common with the listener: what is unique then is the "
    "pair of ends (see accept).",
)
def endpoint(stage: Stage) -> None:
    """A program binds one address, port and protocol twice, with either option of socket(7) and without; then it
    changes one of the three."""
    once = f"tcp/{ANN}:8000"
    shared = {("tcp", "--reuseport"), ("udp", "--reuseport"), ("udp", "--reuseaddr")}
    for protocol in ("tcp", "udp"):
        for option in ("", "--reuseaddr", "--reuseport"):
            same = f"{protocol}/{ANN}:8000"
            first, second = stage.run("ann", "bind.py", *option.split(), same, same).splitlines()
            stage.row(protocol=protocol, option=option or "none", first=result_of(first), second=result_of(second))
            expected = "bound to port 8000" if (protocol, option) in shared else "EADDRINUSE"
            stage.expect(f"the second {protocol} bind, {option or 'no option'}", result_of(second), expected)
    stage.table("one of the three differs")
    for other in (f"tcp/{ANN}:8001", f"udp/{ANN}:8000", "tcp/127.0.0.1:8000"):
        result = bound(stage, "ann", once, other)[other]
        stage.row(first=once, second=other, result=result)
        stage.expect(f"{other} beside {once}", result.partition(" ")[0], "bound")


@claim(
    id="ports-per-address",
    says="If a machine has two network interfaces, each with its own IP address …, then each of those IP addresses "
    "has its own full range of ports. You could have a process listening on 192.168.1.100:80 and another process "
    "listening on 10.0.0.5:80 – these are completely independent.",
    lab="ports",
    source="RFC 9293 §4 (Glossary: socket); bind(2)",
)
def ports_per_address(stage: Stage) -> None:
    """Two programs listen on port 8000 of one host, each at the address of another interface."""
    two_servers(stage, {"left": (LEFT, "ann"), "right": (RIGHT, "ben")})


@claim(
    id="ports-per-alias",
    says="If a single network interface has two IP addresses …, each of those IPs gets its own 0-65535 port range.",
    lab="ports",
    source="RFC 9293 §4 (Glossary: socket); bind(2)",
)
def ports_per_alias(stage: Stage) -> None:
    """Two programs listen on port 8000, each at another address of one interface."""
    two_servers(stage, {"first": (LEFT, "ann"), "second": (ALIAS, "ann")})


@claim(
    id="wildcard",
    says="(It's the IP address that has the ports: a server bound to 0.0.0.0 takes the port on every address.)",
    lab="ports",
    source="ip(7), INADDR_ANY; bind(2), EADDRINUSE",
)
def wildcard(stage: Stage) -> None:
    """A program listens on 0.0.0.0; it is asked at each of the host's addresses, and another wants one of them."""
    stage.whoami("server", "tcp", "0.0.0.0", 8000, "everywhere")
    for who, address in (("ann", LEFT), ("ann", ALIAS), ("ben", RIGHT), ("server", "127.0.0.1")):
        answer = stage.ask(who, "tcp", address, 8000)
        stage.row(client=who, asked=f"{address}:8000", answered_by=answer.server or answer.text)
        stage.expect(f"who answers at {address}", answer.server or answer.text, "everywhere")
    later = bound(stage, "server", f"tcp/{ALIAS}:8000", f"tcp/{ALIAS}:8001")
    stage.table("binding one address later")
    for asked, result in later.items():
        stage.row(asked_for=asked, result=result)
    stage.expect("the port that is taken everywhere", later[f"tcp/{ALIAS}:8000"], "EADDRINUSE")
    stage.expect("another port", later[f"tcp/{ALIAS}:8001"], "bound to port 8001")


@claim(
    id="many-ports",
    says="You could have one process listening on 192.168.1.100:80, another on 192.168.1.100:8080, and so on.",
    lab="ports",
    source="RFC 9293 §4 (Glossary: socket)",
)
def many_ports(stage: Stage) -> None:
    """Two programs listen on ports 80 and 8080 of one address; a neighbour asks both."""
    stage.whoami("ben", "tcp", BEN, 80, "eighty")
    stage.whoami("ben", "tcp", BEN, 8080, "eighty-eighty")
    pids = {}
    for port, name in ((80, "eighty"), (8080, "eighty-eighty")):
        answer = stage.ask("server", "tcp", BEN, port)
        pids[port] = holder(stage, "ben", port)
        stage.row(asked=f"{BEN}:{port}", process=pids[port], answered_by=answer.server or answer.text)
        stage.expect(f"who answers on port {port}", answer.server or answer.text, name)
    stage.expect("processes", len(set(pids.values())), 2)


@claim(
    id="other-machines",
    says="[The full range of ports of each address allows] multiple machines on a network to use the same port "
    "numbers without conflict (because they have different IP addresses).",
    lab="ports",
    source="RFC 9293 §4 (Glossary: socket)",
)
def other_machines(stage: Stage) -> None:
    """Two hosts of one segment listen on port 8000; a third asks both."""
    for host, address in (("server", LEFT), ("ann", ANN)):
        stage.whoami(host, "tcp", address, 8000)
        answer = stage.ask("narrow", "tcp", address, 8000)
        stage.row(asked=f"{address}:8000", answered_by=answer.server or answer.text)
        stage.expect(f"who answers at {address}", answer.server or answer.text, host)


@claim(
    id="well-known",
    says="On most operating systems, you need administrative privileges to bind a process to a well-known port.",
    lab="ports",
    source="RFC 6335 §6; capabilities(7), CAP_NET_BIND_SERVICE; ip(7), ip_unprivileged_port_start",
    care="On Linux it is one capability, not being root; and a kernel setting moves the border, which is 1024 by "
    "itself. Docker sets it to 0 in its containers, so in a stock container any program may bind port 80; in a lab's "
    "hosts it is 1024, unless the lab says otherwise.",
)
def well_known(stage: Stage) -> None:
    """A program that is nobody special binds ports 80, 1023 and 1024, on a host that gives its programs nothing, on
    one that gives CAP_NET_BIND_SERVICE, and on one where ip_unprivileged_port_start is 80."""
    hosts = {"ann": (ANN, "nothing"), "ben": (BEN, "CAP_NET_BIND_SERVICE"), "narrow": (NARROW, "the setting")}
    allowed = {"ann": ["EACCES", "EACCES", "bound"], "ben": ["bound"] * 3, "narrow": ["bound"] * 3}
    for host, (address, given) in hosts.items():
        first = stage.sysctl(host, "net.ipv4.ip_unprivileged_port_start")
        results = list(bound(stage, host, *(f"tcp/{address}:{port}" for port in (80, 1023, 1024))).values())
        stage.row(
            host=host,
            given=given,
            first_unprivileged=first,
            port_80=results[0],
            port_1023=results[1],
            port_1024=results[2],
        )
        stage.expect(f"80, 1023, 1024 on {host}", [result.partition(" ")[0] for result in results], allowed[host])


@claim(
    id="ephemeral",
    says="When a client application initiates a connection to a server, … the operating system typically chooses a "
    'port from a range called "ephemeral ports" or "dynamic ports." This range is usually from 49152 to 65535 '
    "(though it can vary by OS).",
    lab="ports",
    source="RFC 6335 §6; RFC 6056; ip(7), ip_local_port_range",
    care="49152-65535 is what IANA sets aside. Linux takes 32768-60999 unless it is told otherwise, and the kernel "
    "is the one to ask. (That all are even or all odd is Linux too: connect() tries every second port first.)",
)
def ephemeral(stage: Stage) -> None:
    """Twenty connections are made from one host and three from another; their source ports are compared with the range
    that each kernel names."""
    stage.whoami("server", "tcp", "0.0.0.0", 8000)
    for host, count in (("ann", 20), ("narrow", 3)):
        chosen = own_ports(stage.talk(host, "many_clients.py", LEFT, 8000, count), count, stage)
        named = ephemeral_range(stage, host)
        stage.row(
            host=host,
            range_of_its_kernel=f"{named.start}-{named.stop - 1}",
            source_ports=" ".join(map(str, sorted(chosen))),
        )
        stage.expect(f"connections of {host}", len(set(chosen)), count)
        stage.expect(f"source ports of {host} outside its range", [port for port in chosen if port not in named], [])
    named = ephemeral_range(stage, "ann")
    stage.expect("Linux' own range", f"{named.start}-{named.stop - 1}", "32768-60999")


@claim(
    id="ephemeral-exhaustion",
    says="(Ephemeral ports are a range, and a range has an end.)",
    lab="ports",
    source="connect(2), EADDRNOTAVAIL; ip(7), ip_local_port_range; RFC 9293 §3.4.1 (a connection is two sockets)",
    care="The range is used up for one destination at a time: a port that leads to one endpoint can lead to another "
    "too, because a connection is known by both of its ends.",
)
def ephemeral_exhaustion(stage: Stage) -> None:
    """A host with a range of four ports makes five connections to one endpoint, then one to another."""
    stage.whoami("server", "tcp", "0.0.0.0", 8000)
    stage.whoami("server", "tcp", "0.0.0.0", 8001)
    size = len(ephemeral_range(stage, "narrow"))
    clients = stage.talk("narrow", "many_clients.py", LEFT, 8000, size + 1, LEFT, 8001, 1)
    lines = [stage.hear(clients) for _ in range(size + 2)]
    for line in sorted(lines, key=lambda line: ("8001" in line, "from" not in line)):
        to, _, what = line.partition(": ")
        stage.row(to=to.replace(" ", ":"), result=what.partition(" |")[0])
    stage.expect(f"the connection number {size + 1}", lines[0], f"{LEFT} 8000: EADDRNOTAVAIL")
    held = [one for one in stage.sockets("narrow") if one.state is State.ESTAB]
    stage.expect("connections to port 8000", sum(one.remote.port == 8000 for one in held), size)
    stage.expect("connections to port 8001", sum(one.remote.port == 8001 for one in held), 1)
    stage.expect("ports that they use", len({one.local.port for one in held}), size)


@claim(
    id="protocols",
    says="A socket is defined by the following key elements: … IP Address … Port Number … Protocol: The "
    "communication protocol being used (e.g., TCP, UDP).",
    lab="ports",
    source="RFC 768; RFC 9293 §4 (Glossary: socket); RFC 6335 §6",
)
def protocols(stage: Stage) -> None:
    """A TCP server and a UDP server have the same port of the same address; a neighbour asks both."""
    for protocol in ("tcp", "udp"):
        stage.whoami("server", protocol, LEFT, 5353, f"{protocol}-server")
    for protocol in ("tcp", "udp"):
        answer = stage.ask("ann", protocol, LEFT, 5353)
        stage.row(protocol=protocol, asked=f"{LEFT}:5353", answered_by=answer.server or answer.text)
        stage.expect(f"who answers by {protocol}", answer.server or answer.text, f"{protocol}-server")
    both = [one for one in stage.on_port("server", 5353) if one.listens]
    stage.expect("listening sockets on port 5353", sorted(one.kind.value for one in both), ["tcp", "udp"])


# ------------------------------------------------------------------------------------------- used by several


def bound(stage: Stage, host: str, *endpoints: str) -> dict[str, str]:
    """What came of binding each of several endpoints, all held at once."""
    lines = stage.run(host, "bind.py", *endpoints).splitlines()
    results = {line.partition(" ")[0]: result_of(line) for line in lines}
    return {endpoint: results.get(endpoint, "nothing printed") for endpoint in endpoints}


def result_of(line: str) -> str:
    """What stands after the endpoint in a line of bind.py."""
    return line.partition(" ")[2]


def number(text: str) -> int:
    """The number at the end of a text, -1 without one."""
    last = text.rpartition(" ")[2]
    return int(last) if last.isdigit() else -1


def ephemeral_range(stage: Stage, host: str) -> range:
    """The ports that a host's kernel chooses from."""
    low, high = stage.sysctl(host, "net.ipv4.ip_local_port_range").split()
    return range(int(low), int(high) + 1)


def own_ports(clients: Talk, count: int, stage: Stage) -> list[int]:
    """The source ports that many_clients.py printed, a line each."""
    return [number(stage.hear(clients).partition(" |")[0]) for _ in range(count)]


def holder(stage: Stage, host: str, port: int) -> int:
    """The process that listens on a port; 0 for none."""
    return next((p.pid for one in stage.on_port(host, port) if one.listens for p in one.processes), 0)


def two_servers(stage: Stage, servers: dict[str, tuple[str, str]]) -> None:
    """Two programs of the host `server` on port 8000: name -> (address, who asks there)."""
    for name, (address, _) in servers.items():
        stage.whoami("server", "tcp", address, 8000, name)
    for name, (address, who) in servers.items():
        answer = stage.ask(who, "tcp", address, 8000)
        stage.row(client=who, asked=f"{address}:8000", answered_by=answer.server or answer.text)
        stage.expect(f"who answers at {address}", answer.server or answer.text, name)
    pids = {p.pid for one in stage.on_port("server", 8000) if one.listens for p in one.processes}
    stage.expect("processes that listen on port 8000", len(pids), 2)
