"""Observations against what a lab declares. Pure: no look is taken here.

A `Difference` says of one host what was expected and what was observed instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lab.model import Address, Endpoint, Host, Lab
from lab.observe import HostView, Socket, Translation, listeners, on_the_wire
from lab.scripts import before, nat_rules, steps


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """Something that is not as declared."""

    host: str
    subject: str
    expected: str
    observed: str

    def __str__(self) -> str:
        return f"{self.host}: {self.subject}: expected {self.expected}, observed {self.observed}"


def differences(lab: Lab, views: Mapping[str, HostView]) -> tuple[Difference, ...]:
    """Everything declared that was not seen, host by host, before any program runs."""
    found: list[Difference] = []
    for host in lab.hosts:
        view = views.get(host.name)
        if view is None:
            found.append(Difference(host=host.name, subject="host", expected="running", observed="not there"))
            continue
        found += _addresses(host, view)
        found += _routes(host, view)
        found += _rules(host, view)
        found += _sysctls(host, view)
        found += _nothing_listens(host, view)
    return tuple(found)


def _addresses(host: Host, view: HostView) -> list[Difference]:
    seen = {link.name: link for link in view.links}
    found = []
    for interface in host.interfaces:
        link = seen.get(interface.name)
        expected = _words(interface.addresses)
        subject = f"addresses of {interface.name} on {interface.network}"
        if link is None:
            found.append(Difference(host=host.name, subject=subject, expected=expected, observed="no interface"))
            continue
        # The kernel adds a link-local address to every IPv6 interface (RFC 4862 §5.3).
        observed = [address for address in link.addresses if not address.ip.is_link_local]
        if set(observed) != set(interface.addresses):
            found.append(Difference(host=host.name, subject=subject, expected=expected, observed=_words(observed)))
        if not link.up:
            found.append(
                Difference(host=host.name, subject=f"state of {interface.name}", expected="up", observed="down")
            )
    extra = sorted(set(seen) - {interface.name for interface in host.interfaces} - {"lo"})
    if extra:
        expected = _words(interface.name for interface in host.interfaces)
        found.append(
            Difference(host=host.name, subject="interfaces", expected=expected, observed=f"also {_words(extra)}")
        )
    return found


def _routes(host: Host, view: HostView) -> list[Difference]:
    expected = {("default", str(gateway)) for gateway in host.gateways}
    observed = {(route.destination, str(route.via)) for route in view.routes}
    if expected == observed:
        return []
    return [
        Difference(host=host.name, subject="routes", expected=_route_words(expected), observed=_route_words(observed))
    ]


def _route_words(pairs: set[tuple[str, str]]) -> str:
    return _words(f"{destination} via {via}" for destination, via in sorted(pairs))


def _rules(host: Host, view: HostView) -> list[Difference]:
    expected = [] if host.nat is None else [line.strip() for line in nat_rules(host, host.nat) if line.strip()]
    observed = [line.strip() for line in view.rules.splitlines() if line.strip()]
    if expected == observed:
        return []
    missing = [line for line in expected if line not in observed] or expected
    return [Difference(host=host.name, subject="nft rules", expected=_words(missing), observed=_words(observed))]


def _sysctls(host: Host, view: HostView) -> list[Difference]:
    expected = before(host).sysctls()
    for step in steps(host):
        if step.kind == "sysctl":
            expected |= step.sysctls()
    seen = dict(view.sysctls)
    return [
        Difference(host=host.name, subject=f"sysctl {key}", expected=value, observed=seen.get(key, "nothing"))
        for key, value in expected.items()
        # The kernel separates the numbers of one setting with tabs.
        if seen.get(key, "").split() != value.split()
    ]


def _nothing_listens(host: Host, view: HostView) -> list[Difference]:
    observed = sorted(map(str, listeners(view.sockets)))
    if not observed:
        return []
    return [Difference(host=host.name, subject="listening sockets", expected="none", observed=_words(observed))]


def not_listening(host: Host, view: HostView) -> list[Difference]:
    """The declared listeners of the host's programs that are not there (yet)."""
    return [
        difference
        for program in host.programs
        for difference in not_listening_at(host, view, f"program {program.name}", program.ready)
    ]


def not_listening_at(host: Host, view: HostView, subject: str, wanted: Iterable[Endpoint]) -> list[Difference]:
    """Those of the endpoints at which nothing listens (yet)."""
    if any(address.version == 6 for address in host.addresses):
        reached = view.sockets
    else:  # nobody has an address at which an IPv6-only socket could be reached
        reached = tuple(socket for socket in view.sockets if not socket.v6only)
    observed = listeners(reached)
    return [
        Difference(
            host=host.name,
            subject=subject,
            expected=f"listening on {endpoint}",
            observed=_words(sorted(map(str, observed))) if observed else "no listening socket",
        )
        for endpoint in wanted
        if not any(covers(one, endpoint) for one in observed)
    ]


def covers(listener: Endpoint, declared: Endpoint) -> bool:
    """Whether a listening endpoint is the declared one.

    A declaration without an address takes any that others can reach: a loopback address is none of them. Nor is a
    listener that serves a single device: bound to 0.0.0.0 at lo, nobody else reaches it.
    """
    same = (listener.protocol, listener.port, listener.device) == (declared.protocol, declared.port, declared.device)
    if not same or listener.address is None:
        return False
    if declared.address is None:
        return not listener.address.is_loopback
    return listener.address == declared.address


@dataclass(frozen=True, kw_only=True, slots=True)
class ThreeViews:
    """One translated connection as its three witnesses see its source: the client, the gateway, the peer."""

    client: tuple[Address, int]
    gateway_inside: tuple[Address, int]
    gateway_outside: tuple[Address, int]
    peer: tuple[Address, int]

    @property
    def agree(self) -> bool:
        """Whether the gateway's entry joins what the client and the peer see."""
        return self.client == self.gateway_inside and self.peer == self.gateway_outside


def three_views(client: Socket, entries: tuple[Translation, ...], peer: tuple[Address, int]) -> ThreeViews | None:
    """The views of the client's connection; None if the gateway has no entry for it."""
    if client.local.address is None or client.remote.address is None:
        return None
    own = (on_the_wire(client.local.address), client.local.port)
    far = (on_the_wire(client.remote.address), client.remote.port)
    seen = (on_the_wire(peer[0]), peer[1])
    for entry in entries:
        asked = (entry.original.destination, entry.original.destination_port)
        if entry.protocol == client.kind and entry.source == own and asked == far:
            before, after = entry.source, entry.source_translated
            return ThreeViews(client=own, gateway_inside=before, gateway_outside=after, peer=seen)
    return None


def _words(items: Iterable[object]) -> str:
    texts = [str(item) for item in items]
    return ", ".join(texts) if texts else "none"
