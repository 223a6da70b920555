"""Claims shown one after the other, on instances of the labs that they need.

An instance is named note-LAB. One that runs already is used and left as it was found: up, and reset. One that had to
be started is removed at the end, unless it is to be kept.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from lab import images, instances, labfiles, live
from lab.engine import Engine
from lab.errors import LabError
from lab.live import Instance
from lab.note.claim import Claim, Evidence, Outcome, outcome
from lab.note.stage import demonstrate

AT_ONCE = 2
"""Labs at a time. Much of what is shown is waiting: for a time-out, for a TTL to run out."""
PREFIX = "note-"

Say = Callable[[str], None]


def programs() -> dict[str, bytes]:
    """The programs that claims are shown with: those that a learner reads."""
    folder = labfiles.folder() / "programs"
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.py"))}


def show(engine: Engine, claims: Iterable[Claim], *, keep: bool, say: Say) -> Iterator[Outcome]:
    """Show claims; their outcomes as they come, which is not their order.

    Raises only for what concerns all of them, such as an engine that does not answer: what a lab or a claim does is in
    its outcome.
    """
    by_lab: dict[str, list[Claim]] = {}
    for claim in claims:
        by_lab.setdefault(claim.lab, []).append(claim)
    refs = images.ensure(engine, say=say)
    done: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()
    stop = threading.Event()

    def work(lab: str) -> None:
        try:
            with closing(_in_lab(engine, lab, by_lab[lab], refs=refs, keep=keep, say=say)) as outcomes:
                for one in outcomes:
                    done.put(one)
                    if stop.is_set():
                        return
        finally:
            done.put(None)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        # The labs with most to show first, so that none is left over at the end.
        jobs = [pool.submit(work, lab) for lab in sorted(by_lab, key=lambda lab: -len(by_lab[lab]))]
        try:
            for _ in range(len(jobs)):
                while (one := done.get()) is not None:
                    yield one
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    for job in jobs:
        job.result()


def _in_lab(
    engine: Engine, lab: str, claims: list[Claim], *, refs: dict[str, str], keep: bool, say: Say
) -> Generator[Outcome, None, None]:
    """The outcomes of the claims of one lab."""
    name = f"{PREFIX}{lab}"
    given = programs()
    was_there = any(one.name == name for one in instances.running(engine))
    try:
        instance = _instance(engine, lab, name, was_there=was_there, refs=refs, say=say)
    except LabError as error:
        yield from (_failed(claim, f"the lab {lab} is not to be had: {error}") for claim in claims)
        return
    try:
        with instance:
            for index, claim in enumerate(claims):
                say(f"showing {claim.id} in {name}")
                try:
                    if index or was_there:
                        instance.reset()
                except LabError as error:
                    yield _failed(claim, f"{name} cannot be made as it was: {error}")
                    continue
                yield demonstrate(claim, instance, given)
            if was_there or keep:
                instance.reset()
    finally:
        if not (was_there or keep):
            instances.down(engine, name)


def _instance(engine: Engine, lab: str, name: str, *, was_there: bool, refs: dict[str, str], say: Say) -> Instance:
    described = labfiles.load(lab)
    if was_there:
        found = instances.find(engine, name)
        if _is_current(found, refs):
            instance = live.attach(engine, found)
            if instance.lab == described:
                return instance
            instance.close()  # its file has changed since
        instances.down(engine, name)
    say(f"starting {name}")
    return live.up(engine, described, name=name, images=refs, say=lambda _: None)


def _is_current(found: instances.Running, refs: dict[str, str]) -> bool:
    """Whether an instance is whole, and made of the images that would be used today."""
    tags = {reference.rpartition(":")[2] for reference in refs.values()}
    return found.whole and all(any(content.startswith(tag) for tag in tags) for content in found.contents)


def _failed(claim: Claim, reason: str) -> Outcome:
    return outcome(claim, Evidence(), reason=reason)
