"""What happens to packets on segments, as text for nft(8), tc(8) and ethtool(8)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.model import Impairments, Lab
from lab.wiring import impairments
from tests.unit.examples import alice, router, small_lab


def impaired(**what: int) -> Lab:
    """The small lab, whose first network is not a good wire."""
    lab = small_lab()
    return replace(lab, networks=(replace(lab.networks[0], impairments=Impairments(**what)), *lab.networks[1:]))


def chain(lab: Lab, name: str) -> list[str]:
    """The lines of one chain."""
    lines = [line.strip() for line in impairments.rules(lab)]
    start = lines.index(f"chain {name} {{")
    return lines[start + 1 : lines.index("}", start)]


def test_every_port_leads_to_its_network() -> None:
    """Each interface of a host has a port at its network's bridge, where what comes in from the host is looked at."""
    assert impairments.ports(small_lab()) == {"home": ("h0i0", "h1i0"), "internet": ("h1i1", "h2i0")}
    for port, network in (("h0i0", "n0"), ("h1i0", "n0"), ("h1i1", "n1"), ("h2i0", "n1")):
        hook = f'type filter hook ingress device "{port}" priority filter; policy accept;'
        assert chain(small_lab(), port) == [hook, f"goto {network}"]


def test_a_good_wire_only_counts() -> None:
    """Without loss nothing is dropped, and packets are counted by protocol."""
    lines = impairments.rules(small_lab())
    assert not any("drop" in line or "numgen" in line or "lost" in line for line in lines)
    assert chain(small_lab(), "n1")[-3:] == [
        'meta l4proto tcp counter name "n1_passed_tcp" accept',
        'meta l4proto udp counter name "n1_passed_udp" accept',
        'counter name "n1_passed_other" accept',
    ]


def test_loss_is_by_chance_and_after_what_is_spared() -> None:
    """ARP and neighbour discovery of their usual size are accepted first; then a random number decides."""
    first, second, third, fourth, *_ = chain(impaired(loss=25_000), "n0")
    assert first == "meta protocol arp meta length <= 46 accept"
    assert second.startswith("ip6 nexthdr ipv6-icmp ip6 hoplimit 255 meta length <= 72 icmpv6 type { nd-")
    assert third == "numgen random mod 1000000 < 25000 goto n0_lost"
    assert fourth == f"{impairments.UNCOUNTED} accept"
    assert chain(impaired(loss=25_000), "n0_lost")[0] == f"{impairments.UNCOUNTED} drop"
    assert all(line.endswith(" drop") for line in chain(impaired(loss=25_000), "n0_lost"))
    assert "n1_lost" not in "".join(impairments.rules(impaired(loss=25_000)))


def test_everything_is_lost_without_chance() -> None:
    """nft(8) takes no comparison that always holds."""
    assert chain(impaired(loss=1_000_000), "n0")[2] == "goto n0_lost"


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ({"delay": 50_000}, "netem limit 10000 delay 50000us"),
        ({"delay": 1, "reorder": 25_000}, "netem limit 10000 delay 1us reorder 2.5%"),
    ],
)
def test_packets_wait_before_they_go_out_to_a_host(what: dict[str, int], words: str) -> None:
    """Every port of a slow network has a queue, and no other port has."""
    (step,) = impairments.queues(impaired(**what)).values()
    assert step.kind == "tc"
    assert step.lines == (f"qdisc add dev h0i0 root {words}", f"qdisc add dev h1i0 root {words}")
    assert [step.kind for step in impairments.steps(impaired(**what))] == ["nft", "tc"]


def test_queues_are_emptied_by_making_them_anew() -> None:
    """What waits in a queue goes with it."""
    lab = impaired(delay=50_000)
    (step,) = impairments.emptied(lab).values()
    assert step.lines[:2] == ("qdisc del dev h0i0 root", "qdisc del dev h1i0 root")
    assert step.lines[2:] == impairments.queues(lab)["home"].lines
    assert impairments.emptied(impaired(loss=1)) == {}


@pytest.mark.parametrize(
    ("parts", "text"), [(1, "0.0001"), (25_000, "2.5"), (100_000, "10"), (1_000_000, "100"), (0, "0")]
)
def test_per_cent(parts: int, text: str) -> None:
    """A share is written exactly, as a lab file has it."""
    assert impairments.percent(parts) == text


def test_no_interface_leaves_segmentation_to_a_card() -> None:
    """Every interface of a host, and nothing about checksums."""
    lines = impairments.features(router()).lines
    assert [line.split()[:2] for line in lines] == [["-K", "eth0"], ["-K", "eth1"]]
    assert "tx-tcp-segmentation off" in lines[0]
    assert "tx-udp-segmentation off" in lines[0]
    assert "checksum" not in lines[0]
    assert impairments.features(replace(alice(), interfaces=())).lines == ()
