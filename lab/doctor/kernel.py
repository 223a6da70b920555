"""What labs need of the kernel of the engine's machine, and a row for each. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lab.doctor import wirings
from lab.doctor.facts import Facts, Feature
from lab.doctor.rows import Row, degraded, missing, ok, untried, untried_because
from lab.errors import NotUpError
from lab.wiring import fabric, networks
from lab.wiring.refusals import INGRESS


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """What works, what follows where it does not, and what has to be there."""

    works: str
    follows: str
    do: str
    vital: bool = False
    capability: str = "NET_ADMIN"
    """what trying it takes"""


NEEDS = {
    Feature.PIDFD: Need(
        works="processes can be held",
        follows="no lab comes up",
        do="Linux 5.3 or newer",
        vital=True,
        capability="",
    ),
    Feature.LINKS: Need(
        works="bridges and veth pairs", follows="no lab comes up", do="a kernel with BRIDGE and VETH", vital=True
    ),
    Feature.VXLAN: Need(
        works="frames carried in datagrams",
        follows=f"the wiring {networks.NAME} does not work",
        do=f"a kernel with VXLAN; {fabric.NAME} can do without",
    ),
    Feature.NAT: Need(
        works="nft translates sources and destinations",
        follows="labs with `nat` do not come up",
        do="a kernel with NF_TABLES, NF_TABLES_IPV4, NF_CONNTRACK, NFT_CT, NFT_NAT and NFT_MASQ",
        vital=True,
    ),
    Feature.CONNTRACK: Need(
        works="connections are tracked, and told",
        follows="labs with `nat` do not come up, and `lab nat` shows nothing",
        do="a kernel with NF_CONNTRACK and NF_CT_NETLINK",
        vital=True,
    ),
    Feature.EVENTS: Need(
        works="their events, too",
        follows="`lab nat --follow` and `lab.events` do not work",
        do="a kernel with NF_CONNTRACK_EVENTS",
    ),
    Feature.INGRESS: Need(
        works="nft's netdev hook for what comes in",
        follows="networks count no packets, and labs with `loss` do not come up",
        do=f"a kernel with {INGRESS}",
    ),
    Feature.NUMGEN: Need(
        works="nft's random numbers", follows="labs with `loss` do not come up", do="a kernel with NFT_NUMGEN"
    ),
    Feature.NETEM: Need(
        works="tc's netem",
        follows="labs with `delay` or `reorder` do not come up",
        do="a kernel with NET_SCH_NETEM; some distributions have it in a package of their own",
    ),
    Feature.SOCK_DIAG: Need(
        works="ss is told of sockets by the kernel",
        follows="`lab sockets` says less: not whether a socket is of IPv6 only",
        do="a kernel with INET_DIAG, INET_TCP_DIAG and INET_UDP_DIAG",
        capability="",
    ),
    Feature.SOCK_DESTROY: Need(
        works="ss -K closes sockets",
        follows="`lab reset` fails where sockets have to be closed, so that hosts can be used once only",
        do="a kernel with INET_DIAG_DESTROY",
    ),
    Feature.PACKET: Need(
        works="packet sockets", follows="`lab capture` fails", do="a kernel with PACKET", capability="NET_RAW"
    ),
    Feature.IPV6: Need(
        works="addresses and translation of IPv6",
        follows="labs with an IPv6 address do not come up",
        do="a kernel with IPV6 and NF_TABLES_IPV6, without ipv6.disable=1",
    ),
}


def kernel(facts: Facts) -> Iterator[Row]:
    """What the engine's kernel has."""
    grants, inside = facts.grants, facts.inside
    yield ok("kernel", facts.engine.kernel) if facts.engine else untried("kernel", untried_because(facts))
    for feature, need in NEEDS.items():
        if grants is None or inside is None:
            yield untried(feature, untried_because(facts))
        elif need.capability and wirings.lacking(grants, inside, of=(need.capability,)):
            yield untried(feature, f"{need.capability} is not granted")
        else:
            yield _feature(feature, need, inside.features[feature])


CONFINED = ("not permitted", "permission denied")
"""What is said (EPERM, EACCES) where the kernel may well have it, and does not let a container use it."""


def _feature(feature: Feature, need: Need, said: str) -> Row:
    if not said:
        return ok(feature, need.works)
    do = need.do
    if any(one in said.lower() for one in CONFINED):
        do = "see what confines containers, such as the engine's seccomp profile: they must be allowed to use it"
    if need.vital:
        return missing(feature, said, follows=need.follows, do=do, code=NotUpError.exit_code)
    return degraded(feature, said, follows=need.follows, do=do)
