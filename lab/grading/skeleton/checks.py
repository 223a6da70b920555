"""The checks. Each begins with the lab as it was when it came up; see docs/authoring.md."""

from __future__ import annotations

import pytest

from lab.grading.stage import CheckStage


def served(stage: CheckStage) -> str:
    """Start the server, and wait until it can be reached from the internet; the endpoint."""
    port, word = stage.value("PORT"), stage.value("WORD")
    at = f"tcp/203.0.113.80:{port}"
    stage.serve("server", "greeter.py", port, word, at=at)
    return at


@pytest.mark.check(points=4)
def test_listens(stage: CheckStage) -> None:
    """The server listens where clients of other hosts reach it."""
    served(stage)


@pytest.mark.check(points=6, needs=["listens"])
def test_greets(stage: CheckStage) -> None:
    """Each client is sent the greeting, one after the other."""
    at = served(stage)
    for client in ("alice", "bob"):
        stage.expect_answer(client, at, b"", f"hello {stage.value('WORD')}\n", read="end")
