"""Which instances there are, and removing them: all that the engine alone can tell and do, by the labels of containers.

Nothing is looked into here, so broken instances are listed and removed like others.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lab.engine import Engine, Found, FoundNetwork
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
ENDED = ("exited", "dead")
"""The states of a container whose first process has ended."""
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
    members: tuple[Member, ...] = ()
    """every container that has its label, whatever else it is"""
    networks: frozenset[str] = frozenset()
    """the ids of the Docker networks that have its label, where they were looked for; see `remains`"""

    @property
    def whole(self) -> bool:
        """Whether the helper and every host of the lab run."""
        return (
            self.helper is not None
            and len(self.hosts) == self.expected
            and len(self.sidecars) == (self.expected if self.wiring == WITH_SIDECARS else 0)
            and all(member.state == "running" for member in (self.helper, *self.hosts, *self.sidecars))
        )

    @property
    def wrong(self) -> str:
        """What of it is not there or does not run, in words; "" if it is whole."""
        if self.helper is None:
            return f"its helper is gone, {self.left} left"
        missing = self.expected - len(self.hosts)
        words = [] if self.helper.state == "running" else [f"its helper {_state(self.helper.state)}"]
        words += _states(self.hosts, whole="" if missing else f"all {self.expected} hosts")
        words += [f"{missing} of {self.expected} hosts {'is' if missing == 1 else 'are'} gone"] if missing > 0 else []
        # What is beside a host ends with it, so that says nothing more.
        ended = {host.host for host in self.hosts if host.state != "running"}
        words += [f"beside {one}" for one in _states([one for one in self.sidecars if one.host not in ended])]
        alone = {host.host for host in self.hosts} - {one.host for one in self.sidecars}
        words += (
            [f"what was beside {', '.join(sorted(alone))} is gone"] if self.wiring == WITH_SIDECARS and alone else []
        )
        return "; ".join(words) or ("" if self.whole else "more containers than its lab has")

    @property
    def left(self) -> str:
        """What there is of it, in words."""
        counts = ((len(self.members), "container"), (len(self.networks), "network"))
        return " and ".join(f"{count} {what}{'' if count == 1 else 's'}" for count, what in counts if count)


def _states(members: Iterable[Member], *, whole: str = "") -> list[str]:
    """What of hosts does not run, each state with whose it is; `whole` stands for all of them."""
    by_state: dict[str, list[str]] = {}
    for one in members:
        by_state.setdefault(one.state, []).append(one.host)
    lines = []
    for state, hosts in by_state.items():
        if state != "running":
            named = whole if whole and len(by_state) == 1 and len(hosts) > 1 else ", ".join(hosts)
            lines.append(f"{named} {_state(state, several=len(hosts) > 1)}")
    return lines


def _state(state: str, *, several: bool = False) -> str:
    """A container's state (Engine API, "List containers") as a predicate."""
    if state in ENDED:
        return "have ended" if several else "has ended"
    if state == "created":
        return "were never started" if several else "was never started"
    return f"{'are' if several else 'is'} {state}"


def remains(engine: Engine) -> tuple[Running, ...]:
    """Every instance of which there is anything at all that could be removed, by name."""
    labels = {LABEL_INSTANCE: None}
    return group(engine.containers(labels), engine.networks(labels))


def running(engine: Engine) -> tuple[Running, ...]:
    """Every instance of which there is at least one container, by name."""
    return group(engine.containers({LABEL_INSTANCE: None}))


def group(containers: Iterable[Found], networks: Iterable[FoundNetwork] = ()) -> tuple[Running, ...]:
    """Containers and networks by their instance."""
    by_name: dict[str, tuple[list[Found], list[FoundNetwork]]] = {}
    for found in containers:
        by_name.setdefault(found.label(LABEL_INSTANCE), ([], []))[0].append(found)
    for network in networks:
        by_name.setdefault(network.label(LABEL_INSTANCE), ([], []))[1].append(network)
    return tuple(_running(name, *by_name[name]) for name in sorted(by_name))


def _running(name: str, containers: list[Found], networks: list[FoundNetwork]) -> Running:
    members = {found.id: Member(id=found.id, host=found.label(LABEL_HOST), state=found.state) for found in containers}

    def of_role(role: str) -> tuple[Member, ...]:
        found = [members[one.id] for one in containers if one.label(LABEL_ROLE) == role]
        return tuple(sorted((one for one in found if one.host), key=lambda member: member.host))

    helpers = [found for found in containers if found.label(LABEL_ROLE) not in (ROLE_HOST, ROLE_SIDECAR)]
    return Running(
        name=name,
        lab=(containers or networks)[0].label(LABEL_LAB),
        created=min((found.created for found in containers), default=0),
        helper=members[helpers[0].id] if helpers else None,
        hosts=of_role(ROLE_HOST),
        sidecars=of_role(ROLE_SIDECAR),
        wiring=helpers[0].label(LABEL_WIRING) if helpers else "",
        expected=_count(helpers[0].label(LABEL_HOSTS)) if helpers else 0,
        description=helpers[0].label(LABEL_DESCRIPTION) if helpers else "",
        contents=frozenset(found.label(LABEL_CONTENT) for found in containers),  # a container has its image's labels
        members=tuple(members.values()),
        networks=frozenset(network.id for network in networks),
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

    Returns how many that were.

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
        _remove(engine, found, bridges)
        removed += len(found) + len(bridges)
        if whole and not engine.containers(labels) and not engine.networks(labels):
            return removed
        quiet_since = time.monotonic()


def _remove(engine: Engine, containers: Iterable[Found], networks: Iterable[FoundNetwork]) -> None:
    first = [one.id for one in containers if one.label(LABEL_ROLE) in (ROLE_HOST, ROLE_SIDECAR)]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(engine.remove, first))
        list(pool.map(engine.remove_network, [one.id for one in networks]))
    for one in containers:
        if one.id not in first:
            engine.remove(one.id)


def remove_just(engine: Engine, instance: Running) -> None:
    """Remove the very containers and networks of an instance that were found, and no other of its name."""
    labels = {LABEL_INSTANCE: instance.name}
    containers = [one for one in engine.containers(labels) if one.id in {member.id for member in instance.members}]
    _remove(engine, containers, [one for one in engine.networks(labels) if one.id in instance.networks])


def down(engine: Engine, name: str) -> int:
    """Remove an instance; how many containers and networks that were. Raises InstanceError if there is none."""
    removed = remove(engine, {LABEL_INSTANCE: name})
    if not removed:
        raise InstanceError(f"expected an instance named {name}, found none", hint=what_runs(running(engine)))
    return removed
