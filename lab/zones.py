"""Lines of master files (RFC 1035 §5.1) -> records, and which records cannot stand beside each other.

Pure. The only place where dnspython reads what an author wrote; it is imported when a lab file has a zone, because
most have none and every command reads a lab file first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import ip_address

import dns.exception
import dns.name
import dns.rdata

from lab.model import Record
from lab.names import LARGEST_TTL, ROOT
from lab.text import suggestion
from lab.yamltree import shown

SHAPES = {
    "A": "an IPv4 address, such as 192.0.2.80",
    "AAAA": "an IPv6 address, such as 2001:db8::80",
    "CAA": 'flags, a tag and a value, such as 0 issue "ca.example"',
    "CNAME": "a name, such as www or www.example.com.",
    "HINFO": "two texts",
    "HTTPS": "a priority, a name and parameters, such as 1 . alpn=h2",
    "MX": "a preference and a name, such as 10 mail",
    "NAPTR": "order, preference, flags, service, a regular expression and a name",
    "NS": "the name of a server, such as ns or ns.example.com.",
    "PTR": "a name, such as www.example.com.",
    "SRV": "a priority, a weight, a port and a name, such as 0 0 8000 www",
    "SSHFP": "an algorithm, a kind of fingerprint and the fingerprint",
    "SVCB": "a priority, a name and parameters, such as 1 www port=8000",
    "TLSA": "usage, selector, matching type and data",
    "TXT": 'texts in quotes, such as "hello world"',
    "URI": "a priority, a weight and a URI in quotes",
}
"""The types that a record may have, and what follows them."""
OTHER_CLASSES = ("CH", "CS", "HS", "ANY")
LINE = "a record: NAME [TTL] [IN] TYPE RDATA, such as www A 192.0.2.80"
WORD = re.compile(r"(\S+)\s*")


class RecordError(ValueError):
    """A line that is no record: what was expected, what was observed, what to do."""

    def __init__(self, expected: str, observed: str, hint: str = "") -> None:
        super().__init__(expected)
        self.expected = expected
        self.observed = observed
        self.hint = hint


def record(line: str, *, zone: str, ttl: int) -> Record:
    """The record in a line of a zone, whose name is absolute. `ttl` is what it has if it says none.

    Raises RecordError.
    """
    name, rest = _word(line)
    given, kind, data = _head(rest, line)
    origin = dns.name.from_text(zone)
    owner = _owner(name, zone, origin)
    written, kind = kind, kind.upper()
    if kind not in SHAPES:
        raise RecordError("a type of record", shown(written), _about_type(kind))
    if not data:
        raise RecordError(f"{SHAPES[kind]} after {kind}", "nothing")
    _names_and_addresses(kind, data, zone)
    try:
        rdata = dns.rdata.from_text("IN", kind, data, origin=origin, relativize=False)
        text = rdata.to_text(relativize=False)
    except (dns.exception.DNSException, ValueError, IndexError, OverflowError) as error:
        raise RecordError(f"{SHAPES[kind]} after {kind}", shown(data), _why(kind, data)) from error
    return Record(
        name=owner,
        ttl=ttl if given is None else given,
        type=kind,
        data=text.lower() if kind in ("NS", "CNAME", "PTR") else text,
    )


def _word(text: str) -> tuple[str, str]:
    found = WORD.match(text.strip())
    return (found[1], text.strip()[found.end() :]) if found else ("", "")


def _head(text: str, line: str) -> tuple[int | None, str, str]:
    """TTL (None if there is none), type, and what follows; TTL and class come in either order."""
    given: int | None = None
    word, rest = _word(text)
    while word:
        if word.isascii() and word.isdigit() and given is None:
            given = int(word) if len(word) < 10 else LARGEST_TTL + 1
            if given > LARGEST_TTL:
                raise RecordError(f"a TTL from 0 to {LARGEST_TTL} seconds", shown(word))
        elif re.fullmatch(r"-?[0-9]+[A-Za-z]?|[0-9]+[smhdwSMHDW]([0-9]+[smhdwSMHDW])+", word):
            raise RecordError("a TTL in seconds", shown(word), "write it once, in decimal digits only")
        elif word.upper() in OTHER_CLASSES:
            raise RecordError("the class IN, or none", shown(word), "a lab's records are of the internet's class")
        elif word.upper() != "IN":
            return given, word, rest
        word, rest = _word(rest)
    raise RecordError(LINE, shown(line))


def _owner(name: str, zone: str, origin: dns.name.Name) -> str:
    _complete(name, zone)
    try:
        owner = dns.name.from_text(name, origin)
    except (dns.exception.DNSException, UnicodeError) as error:
        hint = "a label has 1 to 63 characters, a name 253"
        raise RecordError("a name of the zone first", shown(name), hint) from error
    if not owner.is_subdomain(origin):
        hint = "a name that ends with a dot is absolute; declare it in its own zone"
        raise RecordError(f"a name in the zone {zone}", shown(name), hint)
    return owner.canonicalize().to_text()


def _complete(name: str, zone: str) -> None:
    """A name with the zone's at its end, and no dot after it, would get that a second time."""
    short = zone.removesuffix(".")
    if zone != ROOT and f".{name.lower()}".endswith(f".{short}"):
        hint = f"without the dot it would mean {name}.{zone}"
        raise RecordError("a dot at the end of a whole name", shown(name), hint)


def _names_and_addresses(kind: str, data: str, zone: str) -> None:
    if kind not in ("NS", "CNAME", "PTR"):
        return
    name, _ = _word(data)
    if not _is_address(name):
        _complete(name, zone)
        return
    raise RecordError(f"{SHAPES[kind]} after {kind}", shown(name), "an address is an A or AAAA record of that name")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _why(kind: str, data: str) -> str:
    try:
        version = ip_address(data.split()[0]).version
    except ValueError:
        return "write it in quotes" if kind == "TXT" and '"' not in data else ""
    if kind == "A" and version == 6:
        return "AAAA is the type for IPv6 addresses"
    return "A is the type for IPv4 addresses" if kind == "AAAA" and version == 4 else ""


def _about_type(kind: str) -> str:
    if kind == "SOA":
        return "the SOA is made for you; negative_ttl is its MINIMUM (RFC 2308)"
    if _is_address(kind):
        return "a line begins with a name"
    return suggestion(kind, SHAPES, otherwise=f"there are {', '.join(SHAPES)}")


# -------------------------------------------------------------------------------- records of one zone


def conflicts(
    zone: str, records: Iterable[tuple[int, Record]], servers: Iterable[str]
) -> Iterator[tuple[int, RecordError]]:
    """What cannot be together, by the number of the record that comes later.

    `servers` are the names of the zone's servers whose addresses are made for the author.
    """
    sets: dict[str, list[tuple[int, Record]]] = {}
    for number, one in records:
        before = [other for _, other in sets.setdefault(one.name, [])]
        fault = _conflict(zone, one, before, servers)
        if fault is not None:
            yield number, fault
        sets[one.name].append((number, one))


def _conflict(zone: str, one: Record, before: list[Record], servers: Iterable[str]) -> RecordError | None:
    if one.type == "CNAME" and one.name == zone:
        hint = "the zone's SOA and NS records are there (RFC 1034 §3.6.2)"
        return RecordError("another type than CNAME for the zone's own name", one.data, hint)
    if one.type == "CNAME" and one.name in servers:
        hint = f"declare the zone's NS records if {one.name} is not its server"
        return RecordError("the addresses of the zone's server", f"a CNAME of {one.name}", hint)
    alias = next((other for other in before if "CNAME" in (one.type, other.type)), None)
    if alias is not None:
        expected = f"nothing beside the CNAME of {one.name}"
        return RecordError(expected, f"{one.type} beside {alias.type}", "an alias has no other data (RFC 1034 §3.6.2)")
    same = [other for other in before if other.type == one.type]
    if any(other.data == one.data for other in same):
        return RecordError("each record once", f"{one.name} {one.type} {one.data} again")
    if any(other.ttl != one.ttl for other in same):
        expected = f"the TTL {same[0].ttl}, as the other {one.type} record of {one.name} has"
        return RecordError(expected, str(one.ttl), "records of one name and type have one TTL (RFC 2181 §5.2)")
    return None


def circles(aliases: dict[str, str]) -> Iterator[tuple[str, ...]]:
    """The circles that CNAMEs lead in: the names of each, from the one where it was entered first."""
    done: set[str] = set()
    for start in aliases:
        way: list[str] = []
        name = start
        while name in aliases and name not in done and name not in way:
            way.append(name)
            name = aliases[name]
        if name in way:
            yield tuple(way[way.index(name) :])
        done.update(way)
