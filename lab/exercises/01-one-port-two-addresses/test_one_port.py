"""A port belongs to an address: one program serves the same port at two of them, and no other."""

from __future__ import annotations

import pytest

from lab.grading.stage import CheckStage

FIRST, SECOND, THIRD = "192.0.2.10", "198.51.100.10", "192.0.2.11"


def served(stage: CheckStage, at: str) -> str:
    """Start the server at two addresses, and wait for one of them."""
    port = stage.value("PORT")
    stage.serve("server", "one_port.py", port, FIRST, SECOND, at=f"tcp/{at}:{port}")
    return port


@pytest.mark.check(points=3)
def test_first(stage: CheckStage) -> None:
    """A client on the left is told the first address and the port."""
    port = served(stage, FIRST)
    stage.expect_answer("ann", f"tcp/{FIRST}:{port}", b"", f"{FIRST} {port}\n")


@pytest.mark.check(points=4, needs=["first"])
def test_second(stage: CheckStage) -> None:
    """A client on the right is told the second address and the same port."""
    port = served(stage, SECOND)
    stage.expect_answer("ben", f"tcp/{SECOND}:{port}", b"", f"{SECOND} {port}\n")


@pytest.mark.check(points=3, needs=["second"])
def test_only(stage: CheckStage) -> None:
    """At these two addresses and no other: the port is free at the third."""
    port = served(stage, SECOND)
    stage.expect_listeners("server", f"tcp/{FIRST}:{port}", f"tcp/{SECOND}:{port}")
    stage.expect_refused("ann", f"tcp/{THIRD}:{port}", control=f"tcp/{FIRST}:{port}")
