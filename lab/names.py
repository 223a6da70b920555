"""What a lab's zones come to: the records that are made for an author, master files, and what delegation reaches.

Pure, and without a DNS library: records are checked when a lab file is read (see `zones`), so here they are only text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lab.model import Host, Lab, Record, Zone

ROOT = "."
PORT = 53
"""of name servers (RFC 1035 §4.2)"""
LARGEST_TTL = 604800
"""A week; what a lab file may say."""
REFRESH, RETRY, EXPIRE = 3600, 600, 86400
"""The SOA's timers, for secondary servers, which a lab has not (RFC 1035 §3.3.13)."""


def below(name: str, zone: str) -> str:
    """The absolute name of `name` in a zone."""
    return f"{name}." if zone == ROOT else f"{name}.{zone}"


def servers(lab: Lab, zone: str) -> tuple[Host, ...]:
    """The hosts that serve a zone, in the order of the lab."""
    return tuple(host for host in lab.hosts if any(one.name == zone for one in host.zones))


def completed(lab: Lab, zone: Zone) -> tuple[Record, ...]:
    """All records of a zone: its SOA, NS records with their addresses unless it declares some, and the declared ones.

    The SOA's own TTL and its MINIMUM are both the negative TTL, since the lesser of them counts (RFC 2308 §5).
    """
    hosts = servers(lab, zone.name)
    numbers = f"1 {REFRESH} {RETRY} {EXPIRE} {zone.negative_ttl}"
    soa = f"{below(hosts[0].name, zone.name)} {below('hostmaster', zone.name)} {numbers}"
    made = [Record(name=zone.name, ttl=zone.negative_ttl, type="SOA", data=soa)]
    return (*made, *own_servers(zone, hosts), *zone.records)


def own_servers(zone: Zone, hosts: Iterable[Host]) -> tuple[Record, ...]:
    """The NS records that are made for a zone that declares none of its own, with the addresses of its hosts."""
    if any(one.type == "NS" and one.name == zone.name for one in zone.records):
        return ()
    return tuple(one for host in hosts for one in _server(zone, host))


def _server(zone: Zone, host: Host) -> Iterator[Record]:
    name = below(host.name, zone.name)
    yield Record(name=zone.name, ttl=zone.ttl, type="NS", data=name)
    if any(one.name == name for one in zone.records):
        return
    for address in host.addresses:
        kind = "A" if address.version == 4 else "AAAA"
        yield Record(name=name, ttl=zone.ttl, type=kind, data=str(address))


def zone_file(lab: Lab, zone: Zone) -> str:
    """A zone as a master file (RFC 1035 §5.1), every name absolute and every TTL written out."""
    return "".join(f"{record}\n" for record in completed(lab, zone))


def delegated(lab: Lab) -> tuple[str, ...]:
    """The zones that a resolver finds from the root: each parent names a server of it, whose address leads to one.

    If there is a root these are all zones: a lab file is refused otherwise (see `delegations`).
    """
    zones = {zone.name: zone for host in lab.hosts for zone in host.zones}
    records = {name: completed(lab, zone) for name, zone in zones.items()}
    addresses: dict[str, set[str]] = {}
    for one in (record for found in records.values() for record in found if record.type in ("A", "AAAA")):
        addresses.setdefault(one.name, set()).add(one.data)
    reached = [ROOT] if ROOT in zones else []
    for parent in reached:
        for record in records[parent]:
            if record.type != "NS" or record.name in reached or record.name not in zones:
                continue
            there = {str(address) for host in servers(lab, record.name) for address in host.addresses}
            if addresses.get(record.data, set()) & there:
                reached.append(record.name)
    return tuple(reached)


def root_hints(lab: Lab, host: Host) -> str:
    """The root servers that a resolver begins with, as a hints file: names of the hosts, and the addresses given."""
    lines = []
    for address in host.resolver.root if host.resolver else ():
        name = next((below(one.name, ROOT) for one in lab.hosts if address in one.addresses), below("root", ROOT))
        kind = "A" if address.version == 4 else "AAAA"
        lines += [f". 3600000 IN NS {name}", f"{name} 3600000 IN {kind} {address}"]
    return "".join(f"{line}\n" for line in dict.fromkeys(lines))
