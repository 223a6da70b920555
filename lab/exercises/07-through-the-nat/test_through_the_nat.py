"""What comes in through a gateway: by a port that it forwards, or by a mapping that a host inside keeps alive."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from ipaddress import ip_address

import pytest

from lab import waiting
from lab.errors import AgentError
from lab.grading.conversation import Exchange, shown
from lab.grading.record import Layer
from lab.grading.running import Running
from lab.grading.stage import CheckStage
from lab.observe import Event, EventKind, Kind
from lab.stage import SEEN_SECONDS, text_of
from lab.text import joined

ALICE, ALICE_TOO, PUBLIC = "192.168.1.100", "192.168.1.102", "203.0.113.1"
SERVER, STRANGER = "203.0.113.80", "203.0.113.99"
GATEWAY = "router"
LIFETIME, LONG_LIFETIME = 2, 120
"""seconds: what the lab's gateway has, and what the client may be told all the same"""
QUIET_SECONDS = 2.2
"""with the long lifetime: more than would keep a mapping in this lab, and less than a tenth of it"""
BEYOND_SECONDS = 0.3
"""how long after the end of an idle mapping a message is sent"""
ANSWER_SECONDS = 1.0
GONE_SECONDS = 0.5
"""for a message that should not come"""
LOOK_PAUSE = 0.1
MOST_SHOWN = 20
"""mappings, as evidence"""
END_SECONDS = 2.0


# ------------------------------------------------------------------------------------------ inside.py


def served(stage: CheckStage) -> None:
    """Start the submission's server, where the gateway forwards to."""
    forwarded, inner = stage.value("FORWARDED"), stage.value("INNER")
    stage.serve("alice", "inside.py", PUBLIC, forwarded, ALICE, inner, at=f"udp/{joined(ALICE, inner)}")


@pytest.mark.check(points=3)
def test_forwarded(stage: CheckStage) -> None:
    """Two hosts outside are answered, through the forwarded port: the answer comes from where they have asked."""
    served(stage)
    for host, address in (("stranger", STRANGER), ("server", SERVER)):
        ask_from_outside(stage, host, address)


def ask_from_outside(stage: CheckStage, host: str, address: str) -> None:
    """A client asks at the public end, and is answered from there."""
    port, word = stage.number("PORT"), stage.value("WORD")
    public = joined(PUBLIC, stage.value("FORWARDED"))
    seen = stage.exchange(host, f"udp/{public}", f"{word}\n", source=(ip_address(address), port), wait=ANSWER_SECONDS)
    wanted = f"{word} {address} {port}\n"
    entry = stage.translation(GATEWAY, "udp", joined(address, port))
    stage.table(f"a datagram of {host}, and its answer")
    stage.row(seen_by=f"{host} (its own socket)", from_=joined(address, port), to=public)
    stage.row(
        seen_by=f"{GATEWAY} (its entry)",
        from_=text_of(entry.source) if entry else "no entry",
        to=f"{text_of(entry.outside)}, forwarded to {text_of(entry.inside)}" if entry else "",
    )
    if seen.data != wanted.encode():
        answered_otherwise(stage, host, address, seen)
        stage.explain(
            f"udp/{joined(ALICE, stage.value('INNER'))}",
            seen,
            what=f"what {host} reads from {public}",
            expected=shown(wanted),
            hint=(
                "the text without its line end, then the sender's address and port"
                if seen.data
                else "nobody takes the datagram: a socket that is connected to one client does not hear others"
                if seen.error == "ECONNREFUSED"
                else ""
            ),
        )
    stage.row(seen_by=f"{host} (the answer)", from_=public, to=f"{shown(seen.data)}")


def answered_otherwise(stage: CheckStage, host: str, address: str, seen: Exchange) -> None:
    """The check fails if the answer went its own way: then the gateway took it for something new."""
    for entry in stage.instance.translations(GATEWAY):
        if seen.data or str(entry.source[0]) != ALICE or str(entry.peer[0]) != address:
            continue
        stage.fail(
            f"the way of the answer to {host}",
            expected=f"from {joined(ALICE, stage.value('INNER'))}, which is known outside as "
            f"{joined(PUBLIC, stage.value('FORWARDED'))}",
            observed=f"from {text_of(entry.inside)}, which is known outside as {text_of(entry.outside)}",
            layer=Layer.TRANSLATED,
            hint=f"{host} waits for an answer from where it has asked: it takes no other",
        )


@pytest.mark.check(points=1, needs=["forwarded"])
def test_only(stage: CheckStage) -> None:
    """It listens where the gateway forwards to, and at no other address of its host."""
    served(stage)
    inner, word = stage.value("INNER"), stage.value("WORD")
    control = stage.exchange("bob", f"udp/{joined(ALICE, inner)}", word)
    if not control.data:
        stage.explain(f"udp/{joined(ALICE, inner)}", control, what="what bob reads from alice", expected="an answer")
    other = stage.exchange("bob", f"udp/{joined(ALICE_TOO, inner)}", word, wait=ANSWER_SECONDS)
    stage.table("bob, who is inside, asks alice")
    stage.row(at=joined(ALICE, inner), observed=f"an answer: {shown(control.data)}")
    observed = other.error or f"an answer: {shown(other.data)}"
    stage.row(at=joined(ALICE_TOO, inner), observed=observed)
    hint = "which address is given to bind()? 0.0.0.0 and an empty one are all of the host's"
    stage.expect_listeners("alice", f"udp/{joined(ALICE, inner)}", hint=hint)
    stage.expect("bob asking alice's other address", observed, "ECONNREFUSED", layer=Layer.WRONG_ADDRESS, hint=hint)


# -------------------------------------------------------------------------------------------- stay.py


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """Somebody who has spoken to our server outside."""

    end: str
    count: int
    """of datagrams"""
    text: str
    """of the last one"""


class Caller:
    """Our server outside."""

    def __init__(self, stage: CheckStage) -> None:
        self._stage = stage
        self.port = stage.number("PORT")
        self._talk = stage.talk("server", "caller.py", SERVER, self.port)
        stage.hear(self._talk)

    def _told(self, order: object) -> list[Heard]:
        self._talk.tell(json.dumps(order))
        try:
            found = json.loads(self._stage.hear(self._talk))["heard"]
        except (ValueError, LookupError) as error:
            raise AgentError(f"caller.py said nothing that can be read: {self._talk.text[-200:]}") from error
        return [Heard(end=joined(address, port), count=count, text=text) for address, port, count, text in found]

    def heard(self) -> list[Heard]:
        """Who has spoken so far."""
        return self._told({})

    def send(self, end: str, text: str) -> None:
        """Send a line to ADDRESS:PORT."""
        address, _, port = end.rpartition(":")
        self._told({"to": [address, int(port)], "text": f"{text}\n"})


def staying(stage: CheckStage, caller: Caller, lifetime: object) -> tuple[Running, str]:
    """Start the submission's client, and wait for its hello; the ADDRESS:PORT from which that came."""
    before = {one.end for one in caller.heard()}
    client = stage.running("alice", "stay.py", SERVER, caller.port, lifetime)
    new = client.until(
        f"a datagram of {client.called}",
        lambda: [one for one in caller.heard() if one.end not in before],
        bool,
        expected=f"hello, at {joined(SERVER, caller.port)}",
        observed=lambda _: "none",
        hint="nobody outside can speak to it before it has spoken: only then there is a mapping",
    )
    stage.expect(f"the text of {client.called}", new[0].text.strip(), "hello", layer=Layer.BYTES)
    return client, new[0].end


@pytest.mark.check(points=1)
def test_reached(stage: CheckStage) -> None:
    """The client says hello through the gateway, and prints a message that comes back at once."""
    caller = Caller(stage)
    client, end = staying(stage, caller, LIFETIME)
    caller.send(end, stage.value("WORD"))
    client.expect_line(stage.value("WORD"), hint="it prints the text of each message, as it comes")


@pytest.mark.check(points=1, needs=["reached"])
def test_stops(stage: CheckStage) -> None:
    """The message bye ends the client: exit status 0, every message printed and nothing else, and no socket left."""
    caller = Caller(stage)
    client, end = staying(stage, caller, LIFETIME)
    words = [stage.value("WORD"), stage.value("LATER")]
    for word in words:
        caller.send(end, word)
        client.expect_line(word, hint="it prints the text of each message, as it comes")
    caller.send(end, "bye")
    lines = client.expect_end(seconds=END_SECONDS, hint="a thread that is no daemon keeps a program alive")
    stage.expect("what it has printed", "\n".join(lines), "\n".join(words), layer=Layer.BYTES)
    left = [str(one.local) for one in stage.sockets("alice") if one.kind is Kind.UDP]
    stage.expect("UDP sockets of alice after its end", ", ".join(left) or "none", "none", layer=Layer.PROGRAM)


@pytest.mark.check(points=3, needs=["reached"])
def test_kept(stage: CheckStage) -> None:
    """A message that comes after the lifetime of an idle mapping reaches it; a client that is silent is not reached."""
    word, later = stage.value("WORD"), stage.value("LATER")
    caller = Caller(stage)
    with stage.instance.events(GATEWAY) as events:
        client, end = staying(stage, caller, LIFETIME)
        own = mapped(stage, end)
        silent = stage.peer("bob", f"udp/{joined(SERVER, caller.port)}", wait=GONE_SECONDS)
        silent_own = text_of(silent.own)
        silent.ask("hello\n", read="")
        entry = stage.until("bob's mapping", lambda: stage.translation(GATEWAY, "udp", silent_own), bool)
        ends = (end, text_of(entry.source_translated))
        for one in ends:
            caller.send(one, word)
        client.expect_line(word, hint="it prints the text of each message, as it comes")
        stage.expect("what the silent client reads at once", silent.ask().text.strip(), word)
        kept = outlived(stage, client, own, silent_own)
        show(stage, events.so_far(), {"alice, stay.py": own, "bob, silent": silent_own})
        stage.expect(
            f"the gateway's mapping {own} -> {end}, {LIFETIME} s after the message",
            "there" if kept else "forgotten",
            "there",
            layer=Layer.TRANSLATED,
            hint="only datagrams of the very same socket keep its mapping, and only if less than LIFETIME lies "
            "between two of them, at any time",
        )
        for one in ends:
            caller.send(one, later)
        client.expect_line(later, layer=Layer.FILTERED, hint="the mapping was there: is the socket still read?")
        reached = silent.ask()
        stage.expect("what the silent client reads then", reached.error or shown(reached.data), "timeout")


def outlived(stage: CheckStage, client: Running, own: str, silent: str) -> bool:
    """Wait for longer than an idle mapping lives, and until that of a silent client is forgotten; whether the client's
    own lives on."""
    began = time.monotonic()

    def look() -> _Mappings:
        age = time.monotonic() - began
        sources = {text_of(one.source) for one in stage.instance.translations(GATEWAY) if one.protocol == "udp"}
        return _Mappings(age=age, kept=own in sources, silent=silent in sources)

    seen = client.until(
        f"a mapping of {client.called} that is older than {LIFETIME} s",
        look,
        lambda seen: not seen.kept or (seen.age > LIFETIME + BEYOND_SECONDS and not seen.silent),
        expected="one that lives on",
        observed=lambda _: "that of a silent client lives on too",
        seconds=LIFETIME + SEEN_SECONDS,
        pause=LOOK_PAUSE,
    )
    return seen.kept


@dataclass(frozen=True, kw_only=True, slots=True)
class _Mappings:
    age: float
    kept: bool
    silent: bool


def mapped(stage: CheckStage, end: str) -> str:
    """The end inside that is known as ADDRESS:PORT outside, "none" if that is forgotten already."""
    entries = stage.instance.translations(GATEWAY)
    return next((text_of(one.source) for one in entries if text_of(one.source_translated) == end), "none")


def show(stage: CheckStage, events: tuple[Event, ...], who: dict[str, str]) -> None:
    """What became of the mappings, as evidence. Those of alice's other sockets too."""
    began: dict[str, int] = {}
    gone: dict[str, int] = {}
    outside: dict[str, str] = {}
    first = events[0].time if events else 0
    for one in events:
        source = text_of(one.translation.source)
        if one.translation.protocol == "udp" and (source in who.values() or source.startswith(f"{ALICE}:")):
            (gone if one.kind is EventKind.DESTROY else began).setdefault(source, one.time - first)
            outside[source] = text_of(one.translation.source_translated)
    names = {own: name for name, own in who.items()}
    stage.table("mappings of the gateway, in seconds")
    for source, since in [*began.items()][:MOST_SHOWN]:
        stage.row(
            of=names.get(source, "alice, another socket"),
            inside=source,
            outside=outside[source],
            began=f"{since / 1e9:.1f}",
            forgotten=f"{gone[source] / 1e9:.1f}" if source in gone else "no",
        )


@pytest.mark.check(points=1, needs=["kept"])
def test_gentle(stage: CheckStage) -> None:
    """Where a mapping lives for long the client does not say hello more often than that needs."""
    caller = Caller(stage)
    client, end = staying(stage, caller, LONG_LIFETIME)
    caller.send(end, stage.value("WORD"))
    client.expect_line(stage.value("WORD"), hint="it prints the text of each message, as it comes")
    heard = waiting.until(
        caller.heard,
        lambda found: sum(one.count for one in found) > 1,
        seconds=QUIET_SECONDS,
        pause=LOOK_PAUSE,
    )
    stage.expect(
        f"datagrams in {QUIET_SECONDS} s, with a lifetime of {LONG_LIFETIME} s",
        sum(one.count for one in heard),
        1,
        layer=Layer.PROGRAM,
        hint="LIFETIME is its third argument: a hello every third of it is often enough",
    )
    stage.expect("how it has ended meanwhile", client.end or "it runs", "it runs", layer=Layer.PROGRAM)
