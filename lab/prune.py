"""What dead runs left on an engine, found by our labels and by age, and removed once somebody has said yes.

`why_dead` and `unused` decide, and are pure; the rest asks. Ages are told by the engine's clock alone, because that
wrote when a container was created: a client whose clock is wrong removes nothing for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from lab import images, instances, live
from lab.engine import Engine, FoundImage
from lab.errors import LabError
from lab.instances import ENDED, Running

STARTING_SECONDS = 300
"""How long an instance may take to come up, which till then looks like one whose start died."""
BUILDING_SECONDS = 3600
"""How long an image may be without use: a build, or a start that is to follow it, may go on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dead:
    """An instance to be removed, as it was found."""

    found: Running
    age: int
    """seconds since the first of its containers was created; below 0 where it has none any more, or the engine's clock
    was set back since"""
    why: str

    @property
    def ids(self) -> frozenset[str]:
        """Of the containers and networks that are removed."""
        return self.found.networks | {member.id for member in self.found.members}


@dataclass(frozen=True, kw_only=True, slots=True)
class Unused:
    """An image to be removed."""

    image: FoundImage
    age: int
    why: str


def why_dead(found: Running, *, age: float, came_up: bool | None, older: float | None) -> str:
    """Why an instance is to be removed, "" if it is not.

    `came_up` is whether its start ended, None if that is not known. `older` (seconds, or None) takes what is
    whole, too. A container that is paused was paused by somebody, who will want it.
    """
    if older is not None and age > older:
        return found.wrong or "older than asked for"
    if any(member.state == "paused" for member in found.members):
        return ""
    # A start makes the helper first and runs it last; a removal ends with it.
    if found.helper is None or found.helper.state in ENDED:
        return found.wrong
    if age < STARTING_SECONDS:
        return ""
    return found.wrong or ("its start never ended" if came_up is False else "")


def unused(
    found: Iterable[FoundImage], *, now: float, current: Collection[str], used: Collection[str]
) -> tuple[Unused, ...]:
    """The images that no lab is made of any more; `current` and `used` are content hashes."""
    rows = []
    for image in found:
        age = int(now - image.created)
        content = image.label(images.LABEL_CONTENT)
        why = ""
        if not image.tags:
            why = "left by a build"
        elif content not in current:
            why = "of older content"
        if why and content not in used and age > BUILDING_SECONDS:
            rows.append(Unused(image=image, age=age, why=f"{why}, and no container is made of it"))
    return tuple(rows)


# --------------------------------------------------------------------------------------- the engine


def dead(engine: Engine, *, older: float | None = None) -> tuple[Dead, ...]:
    """Every instance that is to be removed, by name. Of those that seem whole the helper is asked."""
    now = engine.now()
    rows = []
    for found in instances.remains(engine):
        age = now - found.created if found.members else -1.0
        asked = found.whole and age >= STARTING_SECONDS
        why = why_dead(found, age=age, came_up=_came_up(engine, found) if asked else None, older=older)
        if why:
            rows.append(Dead(found=found, age=int(age), why=why))
    return tuple(rows)


def _came_up(engine: Engine, found: Running) -> bool | None:
    try:
        with live.attach(engine, found) as instance:
            return instance.wiring.is_sealed()
    except LabError:  # of a helper that is busy, or just going, nothing is known
        return None


def unused_images(engine: Engine) -> tuple[Unused, ...]:
    """Every image that is to be removed."""
    current = images.hashes(images.read_sources(images.folder())).values()
    label = images.LABEL_CONTENT
    # A container has its image's labels, whoever made it.
    used = {one.label(label) for one in engine.containers({label: None})}
    return unused(engine.images(label), now=engine.now(), current=current, used=used)


def remove(engine: Engine, rows: Iterable[Dead], *, older: float | None) -> tuple[Dead, ...]:
    """Remove those of the instances that still are as they were shown; which these were."""
    still = {(row.found.name, row.ids) for row in dead(engine, older=older)}
    removed = tuple(row for row in rows if (row.found.name, row.ids) in still)
    for row in removed:
        instances.remove_just(engine, row.found)
    return removed


def remove_images(engine: Engine, rows: Iterable[Unused]) -> tuple[Unused, ...]:
    """Remove images; those that are gone. What somebody has taken into use meanwhile stays."""
    return tuple(row for row in rows if all(map(engine.remove_unused_image, row.image.tags or (row.image.id,))))
