"""A host's network as text for ip(8), nft(8) and sysctl(8): what a wiring carries out in the host's namespace.

Pure, and independent of how the host's links come to be. Rules are written the way `nft list ruleset` prints
them, so that what was set can be compared with what is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface

from lab.model import Host, Nat, PortPolicy

TABLE = "socketlab"
"""The name of our nft tables."""

TIMEOUT_SYSCTLS = {
    "udp": "udp_timeout",
    "udp-stream": "udp_timeout_stream",
    "icmp": "icmp_timeout",
    "generic": "generic_timeout",
    "tcp-established": "tcp_timeout_established",
    "tcp-syn-sent": "tcp_timeout_syn_sent",
    "tcp-syn-recv": "tcp_timeout_syn_recv",
    "tcp-fin-wait": "tcp_timeout_fin_wait",
    "tcp-close-wait": "tcp_timeout_close_wait",
    "tcp-last-ack": "tcp_timeout_last_ack",
    "tcp-time-wait": "tcp_timeout_time_wait",
    "tcp-close": "tcp_timeout_close",
}
"""Names of `nat.timeouts` -> the end of the sysctl net.netfilter.nf_conntrack_… (kernel: nf_conntrack-sysctl.rst)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One thing to carry out: kind `sysctl`, `ip`, `bridge`, `nft`, `tc` or `ethtool`, and its lines."""

    kind: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The lines as one text."""
        return "".join(f"{line}\n" for line in self.lines)

    def sysctls(self) -> dict[str, str]:
        """The settings of a `sysctl` step."""
        return dict(line.split(" = ", 1) for line in self.lines)


def before(host: Host) -> Step:
    """Settings that must stand before the host has an interface, because interfaces inherit them."""
    return Step(
        kind="sysctl",
        lines=(
            f"net.ipv4.ip_forward = {int(host.forwards_packets)}",
            "net.ipv4.ip_unprivileged_port_start = 1024",
            "net.ipv4.ping_group_range = 0 2147483647",
            # A host counts for a second to whom it sent errors: the next program would not hear that a port is closed.
            "net.ipv4.icmp_ratelimit = 0",
            "net.ipv6.icmp.ratelimit = 0",
            "net.ipv4.conf.all.rp_filter = 0",
            "net.ipv4.conf.default.rp_filter = 0",
            "net.ipv6.conf.all.disable_ipv6 = 0",
            "net.ipv6.conf.default.disable_ipv6 = 1",
            # Duplicate address detection would hold back the first connection for two seconds.
            "net.ipv6.conf.all.accept_dad = 0",
            "net.ipv6.conf.default.accept_dad = 0",
            "net.ipv6.conf.all.accept_ra = 0",
            "net.ipv6.conf.default.accept_ra = 0",
        ),
    )


def steps(host: Host) -> tuple[Step, ...]:
    """What is carried out once the host's interfaces are there, in this order."""
    found = [_interface_sysctls(host), Step(kind="ip", lines=_addresses(host))]
    if host.nat is not None:
        found.append(Step(kind="nft", lines=nat_rules(host, host.nat)))
        found.append(Step(kind="sysctl", lines=_timeouts(host.nat)))
    found.append(Step(kind="sysctl", lines=tuple(f"{key} = {value}" for key, value in host.sysctls)))
    return tuple(step for step in found if step.lines)


def sysctl_keys(host: Host) -> tuple[str, ...]:
    """Every sysctl that is set in the host, for looking whether it still has its value."""
    settings = [before(host), *(step for step in steps(host) if step.kind == "sysctl")]
    return tuple(dict.fromkeys(key for step in settings for key in step.sysctls()))


def ipv6_interfaces(host: Host) -> tuple[str, ...]:
    """The names of the host's interfaces that have IPv6."""
    return tuple(one.name for one in host.interfaces if any(address.version == 6 for address in one.addresses))


def _interface_sysctls(host: Host) -> Step:
    # Without IPv6 an interface has no link-local address either: a host that is declared without any has none.
    return Step(kind="sysctl", lines=tuple(f"net.ipv6.conf.{name}.disable_ipv6 = 0" for name in ipv6_interfaces(host)))


def _addresses(host: Host) -> tuple[str, ...]:
    lines = ["link set dev lo up"]
    for interface in host.interfaces:
        for address in interface.addresses:
            extra = "brd +" if isinstance(address, IPv4Interface) else "nodad"
            lines.append(f"addr add {address} {extra} dev {interface.name}")
        lines.append(f"link set dev {interface.name} up")
    lines += [f"route add default via {gateway}" for gateway in host.gateways]
    return tuple(lines)


def outside_address(host: Host, nat: Nat) -> IPv4Address:
    """The address that a gateway's translated packets carry."""
    for address in host.interface_on(nat.outside).addresses:
        if isinstance(address, IPv4Interface):
            return address.ip
    raise ValueError(f"{host.name} has no IPv4 address on {nat.outside}")


def nat_rules(host: Host, nat: Nat) -> tuple[str, ...]:
    """The gateway's rules: source NAT towards outside, its forwards, and nothing inward by itself.

    A packet from outside goes on only if it belongs to a connection that was begun inside (RFC 4787 §5,
    endpoint-dependent filtering is what Linux' conntrack does) or was forwarded by `nat.forwards`.
    """
    outside = host.interface_on(nat.outside).name
    return (
        f"table ip {TABLE} {{",
        "\tchain prerouting {",
        "\t\ttype nat hook prerouting priority dstnat; policy accept;",
        *(f"\t\t{rule}" for rule in _destination_rules(host, nat, outside)),
        "\t}",
        "",
        "\tchain postrouting {",
        "\t\ttype nat hook postrouting priority srcnat; policy accept;",
        *(f"\t\t{rule}" for rule in _source_rules(host, nat, outside)),
        "\t}",
        "",
        "\tchain forward {",
        "\t\ttype filter hook forward priority filter; policy drop;",
        "\t\tct state established,related accept",
        "\t\tct status dnat accept",
        f'\t\tiifname != "{outside}" accept',
        "\t}",
        "}",
        *(_ipv6_rules(outside) if _has_ipv6(host) else ()),
    )


def _has_ipv6(host: Host) -> bool:
    return any(isinstance(one, IPv6Interface) for interface in host.interfaces for one in interface.addresses)


def _ipv6_rules(outside: str) -> tuple[str, ...]:
    """IPv6 is not translated; from outside it goes on only if it belongs to what was begun inside (RFC 6092 §3)."""
    return (
        f"table ip6 {TABLE} {{",
        "\tchain forward {",
        "\t\ttype filter hook forward priority filter; policy drop;",
        "\t\tct state established,related accept",
        f'\t\tiifname != "{outside}" accept',
        "\t}",
        "}",
    )


def _destination_rules(host: Host, nat: Nat, outside: str) -> list[str]:
    public = outside_address(host, nat)
    where = "" if nat.hairpin else f'iifname "{outside}" '
    return [
        f"{where}ip daddr {public} {forward.to.protocol} dport {forward.port} "
        f"dnat to {forward.to.address}:{forward.to.port}"
        for forward in nat.forwards
    ]


def _source_rules(host: Host, nat: Nat, outside: str) -> list[str]:
    public = outside_address(host, nat)
    rules = []
    if nat.policy is PortPolicy.POOL:
        rules.append(f'oifname "{outside}" meta l4proto {{ tcp, udp }} snat to {public}:{nat.pool}')
        rules.append(f'oifname "{outside}" snat to {public}')
    elif nat.policy is PortPolicy.RANDOM:
        rules.append(f'oifname "{outside}" snat to {public} fully-random')
    else:
        rules.append(f'oifname "{outside}" snat to {public}')
    if nat.hairpin:
        # The answer must come back through the gateway, so a hairpinned packet gets its address too.
        rules += [
            f'oifname "{interface.name}" ip saddr {subnet} ct status dnat masquerade'
            for interface in host.interfaces
            if interface.network != nat.outside
            for subnet in _ipv4_subnets(interface.addresses)
        ]
    return rules


def _ipv4_subnets(addresses: tuple[IPv4Interface | IPv6Interface, ...]) -> list[IPv4Network]:
    found = [address.network for address in addresses if isinstance(address, IPv4Interface)]
    return list(dict.fromkeys(found))


def _timeouts(nat: Nat) -> tuple[str, ...]:
    return tuple(
        f"net.netfilter.nf_conntrack_{TIMEOUT_SYSCTLS[timeout.name]} = {timeout.seconds}" for timeout in nat.timeouts
    )
