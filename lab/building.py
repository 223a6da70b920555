"""An instance's containers and networks made, and its agents reached: all that a start asks of the engine, per wiring.

What is created is decided elsewhere (`plan`, `wiring`); here it is done, in an order in which whatever was made can be
found again. Nothing is looked into, and nothing is removed but networks that a dead start of the same name left.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TypeVar

from lab import instances
from lab.engine import Engine
from lab.errors import InstanceError, NotUpError, TakenError
from lab.model import Lab
from lab.plan import LABEL_INSTANCE, Container, Plan
from lab.wiring import Wiring, fabric, networks
from lab.wiring.agent import RELAY, Agent
from lab.wiring.fabric import Fabric
from lab.wiring.networks import Networks

HELPER_SECONDS = 15.0
WIRINGS = (fabric.NAME, networks.NAME)

A = TypeVar("A", bound=Agent)
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """How an instance is reached: its wiring, its helper's container, and where there are any, what is beside hosts."""

    wiring: str
    helper: str
    sidecars: tuple[tuple[str, str], ...] = ()
    """(host, container), of every host; "" for one that does not run"""
    carriers: tuple[tuple[str, str], ...] = ()
    """(network, subnet)"""


def access(found: instances.Running, lab: Lab) -> Access:
    """How a running instance is reached. Raises InstanceError if it has no helper."""
    if found.helper is None:
        raise InstanceError(f"expected {found.name} to have a helper container, observed none")
    wiring = found.wiring or fabric.NAME
    running = {one.host: one.id for one in found.sidecars if one.state == "running"}
    sidecars = tuple((host.name, running.get(host.name, "")) for host in lab.hosts) if wiring == networks.NAME else ()
    return Access(wiring=wiring, helper=found.helper.id, sidecars=sidecars)


def connect(engine: Engine, to: Access) -> Wiring:
    """A connection, as soon as the helper's agent answers. Raises InstanceError."""
    if to.wiring == fabric.NAME:
        return _agent(engine, to.helper, Fabric)
    if to.wiring != networks.NAME:
        raise InstanceError(
            f"expected a wiring of {', '.join(WIRINGS)}, found {to.wiring!r}",
            hint="it may be of another version of socketlab; `lab down` removes it",
        )
    return _networks(engine, to, {})


def _networks(engine: Engine, to: Access, agents: Mapping[str, Agent]) -> Networks:
    def beside(container: str) -> Callable[[], Agent]:
        return lambda: _agent(engine, container, Agent)

    keeper = _agent(engine, to.helper, Agent)
    hosts = {host: beside(container) if container else None for host, container in to.sidecars}
    return Networks(keeper, hosts, carriers=dict(to.carriers), agents=agents)


def _agent(engine: Engine, container: str, kind: type[A]) -> A:
    deadline = time.monotonic() + HELPER_SECONDS
    while True:
        reached = kind(engine.stream(container, RELAY, seconds=HELPER_SECONDS))
        try:
            reached.is_sealed()
            return reached
        except InstanceError:
            reached.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        except BaseException:
            reached.close()
            raise


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """What was made of a plan, and a connection to it."""

    access: Access
    containers: Mapping[str, str]
    """each host's"""
    wiring: Wiring


def build(engine: Engine, planned: Plan, wiring: str, helper: str, images: Mapping[str, str]) -> Built:
    """Create and start all of a plan, and the helper, which is created already.

    Raises EngineError, InstanceError and AgentError; what was made by then is there.
    """
    with ThreadPoolExecutor(instances.THREADS) as pool:
        try:
            if wiring == fabric.NAME:
                return _on_fabric(engine, planned, helper, pool)
            return _on_networks(engine, planned, helper, images, pool)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _on_fabric(engine: Engine, planned: Plan, helper: str, pool: ThreadPoolExecutor) -> Built:
    jobs = [pool.submit(_started, engine, container) for container in planned.hosts]
    engine.start(helper)
    reached = Access(wiring=fabric.NAME, helper=helper)
    wiring = connect(engine, reached)
    return Built(access=reached, containers=_by_host(planned, jobs), wiring=wiring)


def _started(engine: Engine, container: Container) -> str:
    made = engine.create(container)
    engine.start(made)
    return made


def _by_host(planned: Plan, jobs: Iterable[Future[T]]) -> dict[str, T]:
    return {host.name: job.result() for host, job in zip(planned.lab.hosts, jobs, strict=True)}


def _on_networks(
    engine: Engine, planned: Plan, helper: str, images: Mapping[str, str], pool: ThreadPoolExecutor
) -> Built:
    engine.start(helper)
    # Whose name the helper has is this start's: what has it already was left by another.
    for left in engine.networks({LABEL_INSTANCE: planned.instance}):
        engine.remove_network(left.id)
    taken = [subnet for one in engine.networks() for subnet in one.subnets]
    carriers = [pool.submit(carrier, engine, planned, network.name, taken) for network in planned.lab.networks]
    made = {network.name: job.result() for network, job in zip(planned.lab.networks, carriers, strict=True)}
    ids = {name: found for name, (found, _) in made.items()}

    agents: dict[str, Agent] = {}

    def host(index: int) -> tuple[str, str]:
        described = planned.lab.hosts[index]
        container = _started(engine, planned.hosts[index])
        sidecar = _started(engine, networks.sidecar(planned, described, container, carriers=ids, images=images))
        agents[described.name] = _agent(engine, sidecar, Agent)
        return container, sidecar

    try:
        hosts = _by_host(planned, [pool.submit(host, index) for index in range(len(planned.hosts))])
        reached = Access(
            wiring=networks.NAME,
            helper=helper,
            sidecars=tuple((name, sidecar) for name, (_, sidecar) in hosts.items()),
            carriers=tuple((name, str(subnet)) for name, (_, subnet) in made.items()),
        )
        wiring = _networks(engine, reached, agents)
    except BaseException:
        pool.shutdown(cancel_futures=True)  # no more are connected from here on
        for one in agents.values():
            one.close()
        raise
    return Built(access=reached, containers={name: one for name, (one, _) in hosts.items()}, wiring=wiring)


def carrier(engine: Engine, planned: Plan, network: str, taken: Iterable[str]) -> tuple[str, IPv4Network]:
    """A new network that carries one of the lab's, and its subnet. Raises EngineError; NotUpError if none is free."""
    for subnet in itertools.islice(networks.candidates(planned, network, taken=taken), networks.MOST_TRIES):
        try:
            return engine.create_network(networks.carrier(planned, network, subnet)), subnet
        except TakenError:
            continue  # by whoever asked a moment before
    raise NotUpError(
        f"{network}: expected a free subnet in {networks.RESERVED} for the Docker network that carries it, found none",
        hint="`docker network ls` shows who has them; `lab down --all` removes those of labs",
    )
