"""An exercise proves its own grader: its solution passes, its starter does not, and each wrong answer fails exactly the
checks that it names; twice, with different variants."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.borrowing import Borrowed, borrowed
from lab.engine import Engine
from lab.errors import UsageError
from lab.grading import carrying, grade, library
from lab.grading.carrying import Task
from lab.grading.exercise import Mistake
from lab.grading.grade import Variant
from lab.grading.library import Loaded
from lab.grading.record import Declared, State, Verdict, ids

VARIANTS = ("one", "two")
AT_ONCE = 3
"""Most of it is waiting."""
MOST_SAID = 2000

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """Something that an exercise's own submissions show to be wrong with it."""

    part: str
    variant: str
    text: str

    def __str__(self) -> str:
        where = f"{self.part} (--variant {self.variant})" if self.variant else self.part
        return f"{where}: {self.text}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """What came of it: nothing is wrong if there are no problems."""

    exercise: str
    submissions: int
    """how many were checked, each variant counted"""
    checks: int
    problems: tuple[Problem, ...]
    seconds: float


def verify(
    engine: Engine, loaded: Loaded, *, refs: Mapping[str, str], variants: Iterable[str] = VARIANTS, say: Say
) -> Verified:
    """Check an exercise's own submissions. Raises LabError if no lab is to be had for it."""
    began = time.monotonic()
    problems = [*_unproven(loaded)]
    count = 0
    with ExitStack() as stack:
        lent: Borrowed | None = None
        for name in variants:
            variant = grade.variant(loaded.exercise, name)
            lab = loaded.lab(variant.mapping)
            if lent is None or lent.instance.lab != lab:
                stack.close()
                lent = stack.enter_context(
                    borrowed(engine, lab, prefix=grade.prefix(loaded.exercise), refs=refs, say=say)
                )
            for part in _parts(loaded):
                say(f"{loaded.exercise.name}: {part}, variant {name}")
                found, broken = _checked(loaded, part, variant, lent)
                problems += found
                count += 1
                if broken:  # the others would only say it again
                    return _verified(loaded, count, problems, began)
    return _verified(loaded, count, problems, began)


def _verified(loaded: Loaded, count: int, problems: list[Problem], began: float) -> Verified:
    return Verified(
        exercise=loaded.exercise.name,
        submissions=count,
        checks=len(loaded.checks),
        problems=tuple(problems),
        seconds=round(time.monotonic() - began, 1),
    )


def _parts(loaded: Loaded) -> list[str]:
    """The folders of its submissions."""
    wrong = [f"{library.WRONG}/{one.name}" for one in loaded.exercise.mistakes]
    return [library.SOLUTION, library.STARTER, *wrong]


def _checked(loaded: Loaded, part: str, variant: Variant, lent: Borrowed) -> tuple[list[Problem], bool]:
    """What is not as it must be, and whether that is because checks cannot be carried out."""
    read = loaded.handed_in(loaded.folder / part)
    if read.faults:
        return [Problem(part=part, variant="", text=str(one)) for one in read.faults], False
    task = Task(loaded=loaded, instance=lent.instance, submission=read, values=variant.mapping)
    verdicts = carrying.carried_out(task, as_new=False)
    mistake = next((one for one in loaded.exercise.mistakes if part == f"{library.WRONG}/{one.name}"), None)
    found = [Problem(part=part, variant=variant.name, text=text) for text in judged(part, verdicts, mistake)]
    return found, any(one.state is State.ERROR for one in verdicts)


def _unproven(loaded: Loaded) -> list[Problem]:
    """What no submission of the exercise's proves."""
    named = {check for mistake in loaded.exercise.mistakes for check in mistake.fails}
    problems = [
        Problem(part=library.WRONG, variant="", text=f"expected a wrong answer that fails {one.check.id}, found none")
        for one in loaded.checks
        if one.check.id not in named
    ]
    try:
        loaded.task(grade.variant(loaded.exercise, VARIANTS[0]).mapping)
    except UsageError as error:
        problems.append(Problem(part=library.README, variant="", text=str(error)))
    listed = {one.name for one in loaded.exercise.mistakes}
    there = sorted(one.name for one in (loaded.folder / library.WRONG).glob("*") if one.is_dir())
    problems += [
        Problem(part=f"{library.WRONG}/{one}", variant="", text="it is not named under `wrong` in exercise.yaml")
        for one in there
        if one not in listed
    ]
    return problems


def judged(part: str, verdicts: tuple[Verdict, ...], mistake: Mistake | None) -> list[str]:
    """What is not as it must be, of the verdicts on one of its submissions."""
    errors = [f"{one.check.id} is an ERROR: {one.reason}" for one in verdicts if one.state is State.ERROR]
    if errors:
        return errors
    if part == library.SOLUTION:
        return [_told(one, "PASSED") for one in verdicts if one.state is not State.PASSED]
    if mistake is None:
        passed = [one for one in verdicts if one.points]
        return [_told(one, "no points for the starter") for one in passed]
    named, failed = frozenset(mistake.fails), ids(verdicts, State.FAILED)
    dependent = _dependent([one.check for one in verdicts], failed)
    texts = [_told(one, "FAILED") for one in verdicts if one.check.id in named - failed]
    texts += [_told(one, "PASSED") for one in verdicts if one.check.id in failed - named]
    blocked = ids(verdicts, State.BLOCKED) - named
    return texts + [_told(one, "PASSED") for one in verdicts if one.check.id in blocked - dependent]


def _dependent(checks: list[Declared], failed: frozenset[str]) -> frozenset[str]:
    """The checks that need a failed one, or one that needs it."""
    found: set[str] = set()
    for check in checks:
        if (failed | found) & set(check.needs):
            found.add(check.id)
    return frozenset(found)


def _told(verdict: Verdict, expected: str) -> str:
    text = f"{verdict.check.id}: expected {expected}, observed {verdict.state}"
    if verdict.state is State.FAILED:
        layer = f" [{verdict.layer}]" if verdict.layer else ""
        text += f"{layer}: {verdict.what}: expected {verdict.expected}, observed {verdict.observed}"
    return text


def as_json(one: Verified) -> dict[str, Any]:
    """For `--json`, and for the process that called."""
    return {
        "exercise": one.exercise,
        "submissions": one.submissions,
        "checks": one.checks,
        "problems": [{"part": p.part, "variant": p.variant, "text": p.text} for p in one.problems],
        "seconds": one.seconds,
    }


def _from_json(value: Mapping[str, Any]) -> Verified:
    """The other way."""
    return Verified(**{**value, "problems": tuple(Problem(**one) for one in value["problems"])})


def verify_all(folders: Sequence[str], *, variants: Iterable[str], say: Say) -> list[Verified]:
    """Verify exercises, each in a process of its own, because pytest has one session in each; several at a time."""
    options = [word for name in variants for word in ("--variant", name)]
    children: list[subprocess.Popen[bytes]] = []

    def verified(folder: str) -> Verified:
        command = [sys.executable, "-m", "lab", "verify", folder, "--json", *options]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe) as child:
            children.append(child)
            printed, said = child.communicate()
        name = Path(folder).name
        try:
            result = _from_json(json.loads(printed)[0])
        except (ValueError, LookupError, TypeError):
            text = said.decode(errors="replace").strip()[-MOST_SAID:] or f"exit status {child.returncode}"
            result = _broken(name, text)
        say(f"{name}: {state(result)}")
        return result

    with ThreadPoolExecutor(AT_ONCE) as pool:
        # Those with most to check first, so that none is left over at the end.
        ordered = sorted(folders, key=lambda folder: -len(list(Path(folder, library.WRONG).glob("*"))))
        jobs = {folder: pool.submit(verified, folder) for folder in ordered}
        try:
            return [jobs[folder].result() for folder in folders]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in children:
                child.terminate()  # it removes its labs; the end of the pool waits for that
            raise


def _broken(exercise: str, text: str) -> Verified:
    """What is said if it could not be carried out at all."""
    problem = Problem(part="the exercise", variant="", text=text)
    return Verified(exercise=exercise, submissions=0, checks=0, problems=(problem,), seconds=0.0)


def state(one: Verified) -> str:
    """In a word or two."""
    count = len(one.problems)
    return "proven" if not count else "1 problem" if count == 1 else f"{count} problems"
