"""Which instances there are, and removing them: all that the engine alone can tell and do, by the labels of containers.

Nothing is looked into here, so broken instances are listed and removed like others.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lab.engine import Engine, Found
from lab.errors import InstanceError
from lab.images import LABEL_CONTENT
from lab.plan import (
    LABEL_DESCRIPTION,
    LABEL_HOST,
    LABEL_HOSTS,
    LABEL_INSTANCE,
    LABEL_LAB,
    LABEL_ROLE,
    LABEL_WIRING,
    ROLE_HOST,
    ROLE_SIDECAR,
)
from lab.text import suggestion

THREADS = 4
"""Containers made or removed at once; the engine gains little from more."""
WITH_SIDECARS = "networks"
"""the wiring that has something beside each host"""
SETTLE_SECONDS = 2.0
"""How long nothing must appear: an engine under load carries out a dead client's request late."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A container of an instance; `host` is "" for the wiring's helper."""

    id: str
    host: str
    state: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """What the engine says of an instance, without looking into it."""

    name: str
    lab: str
    created: int
    helper: Member | None
    hosts: tuple[Member, ...]
    expected: int
    """how many hosts its lab has"""
    description: str
    wiring: str = ""
    sidecars: tuple[Member, ...] = ()
    """what runs beside hosts, if the wiring has something there"""
    contents: frozenset[str] = frozenset()
    """the content hashes of the images that its containers were made of; see images.py"""

    @property
    def whole(self) -> bool:
        """Whether the helper and every host of the lab run."""
        return (
            self.helper is not None
            and len(self.hosts) == self.expected
            and len(self.sidecars) == (self.expected if self.wiring == WITH_SIDECARS else 0)
            and all(member.state == "running" for member in (self.helper, *self.hosts, *self.sidecars))
        )


def running(engine: Engine) -> tuple[Running, ...]:
    """Every instance of which there is at least one container, by name."""
    return group(engine.containers({LABEL_INSTANCE: None}))


def group(containers: Iterable[Found]) -> tuple[Running, ...]:
    """Containers by their instance."""
    by_name: dict[str, list[Found]] = {}
    for found in containers:
        by_name.setdefault(found.label(LABEL_INSTANCE), []).append(found)
    return tuple(_running(name, by_name[name]) for name in sorted(by_name))


def _running(name: str, containers: list[Found]) -> Running:
    members = {found.id: Member(id=found.id, host=found.label(LABEL_HOST), state=found.state) for found in containers}

    def of_role(role: str) -> tuple[Member, ...]:
        found = [members[one.id] for one in containers if one.label(LABEL_ROLE) == role]
        return tuple(sorted((one for one in found if one.host), key=lambda member: member.host))

    helpers = [found for found in containers if found.label(LABEL_ROLE) not in (ROLE_HOST, ROLE_SIDECAR)]
    return Running(
        name=name,
        lab=containers[0].label(LABEL_LAB),
        created=min(found.created for found in containers),
        helper=members[helpers[0].id] if helpers else None,
        hosts=of_role(ROLE_HOST),
        sidecars=of_role(ROLE_SIDECAR),
        wiring=helpers[0].label(LABEL_WIRING) if helpers else "",
        expected=_count(helpers[0].label(LABEL_HOSTS)) if helpers else 0,
        description=helpers[0].label(LABEL_DESCRIPTION) if helpers else "",
        contents=frozenset(found.label(LABEL_CONTENT) for found in containers),  # a container has its image's labels
    )


def _count(text: str) -> int:
    """A number in a label. Anybody can give a container our labels, and such a one must not hide the others."""
    return int(text) if text.isascii() and text.isdigit() else 0


def find(engine: Engine, name: str | None) -> Running:
    """The instance of that name; without a name, the only one there is. Raises InstanceError."""
    found = running(engine)
    if name is not None:
        for one in found:
            if one.name == name:
                return one
        hint = suggestion(name, [one.name for one in found], otherwise=what_runs(found))
        raise InstanceError(f"expected an instance named {name}, found none", hint=hint)
    if not found:
        raise InstanceError("expected a running lab, found none", hint="`lab up nat` starts one")
    if len(found) > 1:
        raise InstanceError(
            f"expected one running lab, found {len(found)}: {', '.join(one.name for one in found)}",
            hint="say which with --name",
        )
    return found[0]


def what_runs(found: tuple[Running, ...]) -> str:
    """What there is, for a hint."""
    names = ", ".join(one.name for one in found)
    return f"running: {names}" if names else "nothing runs; `lab up nat` starts a lab"


def settled(engine: Engine) -> tuple[Running, ...]:
    """Every instance; if there is none, none has appeared for a while either."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while not (found := running(engine)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def remove(engine: Engine, labels: Mapping[str, str | None], *, settle: bool = True) -> int:
    """Remove every container and network that has the labels, helpers last because their names are the locks.

    Returns how many containers that were.

    An engine may still be carrying out a request of a process that was killed. So unless a whole instance was
    there, it is looked again until nothing has appeared for a while; without `settle` it is known that nothing will.
    """
    removed = 0
    quiet_since = time.monotonic()
    while True:
        found, bridges = engine.containers(labels), engine.networks(labels)
        if not found and not bridges:
            if not settle or time.monotonic() - quiet_since > SETTLE_SECONDS:
                return removed
            time.sleep(0.05)
            continue
        whole = removed == 0 and all(one.whole for one in group(found))
        members = [one.id for one in found if one.label(LABEL_ROLE) in (ROLE_HOST, ROLE_SIDECAR)]
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(engine.remove, members))
            list(pool.map(engine.remove_network, [one.id for one in bridges]))
        for one in found:
            if one.id not in members:
                engine.remove(one.id)
        removed += len(found)
        if whole and not engine.containers(labels) and not engine.networks(labels):
            return removed
        quiet_since = time.monotonic()


def down(engine: Engine, name: str) -> int:
    """Remove an instance; how many containers that were. Raises InstanceError if there is none."""
    removed = remove(engine, {LABEL_INSTANCE: name})
    if not removed:
        raise InstanceError(f"expected an instance named {name}, found none", hint=what_runs(running(engine)))
    return removed
