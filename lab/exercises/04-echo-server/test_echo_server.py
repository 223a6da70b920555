"""A server for many clients at once: what it sends back, when it closes, and what must not stop it."""

from __future__ import annotations

import random
import time

import pytest

from lab import waiting
from lab.evidence import Table
from lab.grading.record import Layer
from lab.grading.stage import CheckStage
from lab.observe import Socket, State
from lab.stage import SEEN_SECONDS, NotSeenError, text_of

ADDRESS = "203.0.113.80"
LOOPBACK = "127.0.0.1"
MUCH = 160_000
"""bytes: more than the kernel takes of a server whose client does not read, and less than all buffers together hold"""
CROWD = 10
STILL_SECONDS = 0.25
"""If no byte moves for so long, none will before the client reads."""
OPEN = (State.ESTAB, State.CLOSE_WAIT, State.LAST_ACK)

NOT_AS_IT_COMES = (
    "recv() gives bytes as they come, with or without a line's end, and of any value: "
    "whatever it gives goes back at once, as bytes"
)


def served(stage: CheckStage, *, hint: str = "") -> str:
    """Start the server where other hosts reach it; PROTOCOL/ADDRESS:PORT."""
    port = stage.value("PORT")
    at = f"tcp/{ADDRESS}:{port}"
    stage.serve("server", "echo.py", ADDRESS, port, at=at, hint=hint)
    return at


def drawn(stage: CheckStage) -> random.Random:
    """Bytes that nobody knows beforehand, and that are the same each time."""
    return random.Random(stage.value("WORD"))


def connections(stage: CheckStage, *states: State) -> tuple[Socket, ...]:
    """The server's connections, seen from outside."""
    return stage.on_port("server", stage.number("PORT"), *states)


def listed(found: tuple[Socket, ...]) -> Table:
    """Sockets as evidence."""
    rows = tuple(
        (str(one.state), str(one.local), str(one.remote), ", ".join(process.name for process in one.processes))
        for one in found
    )
    columns = ("state", "local", "remote", "program")  # none holds a connection that nobody has accepted
    return Table(title="connections of the server", columns=columns, rows=rows)


def wait_for_standstill(stage: CheckStage) -> None:
    """Until the server has taken all that stranger sends, or takes no more: what it could do wrong by then, it has."""
    port = stage.number("PORT")
    last, since = (-1, -1), time.monotonic()

    def look() -> tuple[int, int]:
        seen = stage.instance.look(["sockets"], ["stranger", "server"])
        # What the server's kernel has not acknowledged, and what the server has not read.
        unsent = sum(one.unsent for one in seen["stranger"].sockets if one.remote.port == port)
        unread = sum(one.unread for one in seen["server"].sockets if one.local.port == port and not one.listens)
        return unsent, unread

    def stands(seen: tuple[int, int]) -> bool:
        nonlocal last, since
        if seen != last:
            last, since = seen, time.monotonic()
        return seen == (0, 0) or time.monotonic() - since > STILL_SECONDS

    waiting.until(look, stands, seconds=SEEN_SECONDS, pause=0.02)


@pytest.mark.check(points=2)
def test_echoes(stage: CheckStage) -> None:
    """It listens at HOST and PORT and nowhere else, and sends back every byte as it comes."""
    other = stage.value("OTHER")
    at, inside = served(stage), f"tcp/{LOOPBACK}:{other}"
    stage.serve("server", "echo.py", LOOPBACK, other, at=inside)
    stage.expect_listeners("server", at, inside, hint="both values that the program is called with belong into bind()")
    every = bytes(drawn(stage).sample(range(256), 256))
    client = stage.peer("alice", at)
    for piece in (stage.value("WORD").encode(), b"\xff\0", b"\r\n", every, every[::-1]):
        client.expect(piece, piece, read=len(piece), hint=NOT_AS_IT_COMES)
    stage.expect_answer("server", inside, every, every, read=len(every))


@pytest.mark.check(points=1, needs=["echoes"])
def test_whole(stage: CheckStage) -> None:
    """A client that sends much before it reads anything gets all of it back."""
    served(stage)
    client = stage.talk("stranger", "greedy.py", ADDRESS, stage.value("PORT"), MUCH, stage.value("WORD"))
    took = stage.hear(client)
    wait_for_standstill(stage)
    client.tell()
    came = stage.hear(client) if took == "sent" else took
    stage.row(client="stranger", sent=f"{MUCH} bytes", read=came)
    stage.expect(
        "what came back when the client began to read",
        came,
        f"all {MUCH} bytes",
        layer=Layer.BYTES,
        hint="a socket that does not wait (setblocking(False)) takes a part of what is sent: send() says how much, "
        "and the rest is yours to send later",
    )


@pytest.mark.check(points=2, needs=["echoes"])
def test_ends(stage: CheckStage) -> None:
    """When a client has ended its half it gets all that is due, then the end; no connection stays half closed."""
    at = served(stage)
    last = drawn(stage).randbytes(3000)
    client = stage.peer("alice", at)
    client.expect(last[:10], last[:10], read=10)
    client.ask(last, read="")
    came = client.shut(read="end")
    if came.data != last:
        stage.explain(at, came, what="what alice reads after she ended her half", expected=f"{len(last)} bytes")
    stage.row(
        client="alice", ends_its_half="yes", read=f"{len(came.data)} bytes", then="the end" if came.end else "nothing"
    )
    if not came.end:
        stage.fail(
            "the end of the connection",
            expected="FIN from the server too, after everything was sent back",
            observed=f"{len(came.data)} bytes, and then nothing more: the server keeps its half open",
            layer=Layer.PROGRAM,
            hint="recv() gives b'' when the client has ended its half: then it is the server's turn to close()",
            evidence=[listed(connections(stage, *OPEN))],
        )
    client.close()
    try:
        stage.until("all connections closed", lambda: connections(stage, *OPEN), lambda found: not found)
    except NotSeenError:
        stage.fail(
            "connections that are left when all clients are gone",
            expected="none",
            observed=f"{len(connections(stage, *OPEN))}",
            layer=Layer.PROGRAM,
            hint="CLOSE-WAIT means: the other side has closed, and the kernel waits for this program's close()",
            evidence=[listed(connections(stage, *OPEN))],
        )


@pytest.mark.check(points=2, needs=["echoes"])
def test_goes_on(stage: CheckStage) -> None:
    """It goes on when a client has left, and when one has broken off its connection."""
    at = served(stage)
    word = stage.value("WORD")
    hint = "the listening socket has to stay, and accept() has to be called again for each client"
    stage.expect_answer("alice", at, word, word, read=len(word))
    stage.expect_answer("bob", at, word, word, read=len(word), what="the answer to the second client", hint=hint)
    hint = "a client that breaks off is a ConnectionError in recv() or sendall(): it may end that connection only"
    for more in (b"", drawn(stage).randbytes(3000)):
        client = stage.peer("stranger", at)
        client.expect(word, word, read=len(word))
        client.ask(more, read="")
        client.reset()
        stage.table("stranger breaks its connection off")
        stage.row(own_end=text_of(client.own), not_yet_read=f"{len(more)} bytes")
        what = "the answer to the next client, after one that broke off"
        stage.expect_answer("alice", at, word, word, read=len(word), what=what, hint=hint)


@pytest.mark.check(points=2, needs=["goes_on"])
def test_at_once(stage: CheckStage) -> None:
    """Nobody is kept waiting by a client that sends nothing, nor by one that does not read."""
    at = served(stage)
    port, word = stage.value("PORT"), stage.value("WORD")
    silent = stage.peer("alice", at)
    greedy = stage.talk("stranger", "greedy.py", ADDRESS, port, MUCH, word)
    own, took = text_of(silent.own), stage.hear(greedy)
    stage.expect(
        "what becomes of stranger's bytes, while alice is connected and sends nothing",
        took,
        "sent",
        layer=Layer.PROGRAM,
        hint="one recv() waits for alice: who calls accept() and recv() for the next client meanwhile?",
    )
    wait_for_standstill(stage)
    crowd = stage.talk("bob", "crowd.py", ADDRESS, port, CROWD, word)
    answered = stage.hear(crowd)
    found = connections(stage, State.ESTAB)
    table = listed(found)
    stage.table(table.title)
    for row in table.rows:
        stage.row(**dict(zip(table.columns, row, strict=True)))
    stage.table("who waits for whom")
    stage.row(client=f"alice, from {own}", does="nothing yet", observed="connected")
    stage.row(client="stranger", does=f"sends {MUCH} bytes, reads nothing", observed=took)
    stage.row(client=f"bob, {CROWD} times", does="sends a word", observed=f"{answered} answered")
    stage.expect(
        f"clients of bob's that were answered, while alice sends nothing and stranger does not read, of {CROWD}",
        answered,
        f"{CROWD} of {CROWD}",
        layer=Layer.PROGRAM,
        hint="recv() waits for one client, and sendall() for one that does not read: meanwhile this thread does "
        "nothing for the others",
    )
    stage.expect("different other ends of the connections", len({str(one.remote) for one in found}), CROWD + 2)
    silent.expect(word, word, read=len(word), what="what alice reads when she sends at last")


@pytest.mark.check(points=1, needs=["echoes"])
def test_again(stage: CheckStage) -> None:
    """It can be started again at once, though a connection of the port is in TIME-WAIT."""
    port, word = stage.value("PORT"), stage.value("WORD")
    at = f"tcp/{ADDRESS}:{port}"
    name = stage.serve("server", "echo.py", ADDRESS, port, at=at)
    client = stage.peer("stranger", at)
    client.expect(word, word, read=len(word))
    stage.stop("server", name)  # its kernel closes the connection, and so first
    client.ask(read="end")
    client.close()
    found = stage.until(
        "the server's end of the connection in TIME-WAIT", lambda: connections(stage, State.TIME_WAIT), bool
    )
    stage.row(state=found[0].state, local=found[0].local, remote=found[0].remote)
    at = served(stage, hint="SO_REUSEADDR, set before bind(), allows it while old connections are in TIME-WAIT")
    stage.expect_answer("alice", at, word, word, read=len(word))
