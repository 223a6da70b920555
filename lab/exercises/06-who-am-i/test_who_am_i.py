"""One connection, three views: the client's own socket, the gateway's entry, and the peer that the server sees."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from lab import waiting
from lab.grading.record import Layer
from lab.grading.running import Running
from lab.grading.stage import CheckStage, Completed, said_table
from lab.observe import State
from lab.stage import PAUSE, text_of
from lab.text import joined

ADDRESSES = {
    "alice": "192.168.1.100",
    "bob": "192.168.1.101",
    "server": "203.0.113.80",
    "stranger": "203.0.113.99",
}
GATEWAY, GATEWAY_ADDRESS = "router", "203.0.113.1"
NAT, NO_NAT = "NAT", "no NAT"
CLOSED_SECONDS = 1.0


def served(stage: CheckStage) -> str:
    """Start the submission's server; the endpoint at which it is asked."""
    at = f"tcp/{joined(ADDRESSES['server'], stage.value('PORT'))}"
    stage.serve("server", "whoami.py", stage.value("PORT"), at=at)
    return at


def end_of(text: str) -> str:
    """`ADDRESS PORT` as ADDRESS:PORT; what is no such thing stays as it is."""
    words = text.split()
    return joined(*words) if len(words) == 2 else text.strip() or "nothing"


class Client:
    """The submission's client, in the midst of a connection with a server of ours that has not answered yet."""

    def __init__(self, stage: CheckStage, host: str, *, server: str) -> None:
        self._stage = stage
        self._host = host
        address, port = ADDRESSES[server], stage.number("OTHER")
        self._teller = stage.talk(server, "teller.py", address, port)
        stage.hear(self._teller)
        self._running: Running = stage.running(host, "compare.py", address, port)
        self.seen = end_of(self._accepted(joined(address, port)))
        """where it comes from, as our server sees it"""
        self.own = self._socket(joined(address, port))
        """where it comes from, as the kernel of its host shows it"""

    def _accepted(self, at: str) -> str:
        return self._running.until(
            f"{self._running.called} connecting to {at}",
            lambda: self._teller.line(seconds=PAUSE) or "",
            bool,
            expected="a connection",
            hint="it is called with the server's address and port: sys.argv[1] and sys.argv[2]",
        )

    def _socket(self, remote: str) -> str:
        sockets = [one for one in self._stage.sockets(self._host) if str(one.remote) == remote]
        found = [str(one.local) for one in sockets if one.state is State.ESTAB]
        if len(found) != 1:
            self._stage.fail(
                f"connections of {self._running.called} to {remote}, before the server has answered",
                expected="one",
                observed=f"{len(found)}: {', '.join(found)}" if found else "none",
                layer=Layer.PROGRAM,
                hint="of one connection there are several views; a second connection has another port",
            )
        return found[0]

    def hears(self, seen: str, *, what: str, verdict: str, hint: str) -> None:
        """The server tells it ADDRESS:PORT; it must then print both ends and the verdict, and end."""
        stage, called = self._stage, self._running.called
        self._teller.tell(seen.replace(":", " "))
        lines = self._running.expect_end(hint="it ends when it has read the server's line")
        wanted = [f"own {self.own}", f"seen {seen}", verdict]
        wanted[:2] = [one.replace(":", " ") for one in wanted[:2]]
        printed = [*lines, *["nothing"] * (len(wanted) - len(lines))]
        stage.table(f"{called}, {what}")
        for expected, observed in zip(wanted, printed, strict=False):
            stage.row(expected=expected, printed=observed)
        stage.expect("how many lines it prints", len(lines), len(wanted), layer=Layer.BYTES, hint=OUTPUT)
        stage.expect("its own address and port", printed[0], wanted[0], layer=Layer.BYTES, hint=OWN)
        stage.expect("what the server sees", printed[1], wanted[1], layer=Layer.BYTES, hint=SEEN)
        stage.expect(f"the third line, {what}", printed[2], wanted[2], layer=Layer.BYTES, hint=hint)


OUTPUT = "own ADDRESS PORT, seen ADDRESS PORT, and NAT or no NAT: three lines"
OWN = "getsockname() of the socket that is connected, after connect(): the kernel chooses address and port only then"
SEEN = "what the server's line says, and nothing that this host knows by itself"


@pytest.mark.check(points=2)
def test_tells(stage: CheckStage) -> None:
    """The server tells one client after the other the address and port that it comes from."""
    at, port = served(stage), stage.number("SOURCE")
    for host in ("stranger", "server"):
        stage.expect_answer(
            host,
            at,
            b"",
            f"{ADDRESSES[host]} {port}\n",
            source=(ip_address(ADDRESSES[host]), port),
            hint="accept() tells the peer's address and port; the server speaks first, and serves many clients",
        )


@pytest.mark.check(points=2, needs=["tells"])
def test_tells_both(stage: CheckStage) -> None:
    """Two clients that come through the gateway at once, from the same port, are each told their own translated end."""
    at, source = served(stage), stage.number("SOURCE")
    clients = [stage.peer(host, at, source=(ip_address(ADDRESSES[host]), source)) for host in ("alice", "bob")]
    ends = [text_of(one.own) for one in clients]  # both are connected before one of them is asked
    seen = []
    for client, own in zip(clients, ends, strict=True):
        answer = client.ask()
        if answer.error or not answer.data:
            stage.explain(
                at,
                answer,
                what=f"what {client.host} reads while the other is connected too",
                expected="a line",
                hint="must one client have gone before the next is answered?",
            )
        seen.append(end_of(answer.text))
        stage.expect_translated(
            GATEWAY, "tcp", client=client.host, own=own, seen=seen[-1], hint="each connection has a peer of its own"
        )
    stage.expect_that("the translated ends", seen[0] != seen[1], observed=", ".join(seen), expected="two")


@pytest.mark.check(points=2)
def test_translated(stage: CheckStage) -> None:
    """Behind the gateway the client prints its own end, what the server sees, and NAT."""
    client = Client(stage, "alice", server="server")
    stage.expect_translated(GATEWAY, "tcp", client="alice", own=client.own, seen=client.seen)
    client.hears(client.seen, what="behind the gateway", verdict=NAT, hint="own and seen differ here")


@pytest.mark.check(points=1, needs=["translated"])
def test_direct(stage: CheckStage) -> None:
    """Where no gateway is in between the client prints the same end twice, and no NAT."""
    for host, server in (("stranger", "server"), ("alice", "bob")):
        client = Client(stage, host, server=server)
        stage.expect(f"what {server} sees of {host}", client.seen, client.own)
        client.hears(
            client.seen,
            what=f"from {host} to {server}, with no gateway in between",
            verdict=NO_NAT,
            hint="own and seen are equal here: a private address alone makes no NAT",
        )


@pytest.mark.check(points=1, needs=["direct"])
def test_compares(stage: CheckStage) -> None:
    """It is NAT too if the server sees another address and the same port, or another port and the same address."""
    for other in ("address", "port"):
        client = Client(stage, "stranger", server="server")
        address, _, port = client.own.rpartition(":")
        told = joined(GATEWAY_ADDRESS, port) if other == "address" else joined(address, int(port) ^ 1)
        client.hears(
            told,
            what=f"told another {other} by a server of ours",
            verdict=NAT,
            hint="compare both: many gateways keep the port if nobody else has it",
        )


@pytest.mark.check(points=2, needs=["tells_both", "translated"])
def test_together(stage: CheckStage) -> None:
    """Your client and your server: every view of each connection agrees, and none is left open."""
    at = served(stage)
    for host in ("alice", "bob", "stranger"):
        done = stage.complete(host, "compare.py", ADDRESSES["server"], stage.value("PORT"))
        own, seen, verdict = ends_in(stage, host, done)
        if host == "stranger":
            stage.expect("what the server sees of stranger", seen, own, layer=Layer.BYTES)
        else:
            stage.expect_translated(GATEWAY, "tcp", client=host, own=own, seen=seen)
        wanted = NO_NAT if host == "stranger" else NAT
        stage.expect(f"the third line on {host}", verdict, wanted, layer=Layer.BYTES)
    port = stage.number("PORT")
    open_ = waiting.until(
        lambda: stage.on_port("server", port, State.ESTAB, State.CLOSE_WAIT),
        lambda found: not found,
        seconds=CLOSED_SECONDS,
        pause=PAUSE,
    )
    stage.expect(
        f"connections that whoami.py has not closed at {at}",
        ", ".join(f"{one.state} with {one.remote}" for one in open_) or "none",
        "none",
        layer=Layer.PROGRAM,
        hint="CLOSE-WAIT: the other side has closed, and this program has not (RFC 9293 §3.6)",
    )


def ends_in(stage: CheckStage, host: str, done: Completed) -> tuple[str, str, str]:
    """What the client printed, as ADDRESS:PORT twice and the verdict."""
    lines = done.lines
    if [line.split()[0] for line in lines[:2]] != ["own", "seen"] or len(lines) != 3:
        stage.fail(
            f"what compare.py prints on {host}",
            expected="own ADDRESS PORT, seen ADDRESS PORT, and a third line",
            observed="\n".join(lines) or "nothing",
            layer=Layer.BYTES,
            evidence=[said_table("compare.py", done.text)],
        )
    own, seen = (end_of(line.partition(" ")[2]) for line in lines[:2])
    return own, seen, lines[2]
