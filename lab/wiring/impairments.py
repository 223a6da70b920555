"""What happens to packets on segments, as text for nft(8) and tc(8): carried out where the bridges are, or in hosts.

Pure. A packet is counted, and perhaps lost, where it comes in from a host: once, whoever is to get it. It waits where
it goes out to a host (tc-netem(8)). Who cannot reach the bridges does both where a packet leaves its host. The rules
are written the way `nft list ruleset` prints them, so that what was set can be compared with what is seen.
"""

from __future__ import annotations

from collections.abc import Iterable

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

PEERS = f"{TABLE}_peers"
"""The nft table of `peers`."""

OURS = "& ff:ff:ff:00:00:00 {} 02:00:00:00:00:00"
"""Of a hardware address, whether an interface of a lab has it; see `mac`."""

STRANGERS = f"ether daddr & 01:00:00:00:00:00 != 01:00:00:00:00:00 ether daddr {OURS.format('!=')} drop"
"""What is for one machine that is not of the lab; what is for all (IEEE 802, the group bit) is not."""

NOBODY = "02:00:00:ff:ff:ff"
"""Whose hardware address no interface has. A packet that is lost in its own host goes there.

Were it dropped, its sender would be told so, which no wire does (TCP would call it congestion and send again at once).
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


def ports(lab: Lab) -> dict[str, tuple[str, ...]]:
    """Every network's ports."""
    found: dict[str, list[str]] = {network.name: [] for network in lab.networks}
    for number, host in enumerate(lab.hosts):
        for index, interface in enumerate(host.interfaces):
            found[interface.network].append(port(number, index))
    return {network: tuple(names) for network, names in found.items()}


def counter(network: int, what: str, protocol: str) -> str:
    """The name of the counter of packets of a protocol that the network-th network has `passed` or `lost`."""
    return f"{bridge(network)}_{what}_{protocol}"


def rules_needed(lab: Lab) -> bool:
    """Whether the rules do more than count."""
    return any(network.impairments.loss for network in lab.networks)


def rules(lab: Lab) -> tuple[str, ...]:
    """The rules at the ports of all bridges: every frame is counted, and lost as often as its network says.

    What is no IP packet is counted as `other`, like IP packets that are neither TCP nor UDP.
    """
    at = ports(lab)
    parts = _counters(lab, range(len(lab.networks)))
    for number, network in enumerate(lab.networks):
        parts += _network_chains(number, network, lost="drop")
        parts += [_port_chain(one, hook=HOOK, device=one, network=number) for one in at[network.name]]
    return _table(parts)


def host_rules(lab: Lab, host: Host) -> tuple[str, ...]:
    """The same for one host's interfaces, in the host. Only frames to others of the lab leave it; see NOBODY."""
    numbers = {network.name: number for number, network in enumerate(lab.networks)}
    on = [numbers[interface.network] for interface in host.interfaces]
    parts = _counters(lab, on)
    at = lab.hosts.index(host)
    for index, (number, interface) in enumerate(zip(on, host.interfaces, strict=True)):
        parts += _network_chains(number, lab.networks[number], lost=f"ether daddr set {NOBODY} accept")
        parts.append(
            _port_chain(port(at, index), hook="egress", device=interface.name, network=number, first=(STRANGERS,))
        )
    return _table(parts)


def peers(host: Host) -> tuple[str, ...]:
    """Rules in a host, at whose bridges others are who are not of the lab: nothing of theirs comes in."""
    return _table(
        [
            [
                f"\tchain {interface.name} {{",
                f'\t\ttype filter hook ingress device "{interface.name}" priority filter; policy accept;',
                f"\t\tether saddr {OURS.format('!=')} drop",
                "\t}",
            ]
            for interface in host.interfaces
        ],
        name=PEERS,
    )


def _table(parts: list[list[str]], *, name: str = TABLE) -> tuple[str, ...]:
    return (f"table netdev {name} {{", *[line for part in parts for line in ("", *part)][1:], "}")


def _counters(lab: Lab, numbers: Iterable[int]) -> list[list[str]]:
    return [
        [f"\tcounter {counter(number, what, protocol)} {{", "\t}"]
        for number in numbers
        for what in (("passed", "lost") if lab.networks[number].impairments.loss else ("passed",))
        for protocol in PROTOCOLS
    ]


def _network_chains(number: int, network: Network, *, lost: str) -> list[list[str]]:
    """Where a packet goes on, and where it is `lost`."""
    name, loss = bridge(number), network.impairments.loss
    chains = []
    if loss:
        chains.append([f"\tchain {name}_lost {{", f"\t\t{UNCOUNTED} {lost}", *_counting(number, "lost", lost), "\t}"])
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


def _port_chain(name: str, *, hook: str, device: str, network: int, first: Iterable[str] = ()) -> list[str]:
    where = f'type filter hook {hook} device "{device}" priority filter; policy accept;'
    return [
        f"\tchain {name} {{",
        f"\t\t{where}",
        *(f"\t\t{one}" for one in first),
        f"\t\tgoto {bridge(network)}",
        "\t}",
    ]


def queues(lab: Lab) -> dict[str, Step]:
    """For each network that delays, the lines for tc(8) that make a packet wait before it goes out to a host."""
    at = ports(lab)
    return {
        network.name: Step(
            kind="tc", lines=tuple(f"qdisc add dev {one} root {_netem(network)}" for one in at[network.name])
        )
        for network in lab.networks
        if network.impairments.delay and at[network.name]
    }


def emptied(lab: Lab) -> dict[str, Step]:
    """The same anew: with the old queues goes what waits in them."""
    return {network: _anew(step) for network, step in queues(lab).items()}


def host_queues(lab: Lab, host: Host, *, anew: bool = False) -> tuple[Step, ...]:
    """The lines that make a packet wait before it leaves a host."""
    delayed = {network.name: network for network in lab.networks if network.impairments.delay}
    lines = tuple(
        f"qdisc add dev {interface.name} root {_netem(delayed[interface.network])}"
        for interface in host.interfaces
        if interface.network in delayed
    )
    step = Step(kind="tc", lines=lines)
    return (_anew(step) if anew else step,) if lines else ()


def _anew(step: Step) -> Step:
    removals = (line.replace(" add ", " del ", 1).partition(" root ")[0] + " root" for line in step.lines)
    return Step(kind="tc", lines=(*removals, *step.lines))


def _netem(network: Network) -> str:
    what = network.impairments
    reorder = f" reorder {percent(what.reorder)}%" if what.reorder else ""
    return f"netem limit {MOST_WAITING} delay {what.delay}us{reorder}"


def percent(parts: int) -> str:
    """Parts of a million in per cent, exactly."""
    whole, rest = divmod(parts, 10_000)
    return f"{whole}.{rest:04}".rstrip("0").rstrip(".")


def steps(lab: Lab) -> tuple[Step, ...]:
    """All of it, in the order in which it is carried out."""
    return (Step(kind="nft", lines=rules(lab)), *queues(lab).values())
