"""A port belongs to an address: one program serves the same port at two of them, and no other."""

from __future__ import annotations

import pytest

from lab.grading.stage import CheckStage

RIGHT = "198.51.100.10"
RIGHT_ECHO = f"tcp/{RIGHT}:65432"
"""What the lab itself serves there: it shows that ben reaches the host."""
ALL_LEFT = ("192.0.2.10", "192.0.2.11")


def served(stage: CheckStage, *addresses: str) -> str:
    """Start the server at two addresses, and wait for the second, which may be the first that is there; the port."""
    port = stage.value("PORT")
    hint = "one listening socket for each address, all with the same port"
    stage.serve("server", "one_port.py", port, *addresses, at=f"tcp/{addresses[-1]}:{port}", hint=hint)
    return port


@pytest.mark.check(points=3)
def test_first(stage: CheckStage) -> None:
    """A client on the left is told the first address, and the port."""
    port, left = stage.value("PORT"), stage.value("LEFT")
    stage.serve("server", "one_port.py", port, left, RIGHT, at=f"tcp/{left}:{port}")
    hint = "getsockname() of what accept() gives is the end that the client has come to; getpeername() is the client's"
    stage.expect_answer("ann", f"tcp/{left}:{port}", b"", f"{left} {port}\n", hint=hint)


@pytest.mark.check(points=4, needs=["first"])
def test_second(stage: CheckStage) -> None:
    """A client on the right is told the second address and the same port, whether or not one came on the left."""
    port = served(stage, stage.value("LEFT"), RIGHT)
    hint = "does accept() wait for a client on the left first? Each of two listening sockets has clients of its own"
    stage.expect_answer("ben", f"tcp/{RIGHT}:{port}", b"", f"{RIGHT} {port}\n", hint=hint)


@pytest.mark.check(points=3, needs=["second"])
def test_only(stage: CheckStage) -> None:
    """Told both addresses of the left interface, it serves these, and the port is free at every other address."""
    port = served(stage, *ALL_LEFT)
    wanted = [f"tcp/{address}:{port}" for address in ALL_LEFT]
    for at in wanted:
        stage.expect_listening("server", at)
    for at, address in zip(wanted, ALL_LEFT, strict=True):
        stage.expect_answer("ann", at, b"", f"{address} {port}\n")
    stage.expect_listeners("server", *wanted)
    stage.expect_refused("ben", f"tcp/{RIGHT}:{port}", control=RIGHT_ECHO)
