"""The fabric: one trusted helper container holds all of an instance's segments and looks into its hosts.

Two parts: pure text (`helper`, `links`), and `Fabric`, a client of the helper's agent (images/fabric/agent).
The helper has no network of its own and sees the machine's processes, so that it can enter the hosts' network
namespaces; the machine has no device on any segment, so nothing of it can be reached from a lab.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from lab.model import Host, Interface, Lab
from lab.plan import LABEL_DESCRIPTION, LABEL_HOSTS, LABEL_WIRING, Container, Plan, container_name, labels
from lab.scripts import Step, before, steps
from lab.wiring import CapturePoint, agent, impairments
from lab.wiring.agent import Agent, as_sent
from lab.wiring.refusals import first_error, refusals

NAME = "fabric"


def helper(plan: Plan, *, images: Mapping[str, str], description: str) -> Container:
    """The helper container. It carries the lab's description, and its name is the instance's lock."""
    return agent.container(
        container_name(plan.instance),
        images=images,
        labels=(
            *labels(plan.lab, plan.instance, "fabric"),
            (LABEL_WIRING, NAME),
            (LABEL_HOSTS, str(len(plan.lab.hosts))),
            (LABEL_DESCRIPTION, description),
        ),
        hostname="fabric",
        pid_mode="host",
    )


def links(lab: Lab, host: Host | None = None) -> tuple[str, ...]:
    """Lines for ip(8) that make a bridge per network and a veth pair per interface.

    `{pid:NAME}` stands for the process whose network namespace gets the far end. With a host, only what it needs.
    """
    at = bridges(lab)
    lines = []
    for network in impairments.ports(lab, host):
        # Short names may read as keywords of ip(8), hence `dev` everywhere; the alias tells a reader.
        lines += [
            f"link add dev {at[network]} type bridge mcast_snooping 0",
            f"link set dev {at[network]} alias {network} up",
        ]
    for number, index, other, interface in _interfaces(lab, host):
        lines.append(
            f"link add dev {impairments.port(number, index)} master {at[interface.network]} up type veth "
            f"peer name {interface.name} address {impairments.mac(number, index)} netns {{pid:{other.name}}}"
        )
    return tuple(lines)


def bridges(lab: Lab) -> dict[str, str]:
    """The name of every network's bridge."""
    return {network.name: impairments.bridge(index) for index, network in enumerate(lab.networks)}


def _interfaces(lab: Lab, host: Host | None) -> Iterator[tuple[int, int, Host, Interface]]:
    """(number of the host, number of the interface, host, interface), of all hosts or one."""
    for number, other in enumerate(lab.hosts):
        if host is None or other.name == host.name:
            for index, interface in enumerate(other.interfaces):
                yield number, index, other, interface


def known(lab: Lab, host: Host | None = None) -> Step:
    """Lines for bridge(8): behind each port is the interface that is there, and nothing else.

    Every hardware address is known before. A bridge that learned them would believe whoever sends in another's name,
    and keep what it learned after a reset; one that floods would give to all what is for nobody.
    """
    lines: list[str] = []
    for number, index, _, _ in _interfaces(lab, host):
        port = impairments.port(number, index)
        lines += [
            f"link set dev {port} learning off flood off",
            f"fdb replace {impairments.mac(number, index)} dev {port} master static",
        ]
    return Step(kind="bridge", lines=tuple(lines))


def segment_steps(lab: Lab, host: Host | None = None) -> tuple[Step, ...]:
    """What is carried out once the links are there, beside them."""
    return (known(lab, host), *impairments.steps(lab, host))


def request(
    lab: Lab, hosts: Iterable[Host], *, joints: Iterable[str] = (), links: Iterable[str], segments: Iterable[Step]
) -> dict[str, object]:
    """What an agent is asked for, to wire some hosts: see `Network.wire` in images/fabric/agent/network.py."""
    hosts = tuple(hosts)
    return {
        "before": {host.name: before(host).sysctls() for host in hosts},
        "joints": "".join(f"{line}\n" for line in joints),
        "links": "".join(f"{line}\n" for line in links),
        "segments": [as_sent(step) for step in segments],
        "rules_needed": impairments.rules_needed(lab),
        "hosts": {host.name: [as_sent(step) for step in (impairments.features(host), *steps(host))] for host in hosts},
    }


class Fabric(Agent):
    """A connection to the one agent of an instance; satisfies `lab.wiring.Wiring`."""

    def wire(self, plan: Plan) -> str:
        """See Wiring."""
        lab = plan.lab
        with refusals(lab):
            refused: str = self.ask("wire", **request(lab, lab.hosts, links=links(lab), segments=segment_steps(lab)))
        return first_error(refused)

    def clean(self, lab: Lab, hosts: Iterable[str]) -> None:
        """See Wiring."""
        names = list(hosts)
        gateways = [name for name in names if lab.host(name).nat is not None]
        # What is on the segments is all hosts' together.
        whole = {host.name for host in lab.hosts} <= set(names)
        queues = [as_sent(step) for step in impairments.emptied(lab).values()] if whole else []
        self.ask("clean", hosts=names, gateways=gateways, queues=queues, counters=whole)

    def segments(self, lab: Lab) -> dict[str, str]:
        """See Wiring."""
        del lab
        found: dict[str, str] = self.ask("segments")
        return found

    def segment_rules(self, lab: Lab) -> tuple[str, ...]:
        """See Wiring."""
        return impairments.rules(lab)

    def capture(self, lab: Lab, points: Iterable[CapturePoint], *, limit: int) -> int:
        """See Wiring."""
        at = bridges(lab)
        places = [{"bridge": at[one.name]} if one.is_network else {"host": one.name} for one in points]
        return int(self.ask("capture", points=places, limit=limit))
