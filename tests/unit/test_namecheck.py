"""Names against the rest of a lab file, beyond what labfiles/{good,bad} show."""

from __future__ import annotations

import time

import pytest

from lab import composefile
from lab.errors import LabFileError
from lab.model import Lab
from lab.namecheck import MOST_RECORDS, absolute

TOP = "networks: {lan: {ipam: {config: [{subnet: 10.0.0.0/16}]}}}\nservices:\n"
HOST = "  %s:\n    image: socketlab/dns\n    networks: {lan: {ipv4_address: 10.0.0.%d}}\n"
BOUND_SECONDS = 4
"""Of this process' own time: many times what is needed, and far below what anything quadratic takes."""


def parse(text: str) -> Lab:
    """A lab from a text."""
    return composefile.parse(text.encode(), source="lab.yaml", default_name="lab", read=lambda _: b"", variables={})


def faults(text: str) -> list[str]:
    """Key, expectation and observation of each fault."""
    with pytest.raises(LabFileError) as caught:
        parse(text)
    return [f"{one.key}: {one.expected}: {one.observed}" for one in caught.value.problems]


def zone(*records: str) -> str:
    """A host with one zone."""
    lines = "".join(f"            - {record}\n" for record in records)
    return TOP + HOST % ("ns", 2) + f"    x-lab:\n      zones:\n        com:\n          records:\n{lines}"


@pytest.mark.parametrize(
    ("written", "name"), [(".", "."), ("com", "com."), ("com.", "com."), ("Example.COM", "example.com.")]
)
def test_a_zone_has_one_name(written: str, name: str) -> None:
    """With or without the dot at its end, in any case."""
    assert absolute(written) == name


def test_a_lab_has_room_for_many_records() -> None:
    """As many as are allowed, a chain of aliases of them at that, take no time."""
    began = time.process_time()
    records = [f"n{number} CNAME n{number + 1}" for number in range(MOST_RECORDS - 1)]
    host = parse(zone(*records, f"n{MOST_RECORDS - 1} A 10.0.0.2")).host("ns")
    assert len(host.zones[0].records) == MOST_RECORDS
    assert time.process_time() - began < BOUND_SECONDS


def test_too_many_records_are_told_once() -> None:
    """Whatever their number, and what is in them."""
    found = faults(zone(*(f"n{number} A 10.0.0.2" for number in range(MOST_RECORDS + 50))))
    assert found == [
        f"services.ns.x-lab.zones.com.records[{MOST_RECORDS}]: at most {MOST_RECORDS} records in all: more"
    ]


def test_a_fault_elsewhere_has_no_faults_of_names_in_its_wake() -> None:
    """A host of which something could not be read may be what others need: nothing is said of its zones."""
    root = HOST % ("root", 1) + "    pids_limit: many\n    x-lab: {zones: {.: {}}}\n"
    resolver = HOST % ("resolver", 3) + "    x-lab: {resolver: {root: [10.0.0.1]}}\n"
    client = HOST % ("client", 4) + "    dns: [10.0.0.1]\n    x-lab: {cache: nscd}\n"
    found = faults(TOP + root + resolver + client)
    assert [line.partition(":")[0] for line in found] == ["services.root.pids_limit"]


def test_aliases_of_several_hosts_make_one_circle() -> None:
    """A zone that two hosts serve is looked at once for it."""
    text = TOP
    for number, host in enumerate(("one", "two"), 1):
        text += HOST % (host, number) + "    x-lab: {zones: {com: {records: [a CNAME b, b CNAME a]}}}\n"
    assert [line.partition(":")[0] for line in faults(text)] == ["services.one.x-lab.zones.com.records[1]"]


def test_without_a_root_no_delegation_is_demanded() -> None:
    """Hosts ask a server of a zone by its address then, and what it delegates may be nowhere."""
    lab = parse(zone("kid NS ns.nowhere.", "lame NS ns"))
    assert [one.type for one in lab.host("ns").zones[0].records] == ["NS", "NS"]


def test_many_zones_are_held_against_their_delegations_in_time() -> None:
    """As many as a file has room for, each a circle with the next."""
    count = 1000
    text = TOP + HOST % ("root", 1) + "    x-lab:\n      zones:\n        .:\n          records:\n"
    text += "".join(f"            - z{number} NS ns.z{(number + 1) % count}\n" for number in range(count))
    text += HOST % ("ns", 2) + "    x-lab:\n      zones:\n" + "".join(f"        z{n}: {{}}\n" for n in range(count))
    began = time.process_time()
    assert len(faults(text)) == count
    assert time.process_time() - began < BOUND_SECONDS
