"""Commands of exercises: list, show and start them, check a submission, hints; and for authors verify and new."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Exit

from lab import console
from lab.cli import exports
from lab.cli.common import (
    NAME_VARIABLE,
    AsJson,
    InstanceName,
    WiringName,
    app,
    check_writable,
    opened_engine,
    start_on,
    write,
)
from lab.errors import CheckError, LabError, UsageError
from lab.text import printable

if TYPE_CHECKING:
    from lab.engine import Engine
    from lab.grading.grade import Variant
    from lab.grading.library import Loaded
    from lab.grading.record import Record
    from lab.grading.submission import Submission
    from lab.grading.verify import Verified

exercises = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Exercises: list, show and start them.")
app.add_typer(exercises, name="exercise")
new = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make a skeleton to begin with.")
app.add_typer(new, name="new")

Named = Annotated[
    str, typer.Argument(metavar="EXERCISE", help="Its number, its name, or the path of its folder: ./NAME.")
]
VariantName = Annotated[
    str | None,
    typer.Option("--variant", metavar="NAME", help="The variant: the same name gives the same values again."),
]


@exercises.command("list")
def list_exercises(as_json: AsJson = False) -> None:
    """The exercises, each with its lab and its points."""
    from lab import tables
    from lab.grading import library

    loaded = [library.load(str(one)) for one in library.available()]
    if as_json:
        console.show_json([
            {
                "exercise": one.exercise.name,
                "title": one.exercise.title,
                "lab": one.exercise.lab,
                "points": one.exercise.points,
                "checks": len(one.checks),
                "claims": list(one.exercise.claims),
            }
            for one in loaded
        ])  # fmt: skip
        return
    table = tables.table("", "EXERCISE", "POINTS", "TITLE")
    for one in loaded:
        tables.row(table, one.exercise.name, str(one.exercise.points), one.exercise.title)
    console.show(table)


@exercises.command("show")
def show(exercise: Named, variant: VariantName = None) -> None:
    """Print the task, with the values of a variant: of the one that was started, else of a random one."""
    from lab.grading import library

    loaded = library.load(exercise)
    sys.stdout.write(loaded.task(_variant_to_show(loaded, variant).mapping))


def _variant_to_show(loaded: Loaded, name: str | None) -> Variant:
    """The variant of a started instance; without an engine, which showing does not need, a random one."""
    from lab.grading import grade

    if name is not None or not loaded.exercise.variables:
        return grade.variant(loaded.exercise, name or "any")
    try:
        with opened_engine() as engine:
            kept = grade.kept_instance(engine, loaded.exercise, os.environ.get(NAME_VARIABLE))
        return grade.variant_of(loaded.exercise, kept) or grade.variant(loaded.exercise)
    except LabError:
        return grade.variant(loaded.exercise)


@exercises.command("start")
def start(
    exercise: Named,
    folder: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", help="Where to work. Default: a folder of the exercise's name.")
    ] = None,
    variant: VariantName = None,
    wiring: WiringName = "auto",
) -> None:
    """Start an exercise's lab, and put its task and starter into a folder of yours, where nothing is overwritten."""
    from lab import images, instances, live
    from lab.grading import grade, library

    start_on(wiring)
    loaded = library.load(exercise)
    target = folder or Path(loaded.exercise.name)
    if target.resolve() == loaded.folder.resolve():
        raise UsageError(
            f"expected a folder to work in, found {target}, which is the exercise itself",
            hint=f"name another one: lab exercise start {exercise} work",
        )
    with console.Progress() as progress, opened_engine() as engine:
        kept = grade.kept_instance(engine, loaded.exercise, os.environ.get(NAME_VARIABLE))
        running = grade.variant_of(loaded.exercise, kept)
        chosen = running if running and variant in (None, running.name) else grade.variant(loaded.exercise, variant)
        name = grade.instance_name(loaded.exercise, chosen)
        made = library.hand_out(loaded, target, chosen.mapping)
        if name not in grade.running(engine, loaded.exercise):
            described = loaded.lab(chosen.mapping)
            refs = images.ensure(engine, say=progress.say)
            live.up(engine, described, name=name, images=refs, say=progress.say).close()
            state = "is up"
        else:
            state = "was up already"
        alone = len(instances.running(engine)) == 1
    lines = [f"{loaded.exercise.title}", f"the lab {state}: {name}"]
    lines += [f"{target}/{one}" for one in made] or [f"{target}: nothing new, what is there is yours"]
    lines += [f"read {target}/{library.README}, then:", f"  cd {target}"]
    # With several labs every command has to be told which one is meant.
    lines += [] if alone else [f"  export {NAME_VARIABLE}={name}"]
    called = library.called(loaded, exercise, within=target)
    lines += [f"  lab check {called} .", f"  lab hint {called}", f"  lab down --name {name}"]
    sys.stdout.write("".join(f"{line}\n" for line in lines))


@app.command("check")
def check(
    exercise: Named,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A folder or an archive with the files that are asked for.")
    ],
    variant: VariantName = None,
    name: InstanceName = None,
    watch: Annotated[bool, typer.Option("--watch", help="Check again on every save, until Ctrl-C.")] = False,
    as_json: AsJson = False,
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML.")] = None,
    page: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write one page.")] = None,
    export: Annotated[
        list[str] | None,
        typer.Option(
            "--export",
            metavar="FORMAT=FILE",
            help=f"Write a result for another system: {', '.join(exports.Format)}. May be given several times.",
        ),
    ] = None,
    github: Annotated[
        bool, typer.Option("--github", help="In a step of GitHub Actions: add to its summary, and annotate.")
    ] = False,
    wiring: WiringName = "auto",
) -> None:
    """Check a submission on a lab that is as new: a verdict for each check, and a score.

    The exit status is 0 if every check has passed, 1 if one has not, 9 if one could not be carried out.
    """
    from lab import images
    from lab.grading import library, watching

    start_on(wiring)
    loaded = library.load(exercise)
    loaded.handed_in(folder)  # a mistake in the call is told before an engine is asked
    reports = Reports(
        as_json=as_json,
        junit=junit,
        page=page,
        github=exports.Github(os.environ) if github else None,
        exported=exports.Exports(exports.parse(export or ()), os.environ),
    )
    with opened_engine() as engine:
        with console.Progress() as progress:
            refs = images.ensure(engine, say=progress.say)
        work = partial(_checked, engine, loaded, folder, variant, name, refs=refs, reports=reports)
        record = watching.repeated(work, folder, told=sys.stderr.write) if watch else work()
    raise Exit(exit_code(record))


def exit_code(record: Record) -> int:
    """What `lab check` says to scripts."""
    from lab.grading.record import State

    if record.state is State.PASSED:
        return 0
    return CheckError.exit_code if record.state is State.ERROR else LabError.exit_code


def _checked(
    engine: Engine,
    loaded: Loaded,
    folder: Path,
    variant: str | None,
    name: str | None,
    *,
    refs: Mapping[str, str],
    reports: Reports,
) -> Record:
    """Check what lies in the folder now, and tell of it."""
    from lab.grading import grade

    read = loaded.handed_in(folder)
    kept = grade.kept_instance(engine, loaded.exercise, name)
    chosen = grade.suited_variant(loaded, variant, kept)
    record = with_progress(engine, loaded, read, chosen, refs=refs, kept=kept)
    reports.tell(record)
    return record


def with_progress(
    engine: Engine,
    loaded: Loaded,
    read: Submission,
    variant: Variant,
    *,
    refs: Mapping[str, str],
    kept: str | None = None,
) -> Record:
    """Check a submission, and show meanwhile which check is carried out. Raises LabError."""
    from lab.grading import grade

    titles = {one.check.id: one.check.title for one in loaded.checks}
    with console.Progress() as progress:
        return grade.check(
            engine,
            loaded,
            read,
            variant,
            refs=refs,
            kept=kept,
            say=progress.say,
            about=lambda id_: progress.say(f"checking {id_}: {titles[id_]}"),
        )


class Reports:
    """Where a record is told: on the terminal, in files, and on the page of a job."""

    def __init__(
        self,
        *,
        as_json: bool,
        junit: Path | None = None,
        page: Path | None = None,
        exported: exports.Exports | None = None,
        github: exports.Github | None = None,
    ) -> None:
        for file in (junit, page):
            if file is not None:
                check_writable(file)
        self.as_json, self.junit, self.page = as_json, junit, page
        self.exported, self.github = exported, github

    def tell(self, record: Record) -> None:
        """Write all that is wanted."""
        from lab.grading import reports
        from lab.grading.reports import github

        if self.as_json:
            console.show_json(reports.as_json(record))
        else:
            with console.harmless():
                for one in reports.text(record, width=min(console.width(), 120)):
                    console.show(one)
        if self.junit is not None:
            write(self.junit, reports.junit(record))
        if self.page is not None:
            write(self.page, reports.html(record, when=time.time()))
        if self.exported is not None:
            self.exported.write(record)
        if self.github is not None:
            # After the lines that are no commands, in one stream with them; what is somebody's JSON holds none.
            self.github.tell(
                lambda room: github.summary(record, room=room),
                github.commands(record),
                commands=sys.stderr if self.as_json else sys.stdout,
            )


@app.command("hint")
def hint(
    exercise: Named,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many; each says more than the last.")] = 1,
) -> None:
    """Print the first hint of an exercise, or with -n the first ones."""
    from lab.grading import library

    loaded = library.load(exercise)
    hints = loaded.exercise.hints
    for place, text in enumerate(hints[:count], start=1):
        sys.stdout.write(textwrap.fill(f"{place}. {text}", min(console.width(), 100), subsequent_indent="   ") + "\n")
    if not hints:
        sys.stdout.write("there are no hints for it\n")
    elif count < len(hints):
        sys.stderr.write(f"{len(hints) - count} more: lab hint {library.called(loaded, exercise)} -n {count + 1}\n")


@app.command("verify")
def verify(
    exercises: Annotated[list[str] | None, typer.Argument(metavar="EXERCISE", help="Default: all.")] = None,
    variants: Annotated[
        list[str] | None, typer.Option("--variant", metavar="NAME", help="These variants. Default: one and two.")
    ] = None,
    wiring: WiringName = "auto",
    as_json: AsJson = False,
) -> None:
    """Let exercises prove their checks: solution, starter and wrong answers are checked, with two variants."""
    from lab.grading import library
    from lab.grading import verify as proving

    start_on(wiring)
    found = [library.find(one) for one in exercises] if exercises else library.available()
    folders = [str(one.resolve()) for one in found]
    names = tuple(variants) if variants else proving.VARIANTS
    results = [_verified(folders[0], names)] if len(folders) == 1 else _verified_all(folders, names)
    if as_json:
        console.show_json([proving.as_json(one) for one in results])
    else:
        for one in results:
            for problem in one.problems:
                sys.stdout.write(f"{one.exercise}: {printable(str(problem))}\n")
            what = f"{one.submissions} submissions to {one.checks} checks"
            sys.stdout.write(f"{one.exercise}: {proving.state(one)} by {what}, {one.seconds} s\n")
    if any(one.problems for one in results):
        raise Exit(LabError.exit_code)


def _verified(folder: str, variants: tuple[str, ...]) -> Verified:
    """One exercise, in this process."""
    from lab import images
    from lab.grading import library
    from lab.grading import verify as proving

    loaded = library.load(folder)
    with console.Progress() as progress, opened_engine() as engine:
        refs = images.ensure(engine, say=progress.say)
        return proving.verify(engine, loaded, refs=refs, variants=variants, say=progress.say)


def _verified_all(folders: list[str], variants: tuple[str, ...]) -> list[Verified]:
    from lab.grading import verify as proving

    with console.Progress() as progress:
        return proving.verify_all(folders, variants=variants, say=progress.say)


@new.command("exercise")
def new_exercise(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The folder to make, such as 11-half-open.")],
) -> None:
    """Make a folder with an exercise to begin with: task, starter, solution, wrong answers and checks. It verifies."""
    from lab.grading import library

    made = library.make_new(name)
    named = str(made) if "/" in str(made) else f"./{made}"
    sys.stdout.write("".join(f"{one}\n" for one in sorted(made.rglob("*")) if one.is_file()))
    sys.stdout.write(f"its checks prove themselves with: lab verify {named}\n")
