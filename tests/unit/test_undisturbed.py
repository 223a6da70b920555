"""An interruption that comes at a bad moment is late, and never lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from lab.plan import describe
from lab.undisturbed import undisturbed
from tests.unit.examples import small_lab


class Interrupting(IPv4Address):
    """An address while whose text is made somebody presses Ctrl-C."""

    def __str__(self) -> str:
        signal.raise_signal(signal.SIGINT)
        return super().__str__()


def interrupted(then: Callable[[], None]) -> None:
    """Work during which somebody presses Ctrl-C."""
    with undisturbed():
        signal.raise_signal(signal.SIGINT)
        then()


def test_it_comes_at_the_end() -> None:
    """Everything is done first, and handlers are those of before."""
    before = signal.getsignal(signal.SIGINT)
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(lambda: done.append("all"))
    assert done == ["all"]
    assert signal.getsignal(signal.SIGINT) is before


def test_it_comes_also_after_a_failure() -> None:
    """Whoever goes on after the failure is interrupted all the same; the failure is its context."""

    def fail() -> None:
        raise ValueError

    with pytest.raises(KeyboardInterrupt) as caught:
        interrupted(fail)
    assert isinstance(caught.value.__context__, ValueError)


def test_without_one_nothing_is_raised() -> None:
    """And nothing is changed for good."""
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with undisturbed():
        assert signal.getsignal(signal.SIGINT) not in handlers
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == handlers


def test_other_threads_need_nothing() -> None:
    """There handlers never run, nor may they be set."""
    seen: list[bool] = []

    def work() -> None:
        before = signal.getsignal(signal.SIGINT)
        with undisturbed():
            seen.append(signal.getsignal(signal.SIGINT) is before)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [True]


def test_a_lab_is_described_undisturbed() -> None:
    """Whoever presses Ctrl-C while pydantic writes an address is heard: it is no address of another kind."""
    lab = small_lab()
    first, *rest = lab.hosts
    interrupting = replace(first, gateways=(Interrupting("192.168.1.1"),))
    with pytest.raises(KeyboardInterrupt):
        describe(replace(lab, hosts=(interrupting, *rest)))
