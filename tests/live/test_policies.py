"""The three ways in which a gateway chooses the outside port."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.observe import Translation

Ask = Callable[..., str]
Start = Callable[..., None]
Listens = Callable[[str, int], None]
SOURCE_PORT = 5555
CONNECTIONS = 8


def seen_port(answer: str) -> int:
    """The source port in what serve_once_each.py answered."""
    return int(answer.split()[-1])


@pytest.mark.instance("labs/preserve.yaml")
def test_preserve_keeps_a_free_port_and_changes_a_taken_one(
    start: Start, listens: Listens, ask: Ask, translations: Callable[[str], tuple[Translation, ...]]
) -> None:
    """Alice's port is kept; bob, from the same port at the same time, gets another (RFC 4787 §4.2.1)."""
    start("stranger", "serve_once_each.py", "tcp", "203.0.113.99", 7000, "hello")
    listens("stranger", 7000)
    assert seen_port(ask("alice", "tcp", "203.0.113.99", 7000, SOURCE_PORT)) == SOURCE_PORT
    other = seen_port(ask("bob", "tcp", "203.0.113.99", 7000, SOURCE_PORT))
    assert other != SOURCE_PORT
    assert {entry.outside[1] for entry in translations("router")} == {SOURCE_PORT, other}


@pytest.mark.instance("labs/random.yaml")
def test_random_does_not_keep_the_port(start: Start, listens: Listens, ask: Ask) -> None:
    """Of several connections from known ports hardly one keeps its port by chance, and the ports follow no order."""
    start("stranger", "serve_once_each.py", "tcp", "203.0.113.99", 7000, "hello")
    listens("stranger", 7000)
    own = range(SOURCE_PORT, SOURCE_PORT + CONNECTIONS)
    seen = [seen_port(ask("alice", "tcp", "203.0.113.99", 7000, port)) for port in own]
    assert sum(port == translated for port, translated in zip(own, seen, strict=True)) <= 1
    assert len(set(seen)) > CONNECTIONS // 2
    assert seen != sorted(seen)


def test_pool_takes_ports_of_the_range_only(start: Start, listens: Listens, ask: Ask) -> None:
    """Every outside port lies in the declared range, whatever the inside port is."""
    start("stranger", "serve_once_each.py", "tcp", "203.0.113.99", 7000, "hello")
    listens("stranger", 7000)
    for port in (1024, SOURCE_PORT, 65535):
        assert 40000 <= seen_port(ask("alice", "tcp", "203.0.113.99", 7000, port)) <= 40999


def test_a_port_of_the_pool_that_is_free_is_kept(start: Start, listens: Listens, ask: Ask) -> None:
    """An inside port that lies in the range and is free stays as it is."""
    start("stranger", "serve_once_each.py", "tcp", "203.0.113.99", 7000, "hello")
    listens("stranger", 7000)
    assert seen_port(ask("alice", "tcp", "203.0.113.99", 7000, 40123)) == 40123
