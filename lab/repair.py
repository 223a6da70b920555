"""A reset of an instance that is broken: its own containers are started anew, wired, and seen to be as declared.

An ordinary reset (pristine.py) needs the helper and every host as they were at up. Where one of them has ended – its
memory was full, somebody killed it, the engine was restarted – the hosts have lost their network, or the helper what it
knew. Nothing here is on the way of an ordinary reset.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from lab import building, instances, live, pristine
from lab.engine import Engine
from lab.errors import AgentError, EngineError, InstanceError, NotPristineError, NotUpError
from lab.instances import ENDED, Running
from lab.live import Instance
from lab.model import Lab
from lab.plan import LABEL_INSTANCE, LABEL_NETWORK, plan, undescribe
from lab.prune import STARTING_SECONDS
from lab.wiring import Wiring, networks

TRIES = 5
"""Others may repair at the same time, and each may meet a helper that another has just ended."""

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Repaired:
    """How an instance that was broken was proven to be right again."""

    anew: bool
    """whether its containers were started anew; else they were let go on, or somebody else was faster"""
    as_at_up: bool
    """whether all is as it was seen when the lab came up; else as it is declared, and what was seen is kept anew"""


def is_needed(found: Running, wiring: Wiring | None = None) -> bool:
    """Whether an ordinary reset of all hosts cannot do: by what the engine says, and if it is given by the helper."""
    return not found.whole or (wiring is not None and not _is_wired(found, wiring))


def is_possible(found: Running) -> bool:
    """Whether all that an instance was made of is there to be started anew."""
    beside = found.expected if found.wiring == networks.NAME else 0
    whole = len(found.hosts) == found.expected and len(found.sidecars) == beside
    return found.helper is not None and whole and found.description != ""


def check(found: Running, hosts: Iterable[str]) -> None:
    """Raise InstanceError if one of some hosts, which are to be reset alone, does not run."""
    stopped = [one.host for one in (*found.hosts, *found.sidecars) if one.host in hosts and one.state != "running"]
    if stopped:
        raise InstanceError(
            f"expected {', '.join(dict.fromkeys(stopped))} to run, observed: {found.wrong}",
            hint=f"`lab reset --name {found.name}`, without a host, repairs all: networks are made for all at once",
        )


def _is_wired(found: Running, wiring: Wiring) -> bool:
    """Whether each host is the very one that was wired."""
    return {host.host for host in found.hosts} <= wiring.living()


def repair(engine: Engine, name: str, *, say: Say) -> Repaired:
    """Make an instance as it was at up, whatever of it has ended or is paused, and prove it.

    Raises InstanceError if containers of it are gone or it never came up, NotPristineError if it cannot be proven.
    """
    work = _Repair(engine=engine, name=name, say=say)
    for attempt in range(TRIES):
        try:
            done = work.attempt()
        except _HungUpError as error:
            if attempt == TRIES - 1:
                raise error.cause from error
            continue
        if done is not None:
            return done
    raise InstanceError(
        f"expected to repair {name}, but its helper is ended again and again",
        hint=f"is another `lab reset` at work on it? If not: {_anew(name)}",
    )


class _HungUpError(Exception):
    """The helper went while it was talked with: somebody else repairs, or removes the instance."""

    def __init__(self, cause: InstanceError | EngineError) -> None:
        super().__init__(str(cause))
        self.cause = cause


@dataclass(kw_only=True)
class _Repair:
    engine: Engine
    name: str
    say: Say
    sealed: Any = None
    """the fingerprints of the start, once a helper was met that knows them"""
    began: bool = field(default=False)
    """whether this is known to be no start that goes on: something of it has ended once"""

    def attempt(self) -> Repaired | None:
        """One round; None if the helper was ended, and the next round meets a new one."""
        found = instances.find(self.engine, self.name)
        _refuse(found)
        assert found.helper is not None
        self.began |= any(member.state in ENDED for member in found.members)
        for member in found.members:
            if member.state == "paused":
                self.say(f"{member.host or 'the helper'} was paused, and goes on")
                self.engine.unpause(member.id)
        self.engine.start(found.helper.id)  # one that runs goes on
        try:
            with live.attach(self.engine, instances.find(self.engine, self.name)) as instance, instance.wiring.turn():
                return self._in_turn(found, instance)
        except (InstanceError, EngineError) as error:
            if isinstance(error, _NeverCameUpError):
                raise
            self.began = True
            raise _HungUpError(error) from error

    def _in_turn(self, found: Running, instance: Instance) -> Repaired | None:
        wiring = instance.wiring
        self.sealed = self.sealed or wiring.sealed()
        if _is_wired(found, wiring) and wiring.is_sealed():
            pristine.reset(wiring, instance.lab, self.name, [host.name for host in instance.lab.hosts])
            return Repaired(anew=False, as_at_up=True)
        young = self.engine.now() - found.created < STARTING_SECONDS
        if self.sealed is None and not self.began and young:
            raise _NeverCameUpError(
                f"expected {self.name} to have come up, but its start never ended",
                hint=f"if no `lab up` is at work on it: {_anew(self.name)}",
            )
        # On Docker networks the helper has wired nothing: what has is beside the hosts, and is started anew with them.
        is_new = self.began and (found.wiring == networks.NAME or not wiring.living())
        if is_new and not wiring.is_sealed():
            try:
                return self._start_anew(found, instance.lab)
            except AgentError as error:
                self.say(f"the helper cannot do it, and is started anew: {error.message}")
        # What it has made is of no use for hosts that are started anew, and goes with it.
        self.began = True
        assert found.helper is not None
        instance.close()  # our turn with it: nobody will answer there
        self.engine.restart(found.helper.id)
        return None

    def _start_anew(self, found: Running, lab: Lab) -> Repaired:
        self.say(f"starting {len(lab.hosts)} hosts anew")
        with ThreadPoolExecutor(instances.THREADS) as pool:
            for members in (found.hosts, found.sidecars):  # these join what the former make
                list(pool.map(self.engine.restart, (member.id for member in members)))
        carriers = tuple(
            (one.label(LABEL_NETWORK), one.subnets[0]) for one in self.engine.networks({LABEL_INSTANCE: self.name})
        )
        reached = building.access(instances.find(self.engine, self.name), lab)
        with contextlib.closing(
            building.connect(self.engine, dataclasses.replace(reached, carriers=carriers))
        ) as wiring:
            self.say("wiring")
            wiring.find({host.host: host.id for host in found.hosts})
            wiring.wire(plan(lab, instance=self.name, images={}))
            self.say("looking whether everything is there")
            try:
                self._prove(wiring, lab)
            except NotUpError as error:
                raise NotPristineError(
                    f"the repair cannot be proven:\n{error.message}", hint=_anew(self.name)
                ) from error
        return Repaired(anew=True, as_at_up=self.sealed is not None)

    def _prove(self, wiring: Wiring, lab: Lab) -> None:
        """Raises NotUpError."""
        names = tuple(host.name for host in lab.hosts)
        made = pristine.make(wiring, lab, names)
        wrong = [] if self.sealed is None else pristine.deviations(self.sealed, made, with_conntrack=True)
        if wrong:
            raise NotUpError("\n".join(wrong))
        pristine.start_programs(wiring, lab, names)
        wiring.seal(made)


class _NeverCameUpError(InstanceError):
    """There is nothing to be repaired yet."""


def _refuse(found: Running) -> None:
    """Raise InstanceError where nothing can be repaired."""
    if not is_possible(found):
        there = {host.host for host in found.hosts}
        lab = undescribe(found.description) if found.description else None
        gone = [host.name for host in lab.hosts if host.name not in there] if lab else []
        raise InstanceError(
            f"expected {found.name} to have all its containers, observed: {found.wrong or 'no description'}"
            + (f" ({', '.join(gone)})" if gone else ""),
            hint=f"what is removed cannot be started anew: {_anew(found.name)}",
        )
    if any(member.state == "created" for member in found.members):
        raise _NeverCameUpError(
            f"expected {found.name} to have come up, but its start never ended: {found.wrong}",
            hint=f"if no `lab up` is at work on it: {_anew(found.name)}",
        )


def _anew(name: str) -> str:
    return f"`lab down --name {name}`, then `lab up` it again"
