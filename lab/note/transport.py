"""TCP and UDP: what the note says under "Connection-Oriented (TCP) vs. Connectionless (UDP)" and "Statefulness"."""

from __future__ import annotations

from ipaddress import ip_address

from lab.note.claim import claim
from lab.note.ports import LEFT
from lab.observe import State
from lab.observe.packets import Connection, Packet, PacketKind, connections
from lab.stage import Stage
from lab.talk import Talk
from lab.text import joined

LOSSY_SERVER = {"IPv4": "192.0.2.80", "IPv6": "2001:db8:1::80"}
MEBIBYTE = 1 << 20
DATAGRAMS = 200
"""They fit into the receiver's buffer, however late it reads: the wire is to lose them, not the receiver."""


@claim(
    id="tcp-reliable",
    says="TCP: Provides a reliable, ordered, connection-oriented stream of data.",
    lab="lossy",
    source="RFC 9293 §3.8 (retransmission); RFC 6298",
    care="Reliable means: what arrives is whole and in order, or the connection breaks and the program is told. It "
    "does not mean that it arrives in time, nor that the other program has read it.",
)
def tcp_reliable(stage: Stage) -> None:
    """A mebibyte is sent over a wire that loses one packet in ten, over IPv4 and over IPv6; what left the sender and
    what reached the receiver is recorded at both. Both programs tell how many bytes it was, and their SHA-256."""
    for family, address in LOSSY_SERVER.items():
        _transfer(stage, family, address)


def _transfer(stage: Stage, family: str, address: str) -> None:
    receiver = stage.serve("server", "transfer.py", "receive", address, 8000, at=f"tcp/{joined(address, 8000)}")
    with stage.capture("alice", "server") as capture:
        sent = stage.run("alice", "transfer.py", "send", address, 8000, MEBIBYTE, seconds=60)
        received = stage.until("what was received", lambda: stage.output("server", receiver), bool)
    left = [one for one in _tcp(capture.packets, "alice") if one.outgoing and one.payload]
    came = [one for one in _tcp(capture.packets, "server") if not one.outgoing and one.payload]
    again = [one for seen in connections(left) for one in seen.retransmissions]
    stage.row(
        family=family,
        bytes_received=received.partition(" ")[0],
        SHA_256="the same" if received == sent else "another",
        segments_sent=len(left),
        lost=len(left) - len(came),
        sent_again=len(again),
    )
    stage.expect(f"received over {family}", received, sent)
    stage.expect(f"bytes sent over {family}", sent.partition(" ")[0], str(MEBIBYTE))
    stage.expect_that(
        f"segments lost, {family}", len(left) > len(came), observed=len(left) - len(came), expected="some"
    )
    stage.expect_that(f"segments sent again, {family}", bool(again), observed=len(again), expected="some")


def _tcp(packets: tuple[Packet, ...], host: str) -> list[Packet]:
    return [one for one in packets if one.kind is PacketKind.TCP and one.point == host]


@claim(
    id="udp-unreliable",
    says="UDP: Provides an unreliable, connectionless datagram service. … You just send the data; there's no "
    "guarantee it will arrive, or in what order.",
    lab="lossy",
    source="RFC 768; RFC 1122 §4.1.1",
    care="A lost datagram is seen here; one that overtakes another is not: on this wire nothing is reordered.",
)
def udp_unreliable(stage: Stage) -> None:
    """Numbered datagrams are sent over a wire that loses one packet in ten, over IPv4 and over IPv6; the receiver
    prints each number that came."""
    for family, address in LOSSY_SERVER.items():
        _datagrams(stage, family, address)


def _datagrams(stage: Stage, family: str, address: str) -> None:
    receiver = stage.serve("server", "udp_numbers.py", "receive", address, 9000, at=f"udp/{joined(address, 9000)}")
    with stage.capture("alice", "server") as capture:
        stage.run("alice", "udp_numbers.py", "send", address, 9000, DATAGRAMS)
    udp = [one for one in capture.packets if one.kind is PacketKind.UDP and one.destination_port == 9000]
    left, came = (sum(one.point == host for one in udp) for host in ("alice", "server"))
    stage.until("all of them printed", lambda: stage.output("server", receiver).split(), lambda seen: len(seen) >= came)
    numbers = [int(one) for one in stage.output("server", receiver).split()]
    missing = sorted(set(range(DATAGRAMS)) - set(numbers))
    stage.row(
        family=family,
        sent=left,
        arrived=len(numbers),
        lost=len(missing),
        the_first_lost=" ".join(map(str, missing[:8])),
    )
    stage.expect(f"datagrams that left, {family}", left, DATAGRAMS)
    stage.expect(f"datagrams that the program got, of those that arrived, {family}", len(numbers), came)
    stage.expect_that(f"lost, {family}", 0 < len(missing) < DATAGRAMS, observed=len(missing), expected="some, not all")
    stage.expect(f"numbers that came twice, {family}", len(numbers) - len(set(numbers)), 0)


@claim(
    id="tcp-stateful",
    says="TCP sockets maintain state about the connection (sequence numbers, acknowledgments, etc.).",
    lab="ports",
    source="RFC 9293 §3.3.2 (states), §3.4 (sequence numbers), §3.5 (handshake), §3.10.7.1 (RST)",
)
def tcp_stateful(stage: Stage) -> None:
    """A handshake is recorded; the client's socket is looked at before, during and after a connection; then the server
    loses its memory of a connection, as in a crash, and the client goes on sending."""
    server = stage.whoami("server", "tcp", LEFT, 8000)
    with stage.capture("ann") as capture:
        client, answer = stage.hold("ann", "tcp", LEFT, 8000)
    _handshake(stage, connections(capture.packets))
    stage.table("states of the client's socket")
    stage.talk("ann", "whoami_client.py", "tcp", "192.0.2.99", 8000)  # nobody has that address
    _state(stage, "nobody answers its SYN", State.SYN_SENT)
    _state(stage, "connected", State.ESTAB)
    client.close()
    _state(stage, "it closed the connection first", State.TIME_WAIT)
    stage.table("after the server's crash")
    client, answer = stage.hold("ann", "tcp", LEFT, 8000)
    with stage.route("server", "blackhole", "192.0.2.20/32"):  # so that the client hears nothing of its end
        stage.instance.stop("server", server)
        stage.forget_sockets("server", 8000)
    stage.whoami("server", "tcp", LEFT, 8000)
    with stage.capture("ann") as capture:
        client.tell()
        heard = stage.hear(client)
    for one in (one for one in capture.packets if one.kind is PacketKind.TCP):
        stage.row(who="ann" if one.outgoing else "server", flags=one.words, bytes=len(one.payload))
    stage.expect("what the client hears", heard, "ECONNRESET")
    reset = [one for one in capture.packets if "RST" in one.flags and one.source == ip_address(LEFT)]
    stage.expect("RST segments of the server", len(reset), 1)
    stage.expect("the connection before", answer.server, "server")


def _handshake(stage: Stage, seen: tuple[Connection, ...]) -> None:
    shake = seen[0].handshake if seen else None
    stage.table("the handshake")
    for one in shake or ():
        who = "ann" if one.outgoing else "server"
        number = one.acknowledgement if "ACK" in one.flags else ""
        stage.row(who=who, flags=one.words, sequence=one.sequence, acknowledgement=number)
    stage.expect("segments of the handshake", [one.words for one in shake or ()], ["SYN", "SYN ACK", "ACK"])
    if shake:
        syn, answer, last = shake
        stage.expect("the server acknowledges", answer.acknowledgement, (syn.sequence + 1) % (1 << 32))
        stage.expect("the client acknowledges", last.acknowledgement, (answer.sequence + 1) % (1 << 32))


def _state(stage: Stage, when: str, state: State) -> None:
    found = stage.until(
        f"a socket of ann in {state}",
        lambda: [one for one in stage.sockets("ann") if one.state is state and one.remote.port == 8000],
        bool,
    )
    stage.row(when=when, state=state, local=found[0].local, remote=found[0].remote)
    stage.expect(when, found[0].state, state)


@claim(
    id="udp-boundaries",
    says="TCP: Provides a … stream of data. … UDP: Provides [a] datagram service. Think of it like sending postcards.",
    lab="ports",
    source="RFC 9293 §2.2 (stream); RFC 768; recv(2), tcp(7), udp(7)",
    care="TCP may hand over what was sent in any pieces: here both messages had arrived before the first recv(), "
    "and it gave them as one. A program that wants messages marks them itself, by their length or an end.",
)
def udp_boundaries(stage: Stage) -> None:
    """A program sends "first" and then "second" to a receiver that waits a moment before it reads; by TCP and by
    UDP."""
    received = {protocol: _received(stage, protocol) for protocol in ("tcp", "udp")}
    for protocol, pieces in received.items():
        stage.row(protocol=protocol, sends="first, second", each_recv_gives=", ".join(pieces))
    stage.expect("what each recv() gave by TCP", received["tcp"], ["firstsecond"])
    stage.expect("what each recv() gave by UDP", received["udp"], ["first", "second"])


def _received(stage: Stage, protocol: str) -> list[str]:
    receiver = stage.talk("server", "boundaries.py", "receive", protocol, LEFT, 8000)
    stage.hear(receiver)
    stage.run("ann", "boundaries.py", "send", protocol, LEFT, 8000)
    if protocol == "tcp":  # the sender's FIN comes after everything that it sent
        stage.until("the end of what was sent", lambda: stage.on_port("server", 8000, State.CLOSE_WAIT), bool)
    receiver.tell()
    stage.until("the receiver's end", lambda: receiver.ended, lambda ended: ended is not None)
    return [line.removeprefix("recv ") for line in receiver.text.splitlines()[1:]]


@claim(
    id="udp-stateless",
    says="UDP sockets are stateless.",
    lab="ports",
    source="RFC 768; RFC 1122 §4.1.3.3; udp(7)",
    care="The kernel keeps no connection, but a socket has memory: one that was given a peer with connect() hears "
    "of ICMP errors, so it notices that nobody listens. One without a peer hears nothing.",
)
def udp_stateless(stage: Stage) -> None:
    """A client sends from one socket, once before and once after the server was ended and started anew; then the
    server is ended for good, and a socket without a peer and one with a peer send once more."""
    server = stage.whoami("server", "udp", LEFT, 9000, "old")
    plain = stage.talk("ann", "udp_state.py", LEFT, 9000)
    connected = stage.talk("ann", "udp_state.py", "--connect", LEFT, 9000)
    heard = [_tell(stage, plain, "before")]
    stage.instance.stop("server", server)
    server = stage.whoami("server", "udp", LEFT, 9000, "new")
    heard.append(_tell(stage, plain, "after the server's restart"))
    stage.instance.stop("server", server)
    heard.append(_tell(stage, plain, "without a server"))
    heard.append(_tell(stage, connected, "without a server, the socket has a peer"))
    before, after, nobody, error = heard
    stage.expect("before", before.partition(" sees")[0], "answer: old")
    stage.expect("after the restart", after, before.replace("old", "new"))
    stage.expect("without a server", nobody, "no answer, and no error")
    stage.expect("without a server, from a socket with a peer", error, "ECONNREFUSED")


def _tell(stage: Stage, client: Talk, when: str) -> str:
    client.tell("who am I?")
    heard = stage.hear(client)
    stage.row(datagram=when, the_client_hears=heard)
    return heard
