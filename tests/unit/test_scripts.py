"""The very lines for sysctl(8), ip(8) and nft(8) that a host gets."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from lab.model import Host, Nat, PortPolicy, Timeout
from lab.observe import host_view
from lab.scripts import TIMEOUT_SYSCTLS, Step, before, nat_rules, outside_address, steps, sysctl_keys
from tests.unit.examples import POOL, alice, forward, interface, rich_lab, router

RULES = """\
table ip socketlab {
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
PREROUTING	}

	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
POSTROUTING	}

	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		ct status dnat accept
		iifname != "eth1" accept
	}
}
"""


def rules(nat: Nat, host: Host | None = None) -> str:
    """A gateway's rules as text."""
    return "".join(f"{line}\n" for line in nat_rules(host or router(nat), nat))


def expected(*, prerouting: tuple[str, ...] = (), postrouting: tuple[str, ...]) -> str:
    """The text of rules with these in the two chains that differ."""
    text = RULES.replace("PREROUTING", "".join(f"\t\t{rule}\n" for rule in prerouting))
    return text.replace("POSTROUTING", "".join(f"\t\t{rule}\n" for rule in postrouting))


def nat(policy: PortPolicy) -> Nat:
    """Source NAT with that policy, without a pool."""
    return Nat(outside="internet", policy=policy, pool=None)


def test_a_host_is_set_up_before_it_has_an_interface() -> None:
    """No forwarding, ports below 1024 for root alone, ping for all, and IPv6 off on every interface to come."""
    assert before(alice()).text == (
        "net.ipv4.ip_forward = 0\n"
        "net.ipv4.ip_unprivileged_port_start = 1024\n"
        "net.ipv4.ping_group_range = 0 2147483647\n"
        "net.ipv4.icmp_ratelimit = 0\n"
        "net.ipv6.icmp.ratelimit = 0\n"
        "net.ipv4.conf.all.rp_filter = 0\n"
        "net.ipv4.conf.default.rp_filter = 0\n"
        "net.ipv6.conf.all.disable_ipv6 = 0\n"
        "net.ipv6.conf.default.disable_ipv6 = 1\n"
        "net.ipv6.conf.all.accept_dad = 0\n"
        "net.ipv6.conf.default.accept_dad = 0\n"
        "net.ipv6.conf.all.accept_ra = 0\n"
        "net.ipv6.conf.default.accept_ra = 0\n"
    )


def test_only_a_gateway_forwards() -> None:
    """The one setting in which a gateway differs from the start."""
    differing = {key for key, value in before(router()).sysctls().items() if before(alice()).sysctls()[key] != value}
    assert differing == {"net.ipv4.ip_forward"}
    assert before(router()).sysctls()["net.ipv4.ip_forward"] == "1"


def test_a_host_with_one_address_and_a_gateway() -> None:
    """One step: loopback and interface up, the address with its broadcast address, then the route."""
    (step,) = steps(alice())
    assert step.kind == "ip"
    assert step.text == (
        "link set dev lo up\n"
        "addr add 192.168.1.100/24 brd + dev eth0\n"
        "link set dev eth0 up\n"
        "route add default via 192.168.1.1\n"
    )


def test_a_gateway_gets_its_rules_after_its_addresses() -> None:
    """Nothing is translated to an address that is not there yet."""
    assert [step.kind for step in steps(router())] == ["ip", "nft"]


def test_a_host_with_both_families() -> None:
    """IPv6 is switched on for the interface first; IPv6 addresses are used at once, without detection of duplicates
    (RFC 4862 §5.4); declared settings come last."""
    lab = rich_lab()
    assert [(step.kind, step.text) for step in steps(lab.host("everything"))] == [
        ("sysctl", "net.ipv6.conf.eth0.disable_ipv6 = 0\n"),
        (
            "ip",
            "link set dev lo up\n"
            "addr add 192.168.1.7/24 brd + dev eth0\n"
            "addr add 192.168.1.8/24 brd + dev eth0\n"
            "addr add fd00:1::7/64 nodad dev eth0\n"
            "link set dev eth0 up\n"
            "route add default via 192.168.1.1\n"
            "route add default via fd00:1::1\n",
        ),
        ("sysctl", "net.ipv4.ip_local_port_range = 40000 40100\n"),
    ]


def test_ipv6_stays_off_on_a_network_without_it() -> None:
    """A gateway between a network with IPv6 and one without has it on the one side alone."""
    lab = rich_lab()
    first = steps(lab.host("gateway"))[0]
    assert first == Step(kind="sysctl", lines=("net.ipv6.conf.eth0.disable_ipv6 = 0",))


def test_ipv6_stays_off_where_a_host_has_no_ipv6_address() -> None:
    """Without it a host on a network of both families would have a link-local address that nobody declared."""
    lab = rich_lab()
    (own,) = lab.host("everything").interfaces
    four = replace(own, addresses=tuple(one for one in own.addresses if one.version == 4))
    kinds = [step.kind for step in steps(replace(lab.host("everything"), interfaces=(four,)))]
    assert kinds == ["ip", "sysctl"]


def test_a_gateway_with_everything() -> None:
    """Timeouts are set after the rules, because the kernel has them only once something is tracked."""
    lab = rich_lab()
    found = steps(lab.host("gateway"))
    assert [step.kind for step in found] == ["sysctl", "ip", "nft", "sysctl"]
    assert found[-1].lines == (
        "net.netfilter.nf_conntrack_udp_timeout = 20",
        "net.netfilter.nf_conntrack_tcp_timeout_established = 600",
    )


def test_every_timeout_has_its_sysctl() -> None:
    """The names of nat.timeouts, and the kernel's for them (nf_conntrack-sysctl.rst)."""
    timed = replace(POOL, timeouts=tuple(Timeout(name=name, seconds=9) for name in TIMEOUT_SYSCTLS))
    assert steps(router(timed))[-1].lines == tuple(
        f"net.netfilter.nf_conntrack_{name} = 9"
        for name in (
            "udp_timeout",
            "udp_timeout_stream",
            "icmp_timeout",
            "generic_timeout",
            "tcp_timeout_established",
            "tcp_timeout_syn_sent",
            "tcp_timeout_syn_recv",
            "tcp_timeout_fin_wait",
            "tcp_timeout_close_wait",
            "tcp_timeout_last_ack",
            "tcp_timeout_time_wait",
            "tcp_timeout_close",
        )
    )


# ----------------------------------------------------------------------------------------------- rules


def test_rules_that_preserve_ports() -> None:
    """Without a word about ports Linux keeps the source port if it can (RFC 4787 §4.2.1)."""
    assert rules(nat(PortPolicy.PRESERVE)) == expected(postrouting=('oifname "eth1" snat to 203.0.113.1',))


def test_rules_that_choose_ports_at_random() -> None:
    """`fully-random` takes a new port for each connection (RFC 6056)."""
    assert rules(nat(PortPolicy.RANDOM)) == expected(postrouting=('oifname "eth1" snat to 203.0.113.1 fully-random',))


def test_rules_with_a_pool_of_ports() -> None:
    """Only TCP and UDP have ports to take from a range; all else gets the address."""
    assert rules(POOL) == expected(
        postrouting=(
            'oifname "eth1" meta l4proto { tcp, udp } snat to 203.0.113.1:40000-40999',
            'oifname "eth1" snat to 203.0.113.1',
        )
    )


FORWARDS = (forward(8080, "tcp", "192.168.1.100", 80), forward(53, "udp", "192.168.1.100", 5353))


def test_forwards_hold_for_what_comes_from_outside() -> None:
    """A forward is destination NAT for packets to the outside address that come in there."""
    assert rules(replace(nat(PortPolicy.PRESERVE), forwards=FORWARDS)) == expected(
        prerouting=(
            'iifname "eth1" ip daddr 203.0.113.1 tcp dport 8080 dnat to 192.168.1.100:80',
            'iifname "eth1" ip daddr 203.0.113.1 udp dport 53 dnat to 192.168.1.100:5353',
        ),
        postrouting=('oifname "eth1" snat to 203.0.113.1',),
    )


def test_hairpinning_forwards_from_inside_too() -> None:
    """Whichever side a packet to the outside address comes from (RFC 4787 §6), and the answer must come back
    through the gateway, so the source is translated as well."""
    assert rules(replace(nat(PortPolicy.PRESERVE), forwards=FORWARDS, hairpin=True)) == expected(
        prerouting=(
            "ip daddr 203.0.113.1 tcp dport 8080 dnat to 192.168.1.100:80",
            "ip daddr 203.0.113.1 udp dport 53 dnat to 192.168.1.100:5353",
        ),
        postrouting=(
            'oifname "eth1" snat to 203.0.113.1',
            'oifname "eth0" ip saddr 192.168.1.0/24 ct status dnat masquerade',
        ),
    )


def test_hairpinning_on_each_inside_network() -> None:
    """Two addresses of one subnet need one rule, two subnets two, and IPv6 none."""
    gateway = replace(
        router(),
        interfaces=(
            interface("eth0", "home", "192.168.1.1/24", "192.168.1.2/24", "fd00:1::1/64"),
            interface("eth1", "internet", "203.0.113.1/24"),
            interface("eth2", "guests", "10.0.0.1/8"),
        ),
    )
    text = rules(replace(nat(PortPolicy.PRESERVE), hairpin=True), gateway)
    assert text.splitlines()[7:10] == [
        '\t\toifname "eth1" snat to 203.0.113.1',
        '\t\toifname "eth0" ip saddr 192.168.1.0/24 ct status dnat masquerade',
        '\t\toifname "eth2" ip saddr 10.0.0.0/8 ct status dnat masquerade',
    ]


def test_the_outside_address_is_the_first_of_ipv4() -> None:
    """What is translated gets the primary IPv4 address on the outside network, whatever else is there."""
    gateway = replace(
        router(), interfaces=(interface("eth0", "internet", "fd00::1/64", "203.0.113.1/24", "203.0.113.2/24"),)
    )
    assert outside_address(gateway, POOL) == ip_address("203.0.113.1")


def test_an_outside_without_ipv4_is_an_error() -> None:
    """There is nothing to translate to."""
    gateway = replace(router(), interfaces=(interface("eth0", "internet", "fd00::1/64"),))
    with pytest.raises(ValueError, match="router has no IPv4 address on internet"):
        outside_address(gateway, POOL)


# ---------------------------------------------------------------------------------------------- sysctls


def test_every_setting_is_looked_at_again() -> None:
    """The keys to look at are those of every sysctl step, each once, also when a lab sets one of ours anew."""
    host = replace(alice(), sysctls=(("net.ipv4.conf.all.rp_filter", "1"), ("net.ipv4.tcp_syn_retries", "2")))
    keys = sysctl_keys(host)
    assert keys == (*before(host).sysctls(), "net.ipv4.tcp_syn_retries")


def test_a_settings_step_reads_back_as_its_pairs() -> None:
    """A value may hold spaces and equal signs; only the first separator separates."""
    step = Step(kind="sysctl", lines=("a.b = 1 2", "c = x = y"))
    assert step.sysctls() == {"a.b": "1 2", "c": "x = y"}
    assert host_view({"sysctls": step.text}).sysctls == (("a.b", "1 2"), ("c", "x = y"))


def test_a_host_without_anything_only_has_its_loopback() -> None:
    """A host that is attached to nothing still talks to itself."""
    lonely = Host(name="lonely", image="socketlab/host", interfaces=())
    assert steps(lonely) == (Step(kind="ip", lines=("link set dev lo up",)),)
