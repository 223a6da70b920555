"""Network address translation: what the note says under "Statefulness" and "NAT"."""

from __future__ import annotations

import time

from lab.note.claim import claim
from lab.stage import Answer, Stage, text_of

SERVER = "203.0.113.80"
HOMES = {
    "preserve": ("ann", "192.168.1.10", "192.168.1.11"),
    "random": ("ben", "192.168.2.10", "192.168.2.11"),
    "pool": ("cleo", "192.168.3.10", "192.168.3.11"),
}
"""Gateway -> the host behind it, and that host's two addresses."""
POOL = range(40000, 41000)
PORT = 5555


@claim(
    id="nat-source",
    says="The router changes the source IP address and port of the outgoing packets to its own public IP address "
    "and a different port number. … The external view of the connection (the server's perspective) sees a socket "
    "with the router's public IP and a translated port, while the internal view (the client's perspective) sees its "
    "own private IP and the original port.",
    lab="nat-policies",
    source="RFC 3022 §2.2; RFC 4787 §4.2.1 (port assignment); nft(8), snat",
    care="The address always changes, the port only if it must: if another connection has it already, or if the "
    "gateway is told to choose at random or from a pool. Linux keeps a port that is free.",
)
def nat_source(stage: Stage) -> None:
    """A host behind each of three gateways connects from ports 5555 and 5556, and then from port 5555 of its other
    address, which the gateway finds taken. The three views of each connection stand in one row."""
    stage.whoami("server", "tcp", SERVER, 8000)
    seen: dict[str, list[int]] = {}
    for gateway, (host, first, second) in HOMES.items():
        for address, port in ((first, PORT), (first, PORT + 1), (second, PORT)):
            answer = _three_views(stage, gateway, host, address, port)
            seen.setdefault(gateway, []).append(_port(answer.seen))
    *kept, taken = seen["preserve"]
    stage.expect("preserve, with the port free", kept, [PORT, PORT + 1])
    stage.expect_that("preserve, with the port taken", taken != PORT, observed=taken, expected="another port")
    # Both by chance: once in four thousand million runs.
    stage.expect_that(
        "random, with the port free",
        seen["random"][:2] != kept,
        observed=seen["random"][:2],
        expected="not both ports kept",
    )
    for port in seen["pool"]:
        stage.expect_in("pool", port, POOL)


def _three_views(stage: Stage, gateway: str, host: str, address: str, port: int) -> Answer:
    """A held connection as client, gateway and server know it: a row, and whether they agree."""
    _, answer = stage.hold(host, "tcp", SERVER, 8000, port, address)
    entry = stage.translation(gateway, "tcp", answer.own)
    inside = text_of(entry.source) if entry else "no entry"
    outside = text_of(entry.source_translated) if entry else "no entry"
    stage.row(
        gateway=gateway,
        client_sees=answer.own or answer.text,
        gateway_inside=inside,
        gateway_outside=outside,
        server_sees=answer.seen,
    )
    stage.expect(f"{gateway}: the client's own view", answer.own, f"{address}:{port}")
    stage.expect(f"{gateway}: the gateway's inside", inside, answer.own)
    stage.expect(f"{gateway}: the server's view is the gateway's outside", answer.seen, outside)
    public = stage.instance.lab.host(gateway).interface_on("internet").addresses[0].ip
    stage.expect(f"{gateway}: the address that the server sees", answer.seen.rpartition(":")[0], str(public))
    return answer


def _port(end: str) -> int:
    port = end.rpartition(":")[2]
    return int(port) if port.isdigit() else -1


@claim(
    id="nat-reply",
    says="It keeps track of these mappings so that when the server responds, the router can forward the traffic "
    "back to the correct client.",
    lab="nat",
    source="RFC 3022 §2.2; conntrack(8)",
)
def nat_reply(stage: Stage) -> None:
    """Two clients behind one public address connect from the same source port and stay; the server answers each with
    what it sees, and each gets its own answer, again and again."""
    stage.whoami("server", "tcp", SERVER, 8000)
    held = {host: stage.hold(host, "tcp", SERVER, 8000, PORT) for host in ("alice", "bob")}
    for _ in range(2):
        for host, (client, first) in reversed(held.items()):
            client.tell()
            again = stage.hear(client)
            stage.expect(f"what {host} hears again", again, first.text)
    for host, (_, answer) in held.items():
        entry = stage.translation("router", "tcp", answer.own)
        outside = text_of(entry.source_translated) if entry else "no entry"
        stage.row(client=host, own_view=answer.own, gateway_outside=outside, the_answer_said=answer.seen)
        stage.expect(f"the answer that {host} got is about its own mapping", answer.seen, outside)
    ports = {answer.own.rpartition(":")[2] for _, answer in held.values()}
    stage.expect("source ports of the clients", ports, {str(PORT)})
    stage.expect("mappings", len({answer.seen for _, answer in held.values()}), 2)


@claim(
    id="nat-inbound",
    says="(When the server responds, the router can forward the traffic back: nothing from outside begins a "
    "connection to a private client.)",
    lab="nat-inbound",
    source="RFC 4787 §5 (filtering); RFC 5382; nft(8), dnat",
    care="A stranger gets in once the gateway is told to forward a port; bob, who uses the same port from inside (a "
    "hairpin), is translated too, so alice sees the gateway. And it is the gateway's filter that keeps others out: "
    "translation alone would not stop a neighbour on the outside segment who routes to the private addresses.",
)
def nat_inbound(stage: Stage) -> None:
    """A stranger outside asks for a service on a private host: at the private address, at the gateway's address with
    the service's own port, and with the port that the gateway forwards. A neighbour inside asks directly."""
    stage.instance.stop("alice", "echo")
    stage.whoami("alice", "tcp", "192.168.1.100", 8000)
    tries = {
        ("bob", "192.168.1.100", 8000): "alice",
        ("stranger", "192.168.1.100", 8000): "ENETUNREACH",
        ("stranger", "203.0.113.1", 8000): "ECONNREFUSED",
        ("stranger", "203.0.113.1", 8080): "alice",
        ("bob", "203.0.113.1", 8080): "alice",
    }
    for (who, address, port), expected in tries.items():
        answer = stage.ask(who, "tcp", address, port)
        stage.row(who=who, asks=f"{address}:{port}", result=answer.server or answer.text, alice_sees=answer.seen)
        stage.expect(f"{who} at {address}:{port}", answer.server or answer.text, expected)
    with stage.route("stranger", "192.168.1.0/24", "via", "203.0.113.1"), stage.capture("router", "alice") as capture:
        routed = stage.ask("stranger", "tcp", "192.168.1.100", 8000, wait=0.5)
    syns = [one for one in capture.packets if one.words == "SYN" and str(one.source) == "203.0.113.99"]
    stage.row(
        who="stranger, with a route", asks="192.168.1.100:8000", result=routed.server or routed.text, alice_sees=""
    )
    stage.expect("a stranger who routes to the private address", routed.server or routed.text, "no answer")
    reached = {point: sum(one.point == point for one in syns) for point in ("router", "alice")}
    stage.expect_that(
        "the stranger's SYNs at the router", reached["router"] > 0, observed=reached["router"], expected="some"
    )
    stage.expect("the stranger's SYNs at alice", reached["alice"], 0)


@claim(
    id="nat-lifetime",
    says="It keeps track of these mappings.",
    lab="nat-policies",
    source="RFC 4787 §4.3 (UDP: not less than two minutes); kernel: nf_conntrack-sysctl, nf_conntrack_udp_timeout",
    care="For a while: a mapping that nobody uses is forgotten, and the next datagram may get another port. This "
    "gateway forgets after 2 seconds, so that one need not wait; Linux by itself after 30, or after 120 once "
    "datagrams have gone both ways for more than two.",
)
def nat_lifetime(stage: Stage) -> None:
    """A client behind a gateway with random ports sends a datagram, another at once, and a third after the mapping has
    had time to be forgotten; the server tells from which port each came."""
    stage.whoami("server", "udp", SERVER, 9000)
    client, first = stage.hold("ben", "udp", SERVER, 9000, PORT)
    began = time.monotonic()
    client.tell()
    at_once = stage.hear(client)
    entry = stage.translation("random", "udp", first.own)
    left = entry.seconds_left if entry else -1
    stage.row(datagram="first", server_sees=first.seen, mapping=f"{left} s left")
    stage.row(
        datagram="at once after it", server_sees=at_once.rpartition("sees ")[2].replace(" ", ":"), mapping="the same"
    )
    stage.expect("the second datagram comes from", at_once, first.text)
    stage.until("the mapping forgotten", lambda: stage.translation("random", "udp", first.own), lambda one: one is None)
    idle = time.monotonic() - began
    client.tell()
    later = stage.hear(client).rpartition("sees ")[2].replace(" ", ":")
    stage.row(datagram=f"after {idle:.0f} s", server_sees=later, mapping="a new one")
    # By chance it is the same one once in 64,512 runs.
    stage.expect_that(
        "the third comes from", later != first.seen, observed=later, expected=f"another than {first.seen}"
    )
    named = stage.sysctl("random", "net.netfilter.nf_conntrack_udp_timeout")
    stage.expect_that(
        "seconds until it was forgotten", int(named) - 1 <= idle, observed=f"{idle:.1f}", expected=f"about {named}"
    )
