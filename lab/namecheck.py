"""Zones, resolvers and caches of a lab file against the rest of it. The part of `crosscheck` that is about names.

Pure. Every mistake is noted through the Checker, each at the line of the file where it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab import schema
from lab.delegations import faults
from lab.model import Address, Lab, Record, Resolver, Zone
from lab.names import PORT, ROOT, below
from lab.yamltree import Path

if TYPE_CHECKING:
    from lab.crosscheck import Checker

DNS_IMAGE = "socketlab/dns"
MOST_RECORDS = 2000
"""Of a lab: they travel in a label of a container, as programs do."""


class NameChecker:
    """Looks at what the hosts of a file say about names."""

    def __init__(self, checker: Checker) -> None:
        self.checker = checker
        self.parts = checker.file.services
        self.servers: dict[str, list[str]] = {}
        """zone -> the hosts that serve it"""
        self.records = 0

    def zones(self) -> dict[str, tuple[Zone, ...]]:
        """Every host's zones."""
        for host, part in self.parts.items():
            for key in part.x_lab.zones:
                self.servers.setdefault(absolute(key), []).append(host)
        found: dict[str, tuple[Zone, ...]] = {}
        aliases: dict[str, tuple[str, Path]] = {}
        for host, part in self.parts.items():
            found[host] = tuple(self.zone(host, key, one, aliases) for key, one in part.x_lab.zones.items())
            self.place(host, part)
        self.circles(aliases)
        return found

    def place(self, host: str, part: schema.ServicePart) -> None:
        """Whether the host has a name server, and its port for one of them alone."""
        here: Path = ("services", host, "x-lab")
        wanted = [key for key, given in (("zones", part.x_lab.zones), ("resolver", part.x_lab.resolver)) if given]
        for key in wanted:
            if part.image in schema.IMAGES and part.image != DNS_IMAGE:
                hint = f"image: {DNS_IMAGE} has"
                expected = "an image that has a name server"
                self.checker.problem((*here, key), expected, part.image, hint, at_key=True)
        if len(wanted) > 1:
            hint = "give it a host of its own; servers of zones do not resolve for others"
            self.checker.problem((*here, "resolver"), f"port {PORT} to be free", "zones beside it", hint, at_key=True)
        if part.x_lab.cache is not None and not part.dns and self.checker.whole:
            hint = "what it cannot ask, it cannot remember"
            self.checker.problem((*here, "cache"), "`dns` beside `cache`", "none", hint)
        self.programs(host, part, wanted)

    def programs(self, host: str, part: schema.ServicePart, wanted: list[str]) -> None:
        """A program that would take the name or the port of a daemon."""
        names = [*(["nsd"] * ("zones" in wanted)), *(["unbound"] * ("resolver" in wanted))]
        names += ["nscd"] if part.x_lab.cache is not None else []
        for name, program in part.x_lab.programs.items():
            where: Path = ("services", host, "x-lab", "programs", name)
            if name in names:
                self.checker.problem(where, "another name", f"{name}, as a daemon of {host} is called", at_key=True)
            for index, endpoint in enumerate(program.ready):
                if wanted and endpoint.port == PORT:
                    observed = f"{endpoint}, where {host}'s name server listens"
                    self.checker.problem((*where, "ready", index), "another port", observed)

    def zone(self, host: str, key: str, part: schema.ZonePart, aliases: dict[str, tuple[str, Path]]) -> Zone:
        """One zone of one host."""
        from lab.zones import RecordError, conflicts, record

        here: Path = ("services", host, "x-lab", "zones", key)
        name = absolute(key)
        first = next(other for other in self.parts[host].x_lab.zones if absolute(other) == name)
        if first != key:
            self.checker.problem(here, "each zone once", f"{key} beside {first}", at_key=True)
        found: list[tuple[int, Record]] = []
        for index, line in enumerate(part.records):
            self.records += 1
            if self.records > MOST_RECORDS:
                if self.records == MOST_RECORDS + 1:
                    self.checker.problem((*here, "records", index), f"at most {MOST_RECORDS} records in all", "more")
                break
            try:
                found.append((index, record(line, zone=name, ttl=part.ttl)))
            except RecordError as error:
                self.checker.problem((*here, "records", index), error.expected, error.observed, error.hint)
        made = any(one.type == "NS" and one.name == name for _, one in found)
        servers = [] if made else [below(server, name) for server in self.servers[name]]
        for index, fault in conflicts(name, found, servers):
            self.checker.problem((*here, "records", index), fault.expected, fault.observed, fault.hint)
        for index, one in found:
            if one.type == "CNAME":
                aliases.setdefault(one.name, (one.data, (*here, "records", index)))
        return Zone(name=name, ttl=part.ttl, negative_ttl=part.negative_ttl, records=tuple(one for _, one in found))

    def circles(self, aliases: dict[str, tuple[str, Path]]) -> None:
        """No alias leads back to itself, also through other zones."""
        if not aliases:
            return
        from lab.zones import circles

        for names in circles({name: target for name, (target, _) in aliases.items()}):
            way = " -> ".join((*names, names[0]))
            hint = "give one of these names a record with data, such as A, in the place of its CNAME"
            self.checker.problem(aliases[names[-1]][1], "an alias that ends at a name with data", way, hint)

    def delegations(self, lab: Lab) -> None:
        """Every zone is found from the root. Of a lab whose zones and addresses have no faults."""
        for fault in faults(lab) if ROOT in self.servers else ():
            zones = self.parts[fault.host].x_lab.zones
            here: Path = ("services", fault.host, "x-lab", "zones", next(k for k in zones if absolute(k) == fault.zone))
            if fault.record is not None:
                records = next(one.records for one in self.checker.zones[fault.host] if one.name == fault.zone)
                here = (*here, "records", records.index(fault.record))
            self.checker.problem(here, fault.expected, fault.observed, fault.hint, at_key=fault.record is None)

    def resolver(self, host: str, part: schema.ResolverPart) -> Resolver:
        """A host that resolves for others; it begins where the root zone is served."""
        here: Path = ("services", host, "x-lab", "resolver", "root")
        if not part.root:
            self.checker.problem(here, "at least one address of a host that serves the zone .", "none")
        for index, address in enumerate(part.root):
            self.root(address, (*here, index))
        return Resolver(root=tuple(dict.fromkeys(part.root)))

    def root(self, address: Address, path: Path) -> None:
        """One address at which a resolver begins."""
        if not self.checker.whole:
            return
        expected = "an address of a host that serves the zone ."
        there = self.servers.get(ROOT, [])
        holder = self.checker.holder(self.checker.subnets, address)
        hint = f"{there[0]} does" if there else "no host does; declare it: zones: {.: {records: […]}}"
        if holder is None:
            self.checker.problem(path, expected, f"{address}, which no host has", hint)
        elif holder not in there:
            self.checker.problem(path, expected, f"{address} of {holder}, which does not", hint)

    def answers(self, host: str) -> bool:
        """Whether a host can be a name server to others: a daemon of ours, or a program of its own."""
        part = self.parts[host].x_lab
        ready = (endpoint for program in part.programs.values() for endpoint in program.ready)
        return bool(part.zones or part.resolver) or any(endpoint.port == PORT for endpoint in ready)


def absolute(zone: str) -> str:
    """A zone's name with the dot that ends it, in lower case."""
    return ROOT if zone == ROOT else zone.lower().removesuffix(".") + "."
