"""Which wirings an engine allows, and which of them `--wiring auto` takes. Pure.

A wiring is added by a line of `OBSTACLES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lab.doctor.facts import Facts, Feature, Grants, Inside
from lab.wiring import agent, fabric, networks


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The wiring that is taken, "" if none can be, and why: for each that came before it what stands in its way."""

    name: str
    obstacles: tuple[tuple[str, tuple[str, ...]], ...]


def lacking(grants: Grants, inside: Inside, *, of: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the capabilities that a container does not get, refused or silently left out."""
    return tuple(one for one in of if one in grants.refused or one not in inside.capabilities)


def _of_fabric(grants: Grants, inside: Inside) -> tuple[str, ...]:
    seeing = ("pid_mode=host is refused",) if grants.machine_processes else ()
    return (*seeing, *_of_helpers(grants, inside))


def _of_networks(grants: Grants, inside: Inside) -> tuple[str, ...]:
    joining = ("pid_mode=container:… is refused",) if grants.joining else ()
    network = ("no Docker network is to be had",) if grants.network else ()
    carried = ("the kernel has no VXLAN",) if inside.features[Feature.VXLAN] else ()
    return (*joining, *network, *carried, *_of_helpers(grants, inside))


def _of_helpers(grants: Grants, inside: Inside) -> tuple[str, ...]:
    return tuple(f"{one} is not granted" for one in lacking(grants, inside, of=agent.CAPABILITIES))


Judge = Callable[[Grants, Inside], tuple[str, ...]]
"""What stands in a wiring's way; nothing if it works."""

OBSTACLES: Mapping[str, Judge] = {fabric.NAME: _of_fabric, networks.NAME: _of_networks}
"""Every wiring -> what stands in its way, in the order in which `auto` tries them."""


def choose(facts: Facts, asked: tuple[str, ...] = tuple(OBSTACLES)) -> Choice | None:
    """The first of those that are asked for that works; None if what it depends on could not be looked at."""
    grants, inside = facts.grants, facts.inside
    if grants is None or inside is None:
        return None
    met: list[tuple[str, tuple[str, ...]]] = []
    for name in asked:
        obstacles = OBSTACLES[name](grants, inside)
        if not obstacles:
            return Choice(name=name, obstacles=tuple(met))
        met.append((name, obstacles))
    return Choice(name="", obstacles=tuple(met))
