"""TCP and UDP: what the note says under "Connection-Oriented (TCP) vs. Connectionless (UDP)" and "Statefulness"."""

from __future__ import annotations

from lab.note.claim import claim
from lab.note.ports import LEFT
from lab.note.stage import Stage
from lab.talk import Talk


@claim(
    id="udp-boundaries",
    says="TCP: a stream of data. UDP: like sending postcards. You just send the data.",
    lab="ports",
    source="RFC 9293 §2.2 (stream); RFC 768; recv(2), tcp(7), udp(7)",
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
