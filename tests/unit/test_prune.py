"""What counts as dead, and what as unused: by what is there, by its state, and by its age."""

from __future__ import annotations

import pytest

from lab.engine import FoundImage
from lab.instances import Member, Running
from lab.prune import BUILDING_SECONDS, STARTING_SECONDS, unused, why_dead
from lab.show import age_words

OLD = STARTING_SECONDS + 1


def instance(helper: str | None, *hosts: str, expected: int | None = None) -> Running:
    """An instance whose containers have these states."""
    first = None if helper is None else Member(id="helper", host="", state=helper)
    rest = tuple(Member(id=f"id-{n}", host=f"h{n}", state=state) for n, state in enumerate(hosts))
    return Running(
        name="x",
        lab="nat",
        created=0,
        helper=first,
        hosts=rest,
        expected=len(hosts) if expected is None else expected,
        description="",
        members=((first,) if first else ()) + rest,
    )


WHOLE = instance("running", "running", "running")


@pytest.mark.parametrize(
    ("found", "age", "came_up", "why"),
    [
        (WHOLE, OLD, True, ""),
        (WHOLE, OLD, None, ""),
        (WHOLE, OLD, False, "its start never ended"),
        (WHOLE, STARTING_SECONDS - 1, False, ""),
        (WHOLE, -1, False, ""),
        (instance(None, "running"), 0, None, "its helper is gone, 1 container left"),
        (instance(None, "running", "exited"), -1, None, "its helper is gone, 2 containers left"),
        (instance("exited", "running", "running"), 0, None, "its helper has ended"),
        (instance("exited", "exited", "exited"), 0, None, "its helper has ended; all 2 hosts have ended"),
        (instance("dead"), 0, None, "its helper has ended"),
        (instance("created", "running", "created"), 0, None, ""),
        (instance("created", "running", "created"), OLD, None, "its helper was never started; h1 was never started"),
        (instance("running", "running", "exited"), OLD, None, "h1 has ended"),
        (instance("running", "exited", "exited", "running"), OLD, None, "h0, h1 have ended"),
        (instance("running", "running", expected=3), OLD, None, "2 of 3 hosts are gone"),
        (instance("running", "running", expected=2), OLD, None, "1 of 2 hosts is gone"),
        (instance("running", "running", "exited"), 1, None, ""),
        (instance("running", "running", "paused"), OLD, None, ""),
        (instance("paused", "running", "exited"), OLD, None, ""),
    ],
)
def test_what_is_dead(found: Running, age: float, came_up: bool | None, why: str) -> None:
    """What cannot be whole any more is, at once; what may still become so only after the time of a start; what a
    person has paused never."""
    assert why_dead(found, age=age, came_up=came_up, older=None) == why


@pytest.mark.parametrize("found", [WHOLE, instance("paused", "paused"), instance(None, "running")])
def test_an_age_takes_all_that_are_older(found: Running) -> None:
    """In whatever state; a clock that was set back makes nothing old."""
    assert why_dead(found, age=61, came_up=True, older=60)
    for young in (60, -3600):
        assert why_dead(found, age=young, came_up=True, older=60) == why_dead(
            found, age=young, came_up=True, older=None
        )


def image(content: str, *tags: str, created: int = 0) -> FoundImage:
    """An image of ours."""
    return FoundImage(id=f"id-{content}", tags=tags, created=created, labels=(("socketlab.content", content),))


def test_what_images_are_unused() -> None:
    """Those of older content, and builds' stages: if no container is made of them, and no build can go on."""
    found = [image("now", "a:1"), image("old", "a:0"), image("used", "a:2"), image("stage"), image("new", created=9)]
    rows = unused(found, now=BUILDING_SECONDS + 5, current={"now"}, used={"used"})
    assert [(one.image.label("socketlab.content"), one.why) for one in rows] == [
        ("old", "of older content, and no container is made of it"),
        ("stage", "left by a build, and no container is made of it"),
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3725, "1 h 2 min"), (86400 + 5, "1 d"), (-1, "unknown")],
)
def test_an_age_is_told_in_two_units(seconds: int, words: str) -> None:
    """The largest that it has, and the next."""
    assert age_words(seconds) == words
