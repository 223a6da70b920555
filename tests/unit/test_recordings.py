"""Which points a capture has."""

from __future__ import annotations

import dataclasses

import pytest

from lab.errors import UsageError
from lab.model import Network
from lab.recordings import capture_points
from lab.wiring import CapturePoint
from tests.unit.examples import small_lab


def test_points_are_hosts_and_networks() -> None:
    """By their names; with what they are before it if one wants; none twice."""
    lab = small_lab()
    network = lab.networks[0].name
    found = capture_points(lab, ["alice", network, "host:alice"])
    assert found == {"alice": CapturePoint(name="alice"), network: CapturePoint(name=network, is_network=True)}


def test_one_name_of_two_things() -> None:
    """Must be said with what it is."""
    lab = small_lab()
    lab = dataclasses.replace(lab, networks=(*lab.networks, Network(name="alice", subnets=())))
    with pytest.raises(UsageError, match="host:alice or network:alice"):
        capture_points(lab, ["alice"])
    assert capture_points(lab, ["network:alice", "host:alice"]) == {
        "network:alice": CapturePoint(name="alice", is_network=True),
        "host:alice": CapturePoint(name="alice"),
    }


@pytest.mark.parametrize("names", [[], ["alcie"], ["host:home"], ["network:alice"], "alice"])
def test_what_is_no_point(names: list[str]) -> None:
    """Nothing, a name that there is not, one of the other kind, and a text."""
    with pytest.raises(UsageError):
        capture_points(small_lab(), names)
