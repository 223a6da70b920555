"""What the values of a lab say of themselves."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_address

import pytest

from lab import model
from lab.model import Endpoint, PortRange, Protocol
from tests.unit.examples import alice, rich_lab, router, small_lab


@pytest.mark.parametrize(("port", "inside"), [(39999, False), (40000, True), (40999, True), (41000, False)])
def test_both_ends_of_a_port_range_belong_to_it(port: int, inside: bool) -> None:
    """40000-40999 is a thousand ports."""
    assert (port in PortRange(low=40000, high=40999)) is inside


@pytest.mark.parametrize(
    ("address", "text"),
    [(None, "udp/53"), ("192.0.2.1", "udp/192.0.2.1:53"), ("fd00::1", "udp/[fd00::1]:53")],
)
def test_an_endpoint_prints_as_a_lab_file_writes_it(address: str | None, text: str) -> None:
    """An IPv6 address stands in brackets (RFC 3986 §3.2.2), and no address leaves the port alone."""
    found = None if address is None else ip_address(address)
    assert str(Endpoint(protocol=Protocol.UDP, address=found, port=53)) == text


def test_a_host_is_found_by_its_name() -> None:
    """And a name that no host has is a KeyError."""
    lab = small_lab()
    assert lab.host("router") is lab.hosts[1]
    with pytest.raises(KeyError, match="nobody"):
        lab.host("nobody")


def test_an_interface_is_found_by_its_network() -> None:
    """And a network that the host is not attached to is a KeyError."""
    assert router().interface_on("internet").name == "eth1"
    with pytest.raises(KeyError, match="internet"):
        alice().interface_on("internet")


def test_a_gateway_is_what_forwards() -> None:
    """A host with `nat` is a router, another is not."""
    assert router().forwards_packets
    assert not alice().forwards_packets


def test_labs_are_values() -> None:
    """Two labs made of equal parts are one and the same value, and no part of one can be changed."""
    assert small_lab() == small_lab()
    assert len({small_lab(), small_lab(), rich_lab()}) == 2
    for kind in vars(model).values():
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            assert kind.__dataclass_params__.frozen, kind  # type: ignore[attr-defined]
