"""Looking until something is as wanted."""

from __future__ import annotations

from lab.waiting import until


def test_the_first_look_that_is_wanted() -> None:
    """No further look is taken."""
    looks = iter([1, 2, 3])
    assert until(lambda: next(looks), lambda one: one == 2, seconds=60, pause=0) == 2
    assert next(looks) == 3


def test_without_it_the_last_look() -> None:
    """What is never as wanted is given as it was seen last, after at least one look."""
    looks = iter(range(1000))
    assert until(lambda: next(looks), lambda _: False, seconds=0, pause=0.001) in range(5)
