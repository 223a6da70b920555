"""Talks with programs, and the connections over which they are held."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

import pytest

from lab import talk
from lab.errors import EngineError
from lab.talk import Spare, Talk
from lab.wiring import Ended, Wiring
from tests.unit.examples import alice


class FakeWiring:
    """A connection over which a program runs until its input ends, unless it is `deaf`, or the connection `broken`."""

    def __init__(self, *, deaf: bool = False, broken: bool = False) -> None:
        self.deaf = deaf
        self.broken = broken
        self.closed = threading.Event()

    def run(self, host: object, *, stdin: Callable[[], bytes], stdout: Callable[[bytes], None], **_: Any) -> Ended:
        """See Wiring."""
        del host
        if self.broken:
            raise EngineError("the connection into the instance broke")
        if self.deaf:
            self.closed.wait(10)
            raise EngineError("the connection into the instance broke")
        while line := stdin():
            stdout(line)
        return Ended(status=0)

    def close(self) -> None:
        """See Wiring."""
        self.closed.set()


def begun(wiring: FakeWiring, spare: Spare) -> Talk:
    """A talk over this connection."""
    return Talk(cast(Wiring, wiring), alice(), argv=("cat",), cwd="/", spare=spare)


def test_a_connection_serves_one_talk_after_the_other() -> None:
    """Once the program of the one has ended, the next takes it; closing a talk again does not give it away again."""
    spare, wiring = Spare(), FakeWiring()
    for word in ("one", "two"):
        with begun(wiring, spare) as one:
            assert spare.take() is None  # it is in use
            one.tell(word)
            assert one.line(seconds=5) == word
            one.close()
        assert spare.take() is cast(Wiring, wiring)
        assert spare.take() is None
    assert not wiring.closed.is_set()


@pytest.mark.parametrize("wiring", [FakeWiring(deaf=True), FakeWiring(broken=True)], ids=["deaf", "broken"])
def test_a_connection_whose_program_has_not_ended_serves_no_other(
    wiring: FakeWiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is hung up, which ends a program that still runs."""
    monkeypatch.setattr(talk, "CLOSE_SECONDS", 0.05)
    spare = Spare()
    begun(wiring, spare).close()
    assert wiring.closed.is_set()
    assert spare.take() is None


def test_with_the_instance_its_spare_connections_are_closed() -> None:
    """Those that are there, and the one of a talk that ends later."""
    spare, before, after = Spare(), FakeWiring(), FakeWiring()
    late = begun(after, spare)
    begun(before, spare).close()
    assert not before.closed.is_set()
    spare.close()
    assert before.closed.is_set()
    late.close()
    assert after.closed.is_set()
