"""Measure `lab grade` beside the loop that a teacher would write, and count verdicts that differ from run to run.

    python -m tests.bench.grading [--submissions 60] [--without-teacher]

No test: it prints. Both grade the same submissions of exercise 06, half of them right and half wrong:
  lab       `lab grade`, as a user calls it, from its start to the written reports
  teacher   for each submission `docker compose up -d`, pytest with testinfra's docker backend, `docker compose down`,
            see teacher/: one after the other, since two could not have the same addresses
Then the same submissions again: one at a time, in another order, and with every processor loaded by something else.
Each verdict on each check must be the one of the first run; how many are not is printed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lab import images
from lab.engine import Engine
from lab.grading import library
from tests.bench.bench import compose_command, run

EXERCISE = "06-who-am-i"
TEACHER = Path(__file__).resolve().parent / "teacher"
SUBMISSIONS = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Graded:
    """A run of `lab grade`."""

    what: str
    seconds: float
    verdicts: dict[str, list[tuple[str, str, str | None]]]
    """of each submission: check, state, layer"""
    replaced: int


def submissions(folder: Path, count: int) -> None:
    """Every second one is right; the others are the exercise's own wrong answers, one after the other."""
    loaded = library.load(EXERCISE)
    wrong = [one.name for one in loaded.exercise.mistakes]
    for number in range(count):
        place = folder / f"s{number:03}"
        shutil.copytree(loaded.folder / library.SOLUTION, place)
        if number % 2:
            name = wrong[number // 2 % len(wrong)]
            shutil.copytree(loaded.folder / library.WRONG / name, place, dirs_exist_ok=True)


def other_order(folder: Path, target: Path) -> None:
    """The same under names that sort the other way round; what a name was before stands at its end."""
    for number, place in enumerate(sorted(folder.iterdir(), reverse=True)):
        shutil.copytree(place, target / f"r{number:03}-{place.name}")


def graded(what: str, folder: Path, *options: str) -> Graded:
    """Grade a folder."""
    with tempfile.TemporaryDirectory() as out:
        began = time.perf_counter()
        run(sys.executable, "-m", "lab", "grade", "6", str(folder), "--out", f"{out}/results", *options)
        seconds = time.perf_counter() - began
        told = json.loads(Path(out, "results/results.json").read_text())
        verdicts = {
            re.sub(r"^r\d+-", "", one["id"]): _verdicts(Path(out, "results", one["record"]))
            for one in told["submissions"]
        }
    return Graded(what=what, seconds=seconds, verdicts=verdicts, replaced=told["summary"]["replaced"])


def _verdicts(record: Path) -> list[tuple[str, str, str | None]]:
    checks: list[dict[str, Any]] = json.loads(record.read_text())["checks"]
    return [(one["check"], one["state"], one["layer"]) for one in checks]


@contextlib.contextmanager
def loaded_machine() -> Iterator[None]:
    """Something else keeps every processor busy."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for one in busy:
            one.kill()
            one.wait()


def teachers_loop(folder: Path, compose: tuple[str, ...], say: Any) -> tuple[float, int]:
    """The whole loop's seconds, and how many passed."""
    began, passed = time.perf_counter(), 0
    for place in sorted(folder.iterdir()):
        environment = {**os.environ, "SUBMISSION": str(place), "HERE": str(TEACHER)}
        command = [*compose, "-f", str(TEACHER / "compose.yaml")]
        pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(TEACHER)]
        try:
            subprocess.run([*command, "up", "-d"], env=environment, capture_output=True, check=True)
            done = subprocess.run(
                [sys.executable, *pytest, str(TEACHER / "check_who_am_i.py")], capture_output=True, check=False
            )
            passed += done.returncode == 0
        finally:
            subprocess.run([*command, "down"], env=environment, capture_output=True, check=True)
        say(f"teacher: {place.name}, {time.perf_counter() - began:.0f} s")
    return time.perf_counter() - began, passed


def differences(first: Graded, other: Graded) -> list[str]:
    """Verdicts that are not those of the first run."""
    return [
        f"{other.what}: {id_}: {before} in the first run, {now}"
        for id_, verdicts in first.verdicts.items()
        for before, now in zip(verdicts, other.verdicts[id_], strict=True)
        if before != now
    ]


def table(runs: list[Graded], count: int, teacher: tuple[float, int] | None) -> Table:
    """A row for each run."""
    made = Table(box=None, header_style="bold")
    for column in ("RUN", "SECONDS", "PER MINUTE", "TEACHER'S / THIS", "REPLACED", "OTHER VERDICTS"):
        made.add_column(column, justify="left" if column == "RUN" else "right")
    for one in runs:
        ratio = f"{teacher[0] / one.seconds:.1f}" if teacher else "-"
        other = str(len(differences(runs[0], one)))
        made.add_row(one.what, f"{one.seconds:.0f}", f"{60 * count / one.seconds:.0f}", ratio, str(one.replaced), other)
    if teacher:
        made.add_row("the teacher's loop", f"{teacher[0]:.0f}", f"{60 * count / teacher[0]:.0f}", "1.0", "", "")
    return made


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="lab grade beside a loop of Compose and testinfra")
    parser.add_argument("--submissions", type=int, default=SUBMISSIONS)
    parser.add_argument("--without-teacher", action="store_true", help="only whether verdicts differ")
    chosen = parser.parse_args()
    say = Console(stderr=True).print
    compose = None if chosen.without_teacher else compose_command()
    if compose is None and not chosen.without_teacher:
        say("no Compose v2 here (`docker compose version`): nothing to measure against")
    with Engine.connect() as engine, tempfile.TemporaryDirectory() as top:
        images.ensure(engine, say=say)
        folder, other = Path(top, "in"), Path(top, "other")
        submissions(folder, chosen.submissions)
        other_order(folder, other)
        runs: list[Graded] = []
        for what, place, options in (
            ("several at once", folder, ()),
            ("one at a time", folder, ("--jobs", "1")),
            ("in another order", other, ()),
            ("all processors loaded", folder, ()),
            ("several at once, again", folder, ()),
        ):
            say(f"lab grade: {what}")
            with loaded_machine() if "loaded" in what else contextlib.nullcontext():
                runs.append(graded(what, place, *options))
        teacher = None if compose is None else teachers_loop(folder, compose, say)
    out = Console(width=120)
    out.print(f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}")
    out.print(table(runs, chosen.submissions, teacher))
    right = sum(all(state == "PASSED" for _, state, _ in one) for one in runs[0].verdicts.values())
    out.print(f"{right} of {chosen.submissions} passed all checks", f"(the teacher's: {teacher[1]})" if teacher else "")
    wrong = [text for one in runs for text in differences(runs[0], one)]
    for text in wrong:
        out.print(text)
    out.print(f"{len(runs) * chosen.submissions} runs, {len(wrong)} verdicts that differ")


if __name__ == "__main__":
    main()
