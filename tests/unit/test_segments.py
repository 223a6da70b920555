"""What nft(8) and tc(8) say of segments, read and held against the lab."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from lab import segments
from lab.checks import Difference
from lab.errors import UsageError
from lab.model import Impairments, Lab
from lab.observe import UnreadableError
from lab.segments import Packets, Queue
from lab.wiring import impairments
from tests.unit.examples import small_lab

NO_QUEUES = '[{"kind":"noqueue","handle":"0:","dev":"h0i0","root":true,"refcnt":2,"options":{}}]'


def netem(port: str, *, delay: float, reorder: float = 0) -> dict[str, object]:
    """A queue as `tc -j qdisc show` prints it: the delay in seconds, a share as a fraction."""
    waits = {"delay": delay, "jitter": 0, "correlation": 0}
    overtakes = {"reorder": {"reorder": reorder, "correlation": 0}} if reorder else {}
    options = {"limit": 10000, "delay": waits, **overtakes, "ecn": False, "gap": 1 if reorder else 0}
    return {"kind": "netem", "handle": "8001:", "dev": port, "root": True, "refcnt": 2, "options": options}


def impaired(**what: int) -> Lab:
    """The small lab, whose first network is not a good wire."""
    lab = small_lab()
    return replace(lab, networks=(replace(lab.networks[0], impairments=Impairments(**what)), *lab.networks[1:]))


def texts(lab: Lab, queues: str = NO_QUEUES, **packets: int) -> dict[str, str]:
    """What is seen of a lab in which all is as declared, with what some counters have counted."""

    def filled(found: re.Match[str]) -> str:
        return f"{found[0]}\t\tpackets {packets.get(found[1], 0)} bytes {60 * packets.get(found[1], 0)}\n"

    rules = "".join(f"{line}\n" for line in impairments.rules(lab))
    return {"rules": re.sub(r"\tcounter (\w+) \{\n", filled, rules), "queues": queues}


def wrong_of(lab: Lab, observed: segments.Seen) -> tuple[Difference, ...]:
    """What is not as declared, where the rules are those at bridges."""
    return segments.differences(lab, observed, impairments.rules(lab))


def test_counts_of_a_network() -> None:
    """Packets are told by network, by what became of them and by protocol; a good wire has lost none."""
    lab = impaired(loss=100_000)
    seen = segments.seen(texts(lab, n0_passed_tcp=7, n0_lost_udp=2, n1_passed_other=3))
    home, internet = segments.segments(lab, seen)
    assert (home.network.name, home.hosts, internet.hosts) == ("home", ("alice", "router"), ("router", "server"))
    assert (home.passed, home.lost) == (Packets(tcp=7), Packets(udp=2))
    assert (internet.passed, internet.lost) == (Packets(other=3), Packets())
    assert Packets(tcp=1, udp=2, other=4).all == 7


def test_all_as_declared() -> None:
    """What was counted is no difference."""
    lab = impaired(loss=100_000)
    assert wrong_of(lab, segments.seen(texts(lab, n0_passed_tcp=7))) == ()


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        (("< 100000", "< 200000"), "numgen random mod 1000000 < 100000 goto n0_lost"),
        (('device "h1i0"', 'device "h9i9"'), 'device "h1i0"'),
        (("goto n1\n", "accept\n"), "goto n1"),
    ],
)
def test_rules_that_are_not_as_declared(change: tuple[str, str], missing: str) -> None:
    """A rule that is another, or is not there, is a difference that names it."""
    lab = impaired(loss=100_000)
    seen = texts(lab)
    (found,) = wrong_of(lab, segments.seen({**seen, "rules": seen["rules"].replace(*change)}))
    assert (found.host, found.subject) == ("the segments", "nft rules")
    assert missing in found.expected


def test_no_rules_at_all() -> None:
    """Nothing seen is a difference, not an agreement."""
    (found,) = wrong_of(small_lab(), segments.seen({"rules": "", "queues": ""}))
    assert found.observed == "none"


REFUSED = "nft -f -: /dev/stdin:3:8-11: Error: Could not process rule: Operation not supported"


def test_a_kernel_that_counts_nothing() -> None:
    """Without rules, because they were refused, all is as declared but what was counted is unknown, not nought."""
    seen = segments.seen({"rules": "", "queues": "", "refused": REFUSED})
    assert wrong_of(small_lab(), seen) == ()
    first, *_ = segments.segments(small_lab(), seen)
    assert first.counts is None
    with pytest.raises(UsageError, match="network home: expected packets to be counted"):
        assert first.passed
    (wrong,) = wrong_of(impaired(loss=1), seen)
    assert wrong.subject == "nft rules"  # what loses packets is never done without


def test_queues() -> None:
    """What tc(8) says in seconds and fractions is in the model's units, which the kernel keeps nearly."""
    lab = impaired(delay=50_000, reorder=25_000)
    both = [netem("h0i0", delay=0.05, reorder=0.025), netem("h1i0", delay=0.0499999, reorder=0.02500001)]
    seen = segments.seen(texts(lab, json.dumps(both)))
    assert seen.queues[0] == Queue(port="h0i0", delay=50_000, reorder=25_000)
    assert wrong_of(lab, seen) == ()


def test_queues_that_are_not_as_declared() -> None:
    """A queue that is missing, slower, or where none was declared is a difference of its network."""
    lab = impaired(delay=50_000)
    odd = [netem("h0i0", delay=0.06), netem("h2i0", delay=0.001)]
    found = wrong_of(lab, segments.seen(texts(lab, json.dumps(odd))))
    assert [str(one) for one in found] == [
        "network home: delay at h0i0: expected delay 50ms, observed delay 60ms",
        "network home: delay at h1i0: expected delay 50ms, observed none",
        "network internet: delay at h2i0: expected none, observed delay 1ms",
    ]


@pytest.mark.parametrize("text", ["{", "7", '[{"dev": "h0i0"}]', '[{"kind": "netem", "dev": "h0i0"}]', "[[]]"])
def test_what_tc_never_says(text: str) -> None:
    """Text that is not understood is an error, never no queue."""
    with pytest.raises(UnreadableError, match="tc: "):
        segments.seen({"rules": "", "queues": text})


def test_fingerprints() -> None:
    """Equal states have equal lines; one packet, one rule or one queue makes another."""
    lab = impaired(loss=100_000)
    same = [segments.fingerprint(segments.seen(texts(lab))) for _ in range(2)]
    assert same[0] == same[1]
    assert "counter n0_lost_tcp 0 packets" in same[0]
    others = [texts(lab, n0_lost_tcp=1), texts(lab, json.dumps([netem("h0i0", delay=1)])), texts(impaired(loss=1))]
    assert len({same[0], *(segments.fingerprint(segments.seen(one)) for one in others)}) == 4


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ({}, ""),
        ({"loss": 25_000}, "loss 2.5%"),
        ({"loss": 1, "delay": 1_500, "reorder": 50_000}, "loss 0.0001%, delay 1500us, reorder 5%"),
    ],
)
def test_words(what: dict[str, int], words: str) -> None:
    """As a lab file says it."""
    assert segments.impairment_words(Impairments(**what)) == words
