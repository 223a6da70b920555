"""IPv6 beside IPv4: what the note says under "IPv6 Considerations"."""

from __future__ import annotations

from lab.note.claim import claim
from lab.note.ports import LEFT, LEFT6, bound
from lab.note.sockets import asking
from lab.note.stage import Stage


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
        where = f"[{address}]" if ":" in address else address
        server = stage.serve("server", "note_server.py", at=f"tcp/{where}:65432")
        last = (stage.run("ann", "note_client.py").splitlines() or ["nothing"])[-1]
        printed = stage.instance.output("server", server).text.decode().strip()
        stage.row(family=family, server_at=f"{where}:65432", client_printed=last, server_printed=printed)
        stage.expect(f"the client's output, {family}", last, "Received b'Hello, server'")


@claim(
    id="v6only",
    says="(The connect() function will work with either IPv4 or IPv6 addresses: one IPv6 socket can serve both.)",
    lab="ports",
    source="RFC 3493 §3.7, §5.3; RFC 4291 §2.5.5.2; ipv6(7), IPV6_V6ONLY",
    care="Only one bound to [::] with IPV6_V6ONLY off, and it takes the port of both families. It then knows an "
    "IPv4 client by a mapped address, ::ffff:192.0.2.20. The default is the kernel's (net.ipv6.bindv6only), so a "
    "program sets the option.",
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
        stage.row(v6only=option, asked_by_IPv4=by4.said, asked_by_IPv6=by6.said, binding_0_0_0_0=taken)
        stage.expect(f"option {option}, over IPv4", by4.server or by4.text, refused[option])
        stage.expect(f"option {option}, over IPv6", by6.server or by6.text, "server")
        stage.expect(f"option {option}, the port of 0.0.0.0", taken, second[option])
        if option == "off":
            stage.expect("the IPv4 client's address", by4.seen.rpartition(":")[0], "[::ffff:192.0.2.20]")
