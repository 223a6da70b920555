"""What happens to packets on segments, as text for nft(8) and tc(8): carried out where the bridges are.

Pure. A packet is counted, and perhaps lost, where it comes in from a host: once, whoever is to get it. It waits where
it goes out to a host (tc-netem(8)). The rules are written the way `nft list ruleset` prints them, so that what was
set can be compared with what is seen.
"""

from __future__ import annotations

from lab.model import MILLION, Host, Lab, Network
from lab.scripts import TABLE, Step

PROTOCOLS = ("tcp", "udp", "other")
"""What is counted apart."""

MOST_WAITING = 10_000
"""How many packets wait at most for one interface; netem's own limit would lose some of a fast transfer."""

HOOK = "ingress"
"""Where a packet that comes in at a port is looked at (nft(8), "netdev")."""

SPARED = (
    "meta protocol arp meta length <= 46",
    "ip6 nexthdr ipv6-icmp ip6 hoplimit 255 meta length <= 72 "
    "icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert }",
)
"""What hosts say by themselves to find neighbours (RFC 826, RFC 4861): neither counted nor lost.

Lost, it would read as a host that is not there, after seconds; and a segment at rest would count something. Only what
has the size of the real thing (without Ethernet's header; 46 bytes are its least) is spared: anything longer carries
something else.
"""

UNCOUNTED = "ip6 nexthdr ip ip6 hoplimit 1 meta length <= 256 icmpv6 type mld2-listener-report"
"""What is lost as often as any packet, but not counted either: a host tells its groups by itself, and again (RFC 3810).

It has a hop-by-hop header, whose number nft(8) calls `ip`.
"""

SEGMENTATION = (
    "tx-tcp-segmentation",
    "tx-tcp-ecn-segmentation",
    "tx-tcp-mangleid-segmentation",
    "tx-tcp6-segmentation",
    "tx-udp-segmentation",
    "tx-sctp-segmentation",
)
"""What an interface must not leave to a card that is not there (ethtool(8), -K).

A virtual interface passes up to 64 KiB on as one frame, to be cut by a network card. It would be lost, counted and
captured as one packet. Switched off, every frame is one of a wire's. Checksums stay as they are: left to the card too,
they are never missed, and a kernel that fills them in corrupts what is translated and bridged.
"""


def features(host: Host) -> Step:
    """Lines for ethtool(8) that make each frame of a host one that a wire could carry, carried out in the host."""
    off = " ".join(f"{feature} off" for feature in SEGMENTATION)
    return Step(kind="ethtool", lines=tuple(f"-K {interface.name} {off}" for interface in host.interfaces))


def mac(host: int, interface: int) -> str:
    """The hardware address of the host-th host's interface-th interface, both from 0.

    It is locally administered (IEEE 802c) and counts hosts and interfaces, so that captures of two runs compare.
    """
    return f"02:00:00:{(host + 1) >> 8:02x}:{(host + 1) & 0xFF:02x}:{interface:02x}"


def bridge(network: int) -> str:
    """The name of the network-th network's bridge, from 0."""
    return f"n{network}"


def port(host: int, interface: int) -> str:
    """The name of the bridge's end of the cable to the host-th host's interface-th interface, both from 0."""
    return f"h{host}i{interface}"


def ports(lab: Lab, host: Host | None = None) -> dict[str, tuple[str, ...]]:
    """The ports of all networks, or only the ports to one host and of the networks that it is on."""
    found: dict[str, list[str]] = {one.name: [] for one in lab.networks if host is None or is_on(host, one.name)}
    for number, other in enumerate(lab.hosts):
        if host is None or other.name == host.name:
            for index, interface in enumerate(other.interfaces):
                found[interface.network].append(port(number, index))
    return {network: tuple(names) for network, names in found.items()}


def is_on(host: Host, network: str) -> bool:
    """Whether a host has an interface on a network."""
    return any(interface.network == network for interface in host.interfaces)


def counter(network: int, what: str, protocol: str) -> str:
    """The name of the counter of packets of a protocol that the network-th network has `passed` or `lost`."""
    return f"{bridge(network)}_{what}_{protocol}"


def rules_needed(lab: Lab) -> bool:
    """Whether the rules do more than count."""
    return any(network.impairments.loss for network in lab.networks)


def rules(lab: Lab, host: Host | None = None) -> tuple[str, ...]:
    """The rules at the ports of all bridges: every frame is counted, and lost as often as its network says.

    What is no IP packet is counted as `other`, like IP packets that are neither TCP nor UDP. With a host, only those
    at its ports.
    """
    at = ports(lab, host)
    there = [(number, network) for number, network in enumerate(lab.networks) if network.name in at]
    parts: list[list[str]] = []
    for number, network in there:
        for what in ("passed", "lost") if network.impairments.loss else ("passed",):
            parts += [[f"\tcounter {counter(number, what, protocol)} {{", "\t}"] for protocol in PROTOCOLS]
    for number, network in there:
        parts += _network_chains(number, network)
        parts += [_port_chain(one, bridge(number)) for one in at[network.name]]
    body = [line for part in parts for line in ("", *part)][1:]
    return (f"table netdev {TABLE} {{", *body, "}")


def _network_chains(number: int, network: Network) -> list[list[str]]:
    name, loss = bridge(number), network.impairments.loss
    chains = []
    if loss:
        chains.append([f"\tchain {name}_lost {{", f"\t\t{UNCOUNTED} drop", *_counting(number, "lost", "drop"), "\t}"])
    often = f"numgen random mod {MILLION} < {loss} " if loss < MILLION else ""
    chains.append(
        [
            f"\tchain {name} {{",
            *(f"\t\t{one} accept" for one in SPARED),
            *([f"\t\t{often}goto {name}_lost"] if loss else []),
            f"\t\t{UNCOUNTED} accept",
            *_counting(number, "passed", "accept"),
            "\t}",
        ]
    )
    return chains


def _counting(number: int, what: str, verdict: str) -> list[str]:
    *named, other = PROTOCOLS
    lines = [f'\t\tmeta l4proto {one} counter name "{counter(number, what, one)}" {verdict}' for one in named]
    return [*lines, f'\t\tcounter name "{counter(number, what, other)}" {verdict}']


def _port_chain(name: str, network: str) -> list[str]:
    hook = f'type filter hook {HOOK} device "{name}" priority filter; policy accept;'
    return [f"\tchain {name} {{", f"\t\t{hook}", f"\t\tgoto {network}", "\t}"]


def queues(lab: Lab, host: Host | None = None) -> dict[str, Step]:
    """For each network that delays, the lines for tc(8) that make a packet wait before it goes out to a host."""
    at = ports(lab, host)
    return {
        network.name: Step(
            kind="tc", lines=tuple(f"qdisc add dev {one} root {_netem(network)}" for one in at[network.name])
        )
        for network in lab.networks
        if network.impairments.delay and at.get(network.name)
    }


def emptied(lab: Lab, host: Host | None = None) -> dict[str, Step]:
    """The same anew: with the old queues goes what waits in them."""
    at = ports(lab, host)
    return {
        network: Step(kind="tc", lines=(*(f"qdisc del dev {one} root" for one in at[network]), *step.lines))
        for network, step in queues(lab, host).items()
    }


def _netem(network: Network) -> str:
    what = network.impairments
    reorder = f" reorder {percent(what.reorder)}%" if what.reorder else ""
    return f"netem limit {MOST_WAITING} delay {what.delay}us{reorder}"


def percent(parts: int) -> str:
    """Parts of a million in per cent, exactly."""
    whole, rest = divmod(parts, 10_000)
    return f"{whole}.{rest:04}".rstrip("0").rstrip(".")


def steps(lab: Lab, host: Host | None = None) -> tuple[Step, ...]:
    """All of it, in the order in which it is carried out."""
    return (Step(kind="nft", lines=rules(lab, host)), *queues(lab, host).values())
