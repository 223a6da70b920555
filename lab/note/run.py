"""Claims shown one after the other, on instances of the labs that they need.

An instance that was kept is named note-LAB. It is used if it is free, and left as it was found: up, and reset. Else one
is started under a name of its own, so that two that show claims at once never meet, and is removed at the end.
"""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from lab import images, instances, labfiles, live
from lab.borrowing import attached, is_current
from lab.engine import Engine
from lab.errors import InstanceError, LabError
from lab.evidence import Evidence
from lab.live import Instance
from lab.model import Lab
from lab.note.claim import Claim, Outcome, outcome
from lab.stage import NotSeenError, Stage

AT_ONCE = 2
"""Labs at a time. Much of what is shown is waiting: for a time-out, for a TTL to run out."""
PREFIX = "note-"

Say = Callable[[str], None]


def show(engine: Engine, claims: Iterable[Claim], *, keep: bool, say: Say) -> Iterator[Outcome]:
    """Show claims; their outcomes as they come, which is not their order.

    Raises only for what concerns all of them, such as an engine that does not answer: what a lab or a claim does is in
    its outcome. Whoever takes no more outcomes ends the demonstrations that go on, and waits until their labs are gone.
    """
    by_lab: dict[str, list[Claim]] = {}
    for claim in claims:
        by_lab.setdefault(claim.lab, []).append(claim)
    work = _Work(engine, refs=images.ensure(engine, say=say), keep=keep, say=say)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        # The labs with most to show first, so that none is left over at the end.
        jobs = [pool.submit(work.lab, lab, by_lab[lab]) for lab in sorted(by_lab, key=lambda lab: -len(by_lab[lab]))]
        try:
            for _ in jobs:
                while (one := work.done.get()) is not None:
                    yield one
        finally:
            work.stop()
            pool.shutdown(cancel_futures=True)
    for job in jobs:
        job.result()


class _Work:
    """What the threads share that show one lab's claims each."""

    def __init__(self, engine: Engine, *, refs: Mapping[str, str], keep: bool, say: Say) -> None:
        self.engine = engine
        self.refs = refs
        self.keep = keep
        self.say = say
        self.done: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()
        """outcomes, and None at the end of each lab"""
        self._stopped = threading.Event()
        self._running: list[Instance] = []

    def stop(self) -> None:
        """Show nothing more. A demonstration that goes on fails at its next step, because its connection is gone."""
        self._stopped.set()
        for instance in tuple(self._running):
            instance.close()

    def lab(self, lab: str, claims: list[Claim]) -> None:
        """Show the claims of one lab."""
        try:
            self._lab(lab, claims)
        finally:
            self.done.put(None)

    def _lab(self, lab: str, claims: list[Claim]) -> None:
        with ExitStack() as stack:
            try:
                described = labfiles.load(lab)
                kept = self._kept(described, stack)
                instance = kept or self._started(described, stack)
            except LabError as error:
                for claim in claims:
                    self.done.put(_failed(claim, f"the lab {lab} is not to be had: {error}"))
                return
            self._running.append(instance)
            stack.callback(self._running.remove, instance)
            self._claims(instance, claims, as_new=kept is None)
            if (kept or self.keep) and not self._stopped.is_set():
                instance.reset()
                self.say(f"{instance.name} stays; `lab down --name {instance.name}` removes it")

    def _kept(self, lab: Lab, stack: ExitStack) -> Instance | None:
        """The instance that was kept of a lab, if it is as a new one would be and nobody else is at work on it."""
        name = f"{PREFIX}{lab.name}"
        found = next((one for one in instances.running(self.engine) if one.name == name), None)
        if found is None:
            return None
        with ExitStack() as own:
            instance = attached(self.engine, found, own)
            if instance is None:
                return None
            if instance.lab == lab and is_current(found, self.refs):
                stack.push(own.pop_all())
                return instance
        self.say(f"removing {name}, which is of older content")
        instances.down(self.engine, name)
        return None

    def _started(self, lab: Lab, stack: ExitStack) -> Instance:
        kept, own = f"{PREFIX}{lab.name}", f"{PREFIX}{lab.name}-{uuid.uuid4().hex[:6]}"
        for name in [kept, own] if self.keep else [own]:
            self.say(f"starting {name}")
            try:
                instance = live.up(self.engine, lab, name=name, images=self.refs, say=lambda _: None)
            except InstanceError:
                if name == own:
                    raise
                continue  # it is there, and somebody is at work on it
            break
        if not self.keep:
            stack.callback(instances.down, self.engine, name)
        stack.enter_context(instance)
        stack.enter_context(instance.wiring.turn())
        return instance

    def _claims(self, instance: Instance, claims: list[Claim], *, as_new: bool) -> None:
        given = labfiles.programs()
        for claim in claims:
            if self._stopped.is_set():
                return
            self.say(f"showing {claim.id} in {instance.name}")
            try:
                if not as_new:
                    instance.reset()
                as_new = False
            except LabError as error:
                self.done.put(_failed(claim, f"{instance.name} cannot be made as it was: {error}"))
                continue
            self.done.put(demonstrate(claim, instance, given))


def demonstrate(claim: Claim, instance: Instance, programs: Mapping[str, bytes]) -> Outcome:
    """Show a claim on an instance of its lab that is as it was at its start.

    Never raises for what the claim or the lab does: a demonstration that could not be carried out is an ERROR.
    """
    began = time.monotonic()
    stage = Stage(instance, programs)
    reason = ""
    try:
        with stage:
            claim.show(stage)
    except NotSeenError as error:
        stage.evidence.check(error.what, expected="seen", observed=error.observed, holds=False)
    except LabError as error:
        reason = str(error)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
    return outcome(claim, stage.evidence, reason=reason, seconds=time.monotonic() - began)


def _failed(claim: Claim, reason: str) -> Outcome:
    return outcome(claim, Evidence(), reason=reason)
