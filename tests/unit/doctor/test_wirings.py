"""Which wiring `auto` takes."""

from __future__ import annotations

import itertools

import pytest

from lab.doctor.facts import Facts
from lab.doctor.wirings import KNOWN, WIRINGS, Choice, choose
from lab.wiring import fabric
from tests.unit.doctor.examples import BOTH, INSIDE, WELL, grants, inside, unreachable, without_container

NO_SEEING = ("fabric", ("pid_mode=host is refused",))
NO_JOINING = ("networks", ("joining a container's namespaces is refused",))


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
    assert choose(facts, BOTH) == choice


@pytest.mark.parametrize("name", fabric.CAPABILITIES)
def test_a_capability_of_helpers_stands_in_the_way_of_all(name: str) -> None:
    """Each is needed by whatever looks into hosts."""
    choice = choose(inside(capabilities=INSIDE.capabilities - {name}), BOTH)
    assert choice is not None
    assert choice.name == ""
    assert {one for _, obstacles in choice.obstacles for one in obstacles} == {f"{name} is not granted"}


@pytest.mark.parametrize("facts", [unreachable(), without_container("no")])
def test_without_a_look_nothing_is_chosen(facts: Facts) -> None:
    """Not tried is not refused."""
    assert choose(facts, BOTH) is None


def test_only_what_there_is_is_taken() -> None:
    """Of every selection the first that works; those that there are are known."""
    assert set(WIRINGS) <= set(KNOWN)
    for length in range(1, len(KNOWN) + 1):
        for some in itertools.permutations(KNOWN, length):
            choice = choose(WELL, some)
            assert choice is not None
            assert choice.name == some[0]
