"""Translated source ports: three witnesses, one connection."""

from __future__ import annotations

from collections.abc import Callable

from lab.checks import ThreeViews, three_views
from lab.live import Instance
from lab.observe import Socket, Translation

SOURCE_PORT = 5555
PUBLIC = "203.0.113.1"


def test_two_clients_with_one_source_port(
    lab: Instance,
    start: Callable[..., None],
    established: Callable[[str], tuple[Socket, ...]],
    said: Callable[[str, str], str],
    translations: Callable[[str], tuple[Translation, ...]],
) -> None:
    """Both clients connect from port 5555. What each sees of itself, what the gateway has, and the peer that the
    server sees agree; the two outside ports lie in the pool and differ; each client got its own answer."""
    start("server", "echo_many.py", "203.0.113.80", 7000)
    lab.run("server", ["sh", "-c", "until ss -Hltn sport = :7000 | grep -q .; do sleep 0.01; done"])
    views: dict[str, ThreeViews] = {}
    for client, number in (("alice", 100), ("bob", 101)):
        start(client, "hold.py", "203.0.113.80", 7000, SOURCE_PORT, f"I am {client}")
        address, port, *answer = said(client, "hold").split()
        assert " ".join(answer) == f"I am {client}"
        (own,) = established(client)
        assert (str(own.local.address), own.local.port) == (address, int(port)) == (f"192.168.1.{number}", SOURCE_PORT)
        known = {view.peer for view in views.values()}
        (peer,) = {(s.remote.address, s.remote.port) for s in established("server")} - known
        assert peer[0] is not None
        view = three_views(own, translations("router"), (peer[0], peer[1]))
        assert view is not None
        views[client] = view
    assert all(view.agree for view in views.values()), views
    outside = [view.gateway_outside for view in views.values()]
    pool = lab.host("router").nat
    assert pool is not None
    assert pool.pool is not None
    assert all(str(address) == PUBLIC and port in pool.pool for address, port in outside)
    assert outside[0] != outside[1]


def test_views_that_do_not_belong_together_do_not_agree(
    start: Callable[..., None],
    established: Callable[[str], tuple[Socket, ...]],
    said: Callable[[str, str], str],
    translations: Callable[[str], tuple[Translation, ...]],
) -> None:
    """Positive control: with another peer's address and port in place of the server's view, the views disagree."""
    start("alice", "hold.py", "203.0.113.80", 65432, SOURCE_PORT, "hello")
    said("alice", "hold")
    (own,) = established("alice")
    (peer,) = [(s.remote.address, s.remote.port) for s in established("server")]
    assert peer[0] is not None
    right = three_views(own, translations("router"), (peer[0], peer[1]))
    wrong = three_views(own, translations("router"), (peer[0], peer[1] + 1))
    assert right is not None
    assert wrong is not None
    assert right.agree
    assert not wrong.agree


def test_a_udp_exchange_is_translated_too(
    lab: Instance, translations: Callable[[str], tuple[Translation, ...]]
) -> None:
    """UDP gets a mapping as well, with time left, and its outside port lies in the pool."""
    lab.run("server", ["sh", "-c", "timeout 5 nc -u -l 203.0.113.80 9000 >/dev/null 2>&1 &"])
    lab.run("alice", ["sh", "-c", "echo hi | nc -u -w 1 -p 4444 203.0.113.80 9000"])
    (entry,) = [entry for entry in translations("router") if entry.protocol == "udp"]
    assert entry.inside == (entry.original.source, 4444)
    assert str(entry.outside[0]) == PUBLIC
    assert 40000 <= entry.outside[1] <= 40999
    assert 0 < entry.seconds_left <= 180


def test_what_only_passes_or_ends_here_is_no_translation(
    lab: Instance, translations: Callable[[str], tuple[Translation, ...]]
) -> None:
    """The gateway follows a stranger's ping of it, and alice's, and translates neither: they are not shown.

    Positive control: its table has both.
    """
    for host, address in (("stranger", "203.0.113.1"), ("alice", "192.168.1.1")):
        assert lab.run(host, ["ping", "-c", "1", "-W", "2", address]).ended.status == 0
    assert len(lab.look(["conntrack"], ["router"])["router"].translations) == 2
    assert translations("router") == ()
