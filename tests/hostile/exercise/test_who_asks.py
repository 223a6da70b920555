"""A word that comes back, both ends of a connection, and three views of one that is translated."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from lab.grading.record import Layer
from lab.grading.stage import CheckStage
from lab.observe import State
from lab.stage import PAUSE
from lab.text import joined

ALICE, SERVER, STRANGER = "192.168.1.100", "203.0.113.80", "203.0.113.99"


def served(stage: CheckStage) -> str:
    """Start the submission's server; the endpoint at which it is asked."""
    at = f"tcp/{joined(SERVER, stage.value('PORT'))}"
    stage.serve("server", "serve.py", stage.value("PORT"), at=at)
    return at


@pytest.mark.check(points=4)
def test_answers(stage: CheckStage) -> None:
    """A client is answered with its own word, and where it comes from."""
    at, source, word = served(stage), stage.number("SOURCE"), stage.value("WORD")
    stage.expect_answer(
        "stranger",
        at,
        f"{word}\n",
        f"{word} {STRANGER} {source}\n",
        read="end",
        source=(ip_address(STRANGER), source),
    )


@pytest.mark.check(points=3)
def test_prints(stage: CheckStage) -> None:
    """The client prints its own end, and the one that a server of ours tells it."""
    port, told = stage.number("OTHER"), f"{stage.value('TOLD')} {stage.number('SOURCE')}"
    teller = stage.talk("server", "teller.py", SERVER, port)
    stage.hear(teller)
    running = stage.running("alice", "ask.py", SERVER, port)
    sent = running.until(
        f"what {running.called} sends", lambda: teller.line(seconds=PAUSE) or "", bool, expected="a line"
    )
    stage.expect("what the client sends", sent, repr(b"hello\n"), layer=Layer.BYTES)
    own = [str(one.local) for one in stage.sockets("alice") if one.state is State.ESTAB and one.remote.port == port]
    stage.expect("connections of the client", len(own), 1, layer=Layer.PROGRAM)
    teller.tell(f"{stage.value('WORD')} {told}")
    lines = running.expect_end()
    stage.expect(
        "what the client prints",
        "\n".join(lines),
        f"own {own[0].replace(':', ' ')}\nseen {told}",
        layer=Layer.BYTES,
    )


@pytest.mark.check(points=3, needs=["answers", "prints"])
def test_agrees(stage: CheckStage) -> None:
    """Both together, twice: client, gateway and server have the same view of a translated connection."""
    served(stage)
    for _ in range(2):
        done = stage.complete("alice", "ask.py", SERVER, stage.value("PORT"))
        words = [line.split() for line in done.lines]
        if [one[:1] for one in words] != [["own"], ["seen"]] or any(len(one) != 3 for one in words):
            stage.fail(
                "what ask.py prints",
                expected="own ADDRESS PORT, and seen ADDRESS PORT",
                observed=done.text or "nothing",
                layer=Layer.BYTES,
            )
        own, seen = (":".join(one[1:]) for one in words)
        stage.expect_translated("router", "tcp", client="alice", own=own, seen=seen)
