"""Whose doing is it that a check could not be carried out? Told by a control: the exercise's own solution.

A submission can do more against a check than anyone foresees: use up what its host has, send more than can be kept.
What comes of that is an error of ours and no observation, so it would be no verdict. Therefore a check that ends in one
is carried out again; if it ends so again, and passes with the solution in the same instance, it is the submission's
doing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lab.errors import UsageError
from lab.grading import carrying, library
from lab.grading.carrying import About, Task
from lab.grading.record import Layer, State, Verdict

WHAT = "whether the check can be carried out"
EXPECTED = "a program that lets it: with the exercise's own solution it can be"
HINT = "does the program use up what its host has, such as processes, or send without an end?"


def settled(task: Task, verdicts: tuple[Verdict, ...], *, about: About = lambda _: None) -> tuple[Verdict, ...]:
    """The verdicts, in which an ERROR is none of the submission's doing.

    The instance may be in whatever state the last check left it in.
    """
    if not any(one.state is State.ERROR for one in verdicts):
        return verdicts
    solution = _solution(task)
    found = {one.check.id: one for one in verdicts}
    for id_, before in found.items():
        if before.state is not State.ERROR:
            continue
        found[id_] = again = _one(task, id_, found.values(), about)
        needs = [found[need].state for need in again.check.needs]
        if again.state is not State.ERROR or solution is None or State.ERROR in needs:
            continue
        if _one(solution, id_, found.values(), about).state is State.PASSED:
            found[id_] = replace(
                again,
                state=State.FAILED,
                layer=Layer.PROGRAM,
                what=WHAT,
                expected=EXPECTED,
                observed=again.reason,
                hint=HINT,
                reason="",
            )
    return tuple(found.values())


def _one(task: Task, id_: str, verdicts: Iterable[Verdict], about: About) -> Verdict:
    """One check carried out, as those before it have ended."""
    known = [one for one in verdicts if one.check.id != id_]
    return next(
        one for one in carrying.carried_out(task, as_new=False, about=about, known=known) if one.check.id == id_
    )


def _solution(task: Task) -> Task | None:
    """The same with the exercise's own solution; None if there is none to be had."""
    try:
        read = task.loaded.handed_in(task.loaded.folder / library.SOLUTION)
    except UsageError:
        return None
    return None if read.faults else replace(task, submission=read)
