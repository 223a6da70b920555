"""IPv6 beside IPv4: what the note says under "IPv6 Considerations"."""

from __future__ import annotations

import re

from lab.note.claim import claim
from lab.note.ports import LEFT, LEFT6, bound
from lab.note.sockets import asking
from lab.stage import Stage
from lab.text import joined

SERVER4, SERVER6 = "198.51.100.80", "2001:db8:2::80"
BROKEN4, BROKEN6 = "198.51.100.90", "2001:db8:2::90"


@claim(
    id="ipv6",
    says="With IPv6, the process is analogous. The connect() function will work with either IPv4 or IPv6 addresses.",
    lab="ports",
    source="RFC 8200; RFC 3493 §3; ipv6(7)",
)
def ipv6(stage: Stage) -> None:
    """The note's server and client run on two hosts, once with IPv4 addresses and once with IPv6 addresses and
    AF_INET6 in place of AF_INET; nothing else in them is changed."""
    for family, address in (("AF_INET", LEFT), ("AF_INET6", LEFT6)):
        for host, file in (("server", "server.py"), ("ann", "client.py")):
            stage.put(host, f"note_{file}", asking(stage, address, file).replace("AF_INET", family))
        server = stage.serve("server", "note_server.py", at=f"tcp/{joined(address, 65432)}")
        last = (stage.run("ann", "note_client.py").splitlines() or ["nothing"])[-1]
        printed = stage.instance.output("server", server).text.decode().strip()
        stage.row(family=family, server_at=joined(address, 65432), client_printed=last, server_printed=printed)
        stage.expect(f"the client's output, {family}", last, "Received b'Hello, server'")


@claim(
    id="dual-stack",
    says="If a hostname resolves to both IPv4 and IPv6 addresses, the operating system's networking stack (and "
    "sometimes the application) has preferences for which one to use.",
    lab="dual-stack",
    source="RFC 6724 (order); gai.conf(5); RFC 8305 (Happy Eyeballs)",
    care="The order is getaddrinfo()'s, in the C library, not the kernel's: IPv6 first where the host has an IPv6 "
    "address and a route; nobody asks whether the other end answers. What to do when it does not is the program's "
    "business: one that tries in order waits, one that does as RFC 8305 says hardly does.",
)
def dual_stack(stage: Stage) -> None:
    """A name with both addresses is looked up on a host with both families and on one with each alone, then with
    another gai.conf; then a name whose IPv6 address never answers is connected to in two ways."""
    order = {"alice": [SERVER6, SERVER4], "four": [SERVER4, SERVER6], "six": [SERVER6, SERVER4]}
    stage.table("server.example")
    for host, expected in order.items():
        _looked_up(stage, host, "", expected)
    stage.put_home("alice", "gai.conf", "precedence ::ffff:0:0/96 100\n")
    _looked_up(stage, "alice", ", gai.conf prefers IPv4", order["alice"][::-1])
    stage.put_home("alice", "gai.conf", "")
    stage.table("broken.example, whose IPv6 is broken")
    lines = {}
    for file in ("connect_in_order.py", "happy_eyeballs.py"):
        lines[file] = stage.run("alice", file, "broken.example", 65432).splitlines()
        stage.row(program=file, what_happened="; ".join(lines[file]))
    slow, fast = lines["connect_in_order.py"], lines["happy_eyeballs.py"]
    stage.expect("in order, first", slow[0], f"tried {BROKEN6} | no answer")
    stage.expect("in order, at last", slow[-1].partition(" |")[0], f"connected to {BROKEN4}")
    stage.expect("happy eyeballs", [line.partition(" |")[0] for line in fast], [f"connected to {BROKEN4}"])
    waited = [float(found[1]) if (found := re.search(r"after ([0-9.]+) s", line[-1])) else -1 for line in (slow, fast)]
    stage.expect_that(
        "seconds", 0.2 < waited[1] < waited[0], observed=waited, expected="the second far below the first"
    )


def _looked_up(stage: Stage, host: str, also: str, expected: list[str]) -> None:
    found = stage.run(host, "lookup.py", "server.example").split()
    used = stage.run(host, "connect_in_order.py", "server.example", 65432).partition(" |")[0]
    stage.row(host=host + also, getaddrinfo_gives=", ".join(found), used=used)
    stage.expect(f"the order on {host}{also}", found, expected)
    stage.expect(f"used on {host}{also}", used, f"connected to {expected[0]}")


@claim(
    id="v6only",
    says="(The connect() function will work with either IPv4 or IPv6 addresses: one IPv6 socket can serve both.)",
    lab="ports",
    source="RFC 3493 §3.7, §5.3; RFC 4291 §2.5.5.2; ipv6(7), IPV6_V6ONLY",
    care="Only a socket bound to [::] with IPV6_V6ONLY off serves both, and it takes the port of both. It then "
    "knows an IPv4 client by a mapped address, ::ffff:192.0.2.20. The default is the kernel's (net.ipv6.bindv6only), "
    "so a program sets the option.",
)
def v6only(stage: Stage) -> None:
    """A server listens on [::] with the option off and on; it is asked over both families, and another program wants
    the same port of 0.0.0.0."""
    ports = {"off": 8000, "on": 8001}
    refused = {"off": "server", "on": "ECONNREFUSED"}
    second = {"off": "EADDRINUSE", "on": "bound to port 8001"}
    for option, port in ports.items():
        stage.whoami("server", "tcp", "::", port, "server", *(["--v6only"] if option == "on" else []))
        by4, by6 = (stage.ask("ann", "tcp", address, port) for address in (LEFT, LEFT6))
        taken = bound(stage, "server", f"tcp/0.0.0.0:{port}")[f"tcp/0.0.0.0:{port}"]
        stage.row(v6only=option, asked_by_IPv4=by4.said, asked_by_IPv6=by6.said, binding_the_IPv4_port=taken)
        stage.expect(f"option {option}, over IPv4", by4.server or by4.text, refused[option])
        stage.expect(f"option {option}, over IPv6", by6.server or by6.text, "server")
        stage.expect(f"option {option}, the port of 0.0.0.0", taken, second[option])
        if option == "off":
            stage.expect("the IPv4 client's address", by4.seen.rpartition(":")[0], "[::ffff:192.0.2.20]")
