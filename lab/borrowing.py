"""An instance of a lab to work with for a while: one that is kept running, if it is free, else one of its own.

A kept one is used under its turn, so that two who work at once never meet, and only if it is exactly the lab, of
today's images. One of its own has a name that nobody else has, and is removed at the end.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from lab import instances, live
from lab.engine import Engine
from lab.errors import AgentError, InstanceError, LabError
from lab.live import Instance
from lab.model import Lab

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Borrowed:
    """An instance in which nothing was done yet."""

    instance: Instance
    kept: bool
    """whether it stays when it is given back"""


def attached(engine: Engine, found: instances.Running, stack: ExitStack) -> Instance | None:
    """A running instance under its turn, which ends with the stack; None if it is broken or not free."""
    if not found.whole:
        return None
    with ExitStack() as own:
        try:
            instance = own.enter_context(live.attach(engine, found))
            own.enter_context(instance.wiring.turn(seconds=0))
        except (AgentError, InstanceError):  # another is at work on it, or has just ended it
            return None
        if not instance.wiring.is_sealed():  # another is about to start it
            return None
        stack.push(own.pop_all())
        return instance


def is_current(found: instances.Running, refs: Mapping[str, str]) -> bool:
    """Whether an instance is made of the images that would be used today."""
    tags = {reference.rpartition(":")[2] for reference in refs.values()}
    return all(any(content.startswith(tag) for tag in tags) for content in found.contents)


@contextmanager
def borrowed(
    engine: Engine, lab: Lab, *, prefix: str, refs: Mapping[str, str], say: Say, kept: str | None = None
) -> Iterator[Borrowed]:
    """The instance named `kept`, as it was when it came up; if it is not that lab, or not free, a new one.

    A kept one is reset at the end, too. If that cannot be proven, it is removed.
    """
    with ExitStack() as stack:
        instance = None if kept is None else _kept(engine, lab, kept, refs=refs, say=say, stack=stack)
        if instance is not None:
            yield Borrowed(instance=instance, kept=True)
            _remove_unless_reset(engine, instance, stack, say)
            return
        name = f"{prefix[:30]}{uuid.uuid4().hex[:6]}"
        say(f"starting {name}")
        # Its start may be interrupted when it is there, and not yet here.
        stack.callback(instances.down, engine, name)
        instance = stack.enter_context(live.up(engine, lab, name=name, images=refs, say=lambda _: None))
        stack.enter_context(instance.wiring.turn())
        yield Borrowed(instance=instance, kept=False)


def _kept(
    engine: Engine, lab: Lab, name: str, *, refs: Mapping[str, str], say: Say, stack: ExitStack
) -> Instance | None:
    found = next((one for one in instances.running(engine) if one.name == name), None)
    if found is None or not is_current(found, refs) or live.wiring_of(None) not in (live.AUTO, found.wiring):
        return None
    with ExitStack() as own:
        instance = attached(engine, found, own)
        if instance is None or instance.lab != lab or not _remove_unless_reset(engine, instance, own, say):
            return None
        stack.push(own.pop_all())
        return instance


def _remove_unless_reset(engine: Engine, instance: Instance, stack: ExitStack, say: Say) -> bool:
    """Make it as it was; if that cannot be proven it is of no more use, and is removed. `stack` holds it."""
    try:
        instance.reset()
    except LabError as error:
        say(f"removing {instance.name}, which cannot be made as it was: {error.message}")
        stack.close()  # a turn on an instance that is gone cannot be given back
        with suppress(InstanceError):  # somebody else was faster
            instances.down(engine, instance.name)
        return False
    return True
