"""Whether the zones of a lab are found from its root: what is delegated against who serves it (RFC 1034 §4.2).

Pure. Of a lab whose zones are right by themselves; one without a root has no way through the tree, so nothing is
demanded of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from lab.model import Address, Host, Lab, Record, Zone
from lab.names import PORT, ROOT, below, own_servers
from lab.text import suggestion

LAME = "a delegation to a server that does not serve the zone is lame (RFC 1912 §2.8)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """A zone that the root does not lead to, and why."""

    host: str
    zone: str
    """absolute"""
    record: Record | None
    """the one of the zone that is at fault; None: the zone itself"""
    expected: str
    observed: str
    hint: str


def faults(lab: Lab) -> Iterator[Fault]:
    """What keeps zones from being found, each once."""
    found = _Tree(lab)
    if ROOT not in found.serving:
        return
    told = [*found.delegations(), *found.undelegated()]
    yield from told or found.circles()


class _Tree:
    """The zones of a lab, and who serves them."""

    def __init__(self, lab: Lab) -> None:
        self.hosts = {address: host for host in lab.hosts for address in host.addresses}
        self.serving: dict[str, list[tuple[Host, Zone]]] = {}
        for host in lab.hosts:
            for zone in host.zones:
                self.serving.setdefault(zone.name, []).append((host, zone))
        self.addresses: dict[str, dict[str, list[Record]]] = {}
        """zone -> name -> the addresses that the zone gives it"""
        for name, served in self.serving.items():
            there = self.addresses.setdefault(name, {})
            made = own_servers(served[0][1], [host for host, _ in served])
            for one in (*made, *(record for _, zone in served for record in zone.records)):
                if one.type in ("A", "AAAA"):
                    there.setdefault(one.name, []).append(one)

    def around(self, name: str) -> str:
        """The zone of the lab that a name is in."""
        while name not in self.serving:
            name = _parent(name)
        return name

    def found(self, zone: str, ns: Record) -> list[Record]:
        """The addresses of a delegation's server: in its own zone, or where its name is unless that is behind it."""
        here = self.addresses[zone].get(ns.data, [])
        return here or ([] if _within(ns.data, ns.name) else self.addresses[self.around(ns.data)].get(ns.data, []))

    # ------------------------------------------------------------------------------- what is delegated

    def delegations(self) -> Iterator[Fault]:
        """Each leads to a host that serves the zone."""
        told: set[tuple[str, Record]] = set()
        for served in self.serving.values():
            for host, zone in served:
                for ns in _delegations(zone):
                    if (zone.name, ns) not in told:
                        yield from self.delegation(host, zone, ns)
                    told.add((zone.name, ns))

    def delegation(self, host: Host, zone: Zone, ns: Record) -> Iterator[Fault]:
        """One NS record below a zone's own name."""
        addresses = self.found(zone.name, ns)
        holders = [self.hosts.get(ip_address(one.data)) for one in addresses]
        right = [one for one, _ in self.serving.get(ns.name, ())]
        wrong = [
            (record, holder)
            for record, holder in zip(addresses, holders, strict=True)
            if holder is None or not (holder in right or _answers_by_a_program(holder))
        ]
        if not right and (wrong or not addresses):
            near = _near(ns.name, (name for name in self.serving if name != zone.name), otherwise=LAME)
            yield _fault(host, zone, ns, "a zone that a host serves", f"{ns.name}, which none does", near)
        elif not addresses:
            yield self.without_address(host, zone, ns, right)
        else:
            for record, holder in wrong:
                yield self.elsewhere(host, zone, ns, record, holder, right)

    def without_address(self, host: Host, zone: Zone, ns: Record, right: list[Host]) -> Fault:
        """Nobody can be asked who has no address."""
        is_behind = _within(ns.data, ns.name)
        place = zone.name if is_behind else self.around(ns.data)
        where = "" if place == zone.name else f" to {place}"
        line = f"{_short(ns.data, place)} {_kind(right[0].addresses[0])} {right[0].addresses[0]}"
        hint = f"add{where}: {line}, where {right[0].name} has it"
        if not is_behind:
            named = (name for there in self.addresses.values() for name in there)
            hint = _near(ns.data, named, otherwise=hint)
        glue = ", in this zone (glue)" if is_behind else ""
        return _fault(host, zone, ns, f"an address for {ns.data}, to whom {ns.name} is delegated{glue}", "none", hint)

    def elsewhere(
        self, host: Host, zone: Zone, ns: Record, record: Record, holder: Host | None, right: list[Host]
    ) -> Fault:
        """An address at which nobody knows of the zone. Glue is at fault itself; others may have more uses."""
        whose = "which no host has" if holder is None else f"which {holder.name} has, who does not serve it"
        serving = ", ".join(f"{one.name} ({_listed(one.addresses)})" for one in right)
        at = record if _within(ns.data, ns.name) and record in zone.records else ns
        expected = f"an address of a host that serves {ns.name}, which is delegated to {ns.data}"
        return _fault(host, zone, at, expected, f"{record.data}, {whose}", f"{serving} does; {LAME}")

    # --------------------------------------------------------------------------- what is not delegated

    def undelegated(self) -> Iterator[Fault]:
        """Every zone is delegated by each server of the zone above it."""
        given = {(zone.name, host.name, ns.name) for host, zone in self.all() for ns in _delegations(zone)}
        for name, served in self.serving.items():
            if name == ROOT:
                continue
            above = self.around(_parent(name))
            lacking = [host.name for host, _ in self.serving[above] if (above, host.name, name) not in given]
            if lacking:
                host, zone = served[0]
                expected = f"a delegation of {name} by the zone above it ({above})"
                server = next((one.data for one in zone.records if (one.type, one.name) == ("NS", name)), "")
                server = server or below(host.name, name)
                lines = [f"{_short(name, above)} NS {_short(server, above)}"]
                if _within(server, name):
                    lines += [f"{_short(server, above)} {_kind(one)} {one}" for one in host.addresses]
                hint = f"add to {above} of {lacking[0]}: {_listed(lines)}"
                yield _fault(host, zone, None, expected, f"none at {_listed(lacking)}", hint)

    def all(self) -> Iterator[tuple[Host, Zone]]:
        """Every zone of every host."""
        return (one for served in self.serving.values() for one in served)

    # -------------------------------------------------------------------------------------- in circles

    def circles(self) -> Iterator[Fault]:
        """Zones whose servers' addresses are each only behind the other; all else is right already."""
        reached = {ROOT}
        ways = [(host, zone, ns) for host, zone in self.all() for ns in _delegations(zone)]
        before: set[str] = set()
        while before != reached:
            before = reached
            reached = before | {
                ns.name for _, zone, ns in ways if zone.name in before and self.is_known(zone, ns, before)
            }
        told: set[str] = set()
        for host, zone, ns in ways:
            if ns.name in self.serving and ns.name not in reached | told and zone.name in reached:
                told.add(ns.name)
                expected = f"an address for {ns.data}, to whom {ns.name} is delegated, that can be known before"
                observed = f"one in {self.around(ns.data)} alone, to which no way leads"
                address = self.found(zone.name, ns)[0]
                hint = f"name a server below {ns.name}, and add its address {address.data} here (glue)"
                yield _fault(host, zone, ns, expected, observed, hint)

    def is_known(self, zone: Zone, ns: Record, reached: set[str]) -> bool:
        """Whether a server's address can be had from what is reached."""
        return ns.data in self.addresses[zone.name] or self.around(ns.data) in reached


def _delegations(zone: Zone) -> Iterator[Record]:
    return (one for one in zone.records if one.type == "NS" and one.name != zone.name)


def _answers_by_a_program(host: Host) -> bool:
    """What a program of an author's own answers cannot be known."""
    return any(endpoint.port == PORT for program in host.programs for endpoint in program.ready)


def _parent(name: str) -> str:
    return name.partition(".")[2] or ROOT


def _within(name: str, zone: str) -> bool:
    return zone == ROOT or f".{name}".endswith(f".{zone}")


def _short(name: str, zone: str) -> str:
    """A name as it is written in a zone."""
    if name == zone or not _within(name, zone):
        return "@" if name == zone else name
    return name.removesuffix("." if zone == ROOT else f".{zone}")


def _near(name: str, names: Iterable[str], *, otherwise: str) -> str:
    # Without the dot at the end, which makes short names alike that are not.
    return suggestion(name.removesuffix("."), (one.removesuffix(".") for one in names), otherwise=otherwise)


def _kind(address: Address) -> str:
    return "A" if address.version == 4 else "AAAA"


def _listed(items: Iterable[object]) -> str:
    return ", ".join(str(item) for item in items)


def _fault(host: Host, zone: Zone, record: Record | None, expected: str, observed: str, hint: str) -> Fault:
    return Fault(host=host.name, zone=zone.name, record=record, expected=expected, observed=observed, hint=hint)
