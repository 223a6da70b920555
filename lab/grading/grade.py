"""One submission checked: a variant, an instance of its lab, the checks, and the record of it."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lab import instances
from lab.borrowing import borrowed
from lab.engine import Engine
from lab.errors import UsageError
from lab.grading import carrying, control, variants
from lab.grading.carrying import About, Task
from lab.grading.exercise import Exercise
from lab.grading.library import Loaded
from lab.grading.record import Record, Verdict
from lab.grading.submission import Submission

KEY_VARIABLE = "SOCKETLAB_KEY"
DEFAULT_KEY = "socketlab"
"""Good enough to learn with. Whoever grades others has one that they do not know."""
RANDOM = variants.Word(length=4)

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """An exercise's variables, as they are for a variant."""

    name: str
    values: tuple[tuple[str, str], ...]

    @property
    def mapping(self) -> dict[str, str]:
        """By name."""
        return dict(self.values)


def variant(exercise: Exercise, name: str | None = None) -> Variant:
    """The variant of that name; without one a random one. Raises UsageError."""
    name = RANDOM.value(secrets.randbelow(RANDOM.size)) if name is None else variants.checked(name)
    values = variants.draw(exercise.variables, exercise=exercise.name, variant=name, key=key())
    return Variant(name=name, values=values)


def key() -> bytes:
    """What values are drawn from."""
    return (os.environ.get(KEY_VARIABLE) or DEFAULT_KEY).encode()


def prefix(exercise: Exercise) -> str:
    """How the names of its instances begin; after it comes the variant."""
    return f"exercise-{exercise.number.lstrip('0') or exercise.name[:12].strip('-')}-"


def instance_name(exercise: Exercise, variant: Variant) -> str:
    """The name of an instance that is kept for an exercise."""
    return f"{prefix(exercise)}{variant.name}"


def running(engine: Engine, exercise: Exercise) -> tuple[str, ...]:
    """The names of the instances that are kept for an exercise."""
    return tuple(one.name for one in instances.running(engine) if one.name.startswith(prefix(exercise)) and one.whole)


def kept_instance(engine: Engine, exercise: Exercise, named: str | None) -> str | None:
    """The instance that a learner works with: the one that is named; if none is, the only one of this exercise.

    Of several none is taken, and none if one of another exercise is named: they may be somebody else's.
    """
    there = running(engine, exercise)
    if named is not None:
        return named if named in there else None
    return there[0] if len(there) == 1 else None


def variant_of(exercise: Exercise, instance: str | None) -> Variant | None:
    """The variant that an instance was started with."""
    if instance is None:
        return None
    with contextlib.suppress(UsageError):  # a name that somebody has chosen
        return variant(exercise, instance.removeprefix(prefix(exercise)))
    return None


def suited_variant(loaded: Loaded, name: str | None, kept: str | None) -> Variant:
    """The variant of that name. Without one it is a random one.

    But where each variant has another lab, it is the one of the kept instance: a learner sees the values of that.
    """
    exercise = loaded.exercise
    found = variant_of(exercise, kept) if name is None and loaded.lab_varies else None
    return found or variant(exercise, name)


def check(
    engine: Engine,
    loaded: Loaded,
    submission: Submission,
    variant: Variant,
    *,
    refs: Mapping[str, str],
    kept: str | None = None,
    say: Say,
    about: About = lambda _: None,
) -> Record:
    """Check a submission on the instance named `kept`; if it is not this lab, or not free, on one of its own.

    Raises LabError if there is no instance to be had.
    """
    clock = Clock()
    instance = ""
    if submission.faults:
        verdicts = carrying.without_files(submission, loaded)
    else:
        lab = loaded.lab(variant.mapping)
        with borrowed(engine, lab, prefix=prefix(loaded.exercise), refs=refs, say=say, kept=kept) as lent:
            task = Task(loaded=loaded, instance=lent.instance, submission=submission, values=variant.mapping)
            verdicts = carrying.carried_out(task, as_new=True, about=about)
            verdicts = control.settled(task, verdicts, about=about)
            instance = lent.instance.name if lent.kept else ""
    return recorded(loaded, submission, variant, verdicts, clock=clock, instance=instance)


class Clock:
    """When a submission's turn began."""

    def __init__(self) -> None:
        self.started = time.time()
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long that is ago."""
        return round(time.monotonic() - self._began, 3)


def recorded(
    loaded: Loaded,
    submission: Submission,
    variant: Variant,
    verdicts: tuple[Verdict, ...],
    *,
    clock: Clock,
    instance: str = "",
) -> Record:
    """The record of verdicts on a submission."""
    return Record(
        exercise=loaded.exercise.name,
        title=loaded.exercise.title,
        variant=variant.name,
        values=variant.values,
        files=submission.files,
        ignored=submission.ignored,
        verdicts=verdicts,
        started=clock.started,
        seconds=clock.seconds,
        instance=instance,
    )
