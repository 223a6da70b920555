"""Daemons started and proven, with a wiring that says what a test wants to be seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from lab import daemons, labfiles
from lab.errors import NotUpError
from lab.model import Address, Lab
from lab.services import Service, services
from lab.wiring import CommandResult, Output, Started, Wiring
from tests.unit.examples import small_lab

NAMES = labfiles.load("names")
STATISTICS = b"hosts cache:\n\n            yes  cache is enabled\n"


class FakeWiring:
    """What daemons need of a wiring: all is well but for what is listed in its fields."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.served: list[tuple[str, str]] = []
        self.asked: list[tuple[str, str]] = []
        self.deaf: set[str] = set()
        """hosts at which nothing listens"""
        self.wrong: dict[str, bytes | None] = {}
        """answers by host in place of the right one"""
        self.late = 0
        """how many answers are None before the right ones come"""
        self.ends: dict[str, str] = {}
        self.statistics = STATISTICS

    def serve(self, host: str, service: Service) -> None:
        """See Wiring."""
        self.served.append((host, service.name))

    def look(self, what: Iterable[str], *, hosts: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
        """See Wiring."""
        assert list(what) == ["sockets"]
        return {host: {"sockets": "" if host in self.deaf else self._sockets(host)} for host in hosts or ()}

    def _sockets(self, host: str) -> str:
        rows = []
        for service in services(self.lab, self.lab.host(host)):
            for one in service.listens:
                state = "LISTEN" if one.protocol == "tcp" else "UNCONN"
                address = f"[{one.address}]" if one.address and one.address.version == 6 else str(one.address)
                rows.append(f"{one.protocol} {state} 0 0 {address}:{one.port} *:* uid:999 ino:1 sk:1\n")
        return "".join(rows)

    def query(self, queries: Iterable[tuple[str, Address, int, bytes]], *, seconds: float) -> tuple[bytes | None, ...]:
        """See Wiring."""
        assert seconds > 0
        return tuple(self._answer(host, port, data) for host, _, port, data in queries)

    def _answer(self, host: str, port: int, data: bytes) -> bytes | None:
        assert port == 53
        query = dns.message.from_wire(data)
        self.asked.append((host, query.question[0].name.to_text()))
        if self.late:
            self.late -= 1
            return None
        if host in self.wrong:
            return self.wrong[host]
        answer = dns.message.make_response(query)
        if not query.flags & dns.flags.RD:
            answer.flags |= dns.flags.AA
        answer.answer.append(dns.rrset.from_text(query.question[0].name, 5, "IN", "SOA", "a. b. 1 2 3 4 5"))
        return answer.to_wire()

    def command(self, host: str, argv: tuple[str, ...], *, seconds: float) -> CommandResult:
        """See Wiring."""
        assert seconds > 0
        assert (host, argv[0]) == ("bob", "nscd")
        return CommandResult(status=0, stdout=self.statistics, stderr=b"nscd not running!\n")

    def started(self) -> tuple[Started, ...]:
        """See Wiring."""
        return tuple(Started(host=h, program=p, pid=9, end=self.ends.get(h, "")) for h, p in self.served)

    def output(self, host: str, program: str) -> Output:
        """See Wiring."""
        lines = "".join(f"line {number} of {program} at {host}\n" for number in range(20))
        return Output(text=lines.encode(), dropped=0, end="")


@pytest.fixture
def wiring(monkeypatch: pytest.MonkeyPatch) -> FakeWiring:
    """A wiring of the lab `names`, and little patience."""
    for name in ("START_SECONDS", "PROOF_SECONDS"):
        monkeypatch.setattr(daemons, name, 0.05)
    monkeypatch.setattr(daemons, "BETWEEN_QUESTIONS", 0.001)
    return FakeWiring(NAMES)


def start(wiring: FakeWiring, *hosts: str, lab: Lab = NAMES) -> None:
    """Start the daemons of hosts, all of them if none is named."""
    daemons.start(cast(Wiring, wiring), lab, hosts or [host.name for host in lab.hosts])


def said(wiring: FakeWiring, *hosts: str) -> str:
    """What is said of daemons that do not come up."""
    with pytest.raises(NotUpError) as caught:
        start(wiring, *hosts)
    return str(caught.value)


def test_a_resolver_is_started_anew_after_its_proof(wiring: FakeWiring) -> None:
    """Every zone at every address of its host, then what the resolver finds; then the resolver a second time."""
    start(wiring)
    assert wiring.served == [
        ("bob", "nscd"),
        ("resolver", "unbound"),
        ("root", "nsd"),
        ("ns", "nsd"),
        ("resolver", "unbound"),
    ]
    assert wiring.asked == [
        *[("root", ".")] * 2,
        *[("ns", "com.")] * 2,
        *[("ns", "example.com.")] * 2,
        *[("resolver", zone) for zone in (".", "com.", "example.com.")],
    ]


def test_only_the_daemons_of_the_hosts_named_are_started(wiring: FakeWiring) -> None:
    """As a reset of some hosts needs it."""
    start(wiring, "root", "alice")
    assert wiring.served == [("root", "nsd")]
    assert {host for host, _ in wiring.asked} == {"root"}


def test_a_lab_without_names_starts_nothing(wiring: FakeWiring) -> None:
    """And is not looked at."""
    start(wiring, lab=small_lab())
    assert wiring.served == []


def test_an_answer_may_come_late(wiring: FakeWiring) -> None:
    """A question without an answer is asked again, and only that one."""
    wiring.late = 1
    start(wiring, "root")
    assert wiring.asked == [("root", ".")] * 3


def test_a_daemon_that_does_not_listen(wiring: FakeWiring) -> None:
    """Where it ought to, and the end of its log."""
    wiring.deaf = {"ns"}
    text = said(wiring)
    assert "ns: service nsd: expected listening on udp/192.0.2.2:53, observed no listening socket" in text
    assert "ns: service nsd: still runs after 0 s; the end of its log:" in text
    assert "  | line 19 of nsd at ns" in text
    assert "at root" not in text


def test_a_daemon_that_has_ended_is_not_waited_for(wiring: FakeWiring, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its end is told at once."""
    monkeypatch.setattr(daemons, "START_SECONDS", 3600)
    wiring.deaf, wiring.ends = {"root"}, {"root": "exit status 1"}
    assert "root: service nsd: exit status 1; the end of its log:" in said(wiring)


def test_a_server_that_does_not_answer_for_its_zone(wiring: FakeWiring) -> None:
    """What was asked of whom, and what came."""
    wiring.wrong = {"root": None}
    text = said(wiring)
    assert "root: service nsd: expected the SOA of . at 192.0.2.1, its own, observed no answer" in text
    assert "hint" not in text


def test_a_resolver_that_finds_nothing(wiring: FakeWiring) -> None:
    """The hint is about the way to the root and about delegation."""
    wiring.wrong = {"resolver": b"x"}
    text = said(wiring)
    assert "resolver: service unbound: expected the SOA of com. at 192.0.2.53, what the zone's server says" in text
    assert "observed an answer that cannot be read" in text
    assert "hint: is there a way from the resolver to its root" in text


@pytest.mark.parametrize("printed", [b"", b"hosts cache:\n\n   no  cache is enabled\n"])
def test_a_cache_that_does_not_remember(wiring: FakeWiring, printed: bytes) -> None:
    """nscd says of itself whether it does."""
    wiring.statistics = printed
    expected = "bob: service nscd: expected to say that it remembers names, observed nscd not running!"
    assert expected in said(wiring, "bob")


def test_a_question_names_what_was_expected() -> None:
    """Of a server its own word, of a resolver what it found."""
    one = daemons.Asked(
        host="ns", service="nsd", address=NAMES.host("ns").addresses[0], zone="com.", authoritative=True
    )
    assert str(one.difference("REFUSED")).endswith("at 192.0.2.2, its own, observed REFUSED")
    assert "what the zone's server says" in str(dataclasses.replace(one, authoritative=False).difference("x"))
