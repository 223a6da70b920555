"""Which wiring `auto` takes."""

from __future__ import annotations

import itertools

import pytest

from lab.building import WIRINGS
from lab.doctor.facts import Facts, Feature
from lab.doctor.wirings import OBSTACLES, Choice, choose
from lab.wiring import agent
from tests.unit.doctor.examples import INSIDE, WELL, grants, inside, lacking, unreachable, without_container

NO_SEEING = ("fabric", ("pid_mode=host is refused",))
NO_JOINING = ("networks", ("pid_mode=container:… is refused",))


@pytest.mark.parametrize(
    ("facts", "choice"),
    [
        (WELL, Choice(name="fabric", obstacles=())),
        (grants(joining="denied"), Choice(name="fabric", obstacles=())),
        (grants(machine_processes="denied"), Choice(name="networks", obstacles=(NO_SEEING,))),
        (grants(machine_processes="denied", joining="denied"), Choice(name="", obstacles=(NO_SEEING, NO_JOINING))),
    ],
)
def test_the_first_that_works_is_taken(facts: Facts, choice: Choice) -> None:
    """And it is known what stood in the way of those before it."""
    assert choose(facts) == choice


@pytest.mark.parametrize("name", agent.CAPABILITIES)
def test_a_capability_of_helpers_stands_in_the_way_of_all(name: str) -> None:
    """Each is needed by whatever looks into hosts."""
    choice = choose(inside(capabilities=INSIDE.capabilities - {name}))
    assert choice is not None
    assert choice.name == ""
    assert {one for _, obstacles in choice.obstacles for one in obstacles} == {f"{name} is not granted"}


@pytest.mark.parametrize("facts", [unreachable(), without_container("no")])
def test_without_a_look_nothing_is_chosen(facts: Facts) -> None:
    """Not tried is not refused."""
    assert choose(facts) is None


@pytest.mark.parametrize(
    ("facts", "obstacle"),
    [
        (grants(network="denied"), "no Docker network is to be had"),
        (lacking(Feature.VXLAN), "the kernel has no VXLAN"),
    ],
)
def test_networks_need_more_than_a_way_into_hosts(facts: Facts, obstacle: str) -> None:
    """What carries their frames; the fabric needs none of it."""
    assert choose(facts, ("networks",)) == Choice(name="", obstacles=(("networks", (obstacle,)),))
    assert choose(facts) == Choice(name="fabric", obstacles=())


def test_every_wiring_is_judged() -> None:
    """In the order of `auto`; of every selection that is asked for the first that works is taken."""
    assert tuple(OBSTACLES) == WIRINGS
    for length in range(1, len(WIRINGS) + 1):
        for some in itertools.permutations(WIRINGS, length):
            choice = choose(WELL, some)
            assert choice is not None
            assert choice.name == some[0]
