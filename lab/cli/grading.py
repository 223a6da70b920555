"""Commands for many submissions: grade a folder of them, go on with it, grade one again."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Exit

from lab import console
from lab.cli.common import AsJson, WiringName, app, opened_engine, start_on
from lab.cli.exercise import Reports, VariantName, exit_code, with_progress
from lab.errors import CheckError, LabError, UsageError
from lab.grading.formats import Format
from lab.text import printable

if TYPE_CHECKING:
    from lab.grading.batch.batch import Crew, Plan
    from lab.grading.batch.reports.others import Others
    from lab.grading.batch.results import Batch, Result
    from lab.grading.record import Record

Out = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the results are, or will be.")]


@app.command("grade")
def grade(
    out: Out,
    exercise: Annotated[
        str | None, typer.Argument(metavar="EXERCISE", help="Its number, its name, or the path of its folder: ./NAME.")
    ] = None,
    submissions: Annotated[
        Path | None, typer.Argument(metavar="SUBMISSIONS", help="A folder with a folder or an archive of each.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, max=64, help="How many at once. Default: one more than processors."),
    ] = None,
    attempts: Annotated[
        int | None,
        typer.Option(
            "--attempts", min=1, max=10, help="How often one is tried if something else goes wrong. Default: 3."
        ),
    ] = None,
    variant: VariantName = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler", metavar="ADDRESS", help="Have the workers of a dask cluster grade: tcp://HOST:PORT."
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the batch whose results are in --out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print results.json at the end.")] = False,
    export: Annotated[
        list[Format] | None,
        typer.Option("--export", metavar="FORMAT", help=f"Write results for {', '.join(Format)} too; repeatable."),
    ] = None,
    github: Annotated[
        bool, typer.Option("--github", help="Add to the job's summary on GitHub, and annotate who has no score.")
    ] = False,
    wiring: WiringName = "auto",
) -> None:
    """Grade a folder of submissions, several at once, each with values of its own and on a lab that is as new.

    Each result is kept as soon as it is there: whatever happens, --resume goes on. The exit status is 0 if every
    submission has a score, 9 if one has none because of something that was not its fault.
    """
    from lab.cli.exports import Github
    from lab.grading import library
    from lab.grading.batch import batch, reports
    from lab.grading.batch.reports import files
    from lab.grading.batch.reports.others import Others

    start_on(wiring)

    if resume:
        if exercise or submissions or variant or attempts:
            raise UsageError(
                "expected none of EXERCISE, SUBMISSIONS, --variant and --attempts with --resume: the batch knows them"
            )
        plan = batch.resumed(out)
    else:
        if exercise is None or submissions is None:
            raise UsageError("expected an exercise and a folder of submissions", hint="or --resume, with --out alone")
        plan = batch.planned(
            library.load(exercise), submissions, out, variant=variant or "", attempts=attempts or batch.ATTEMPTS
        )
    if scheduler and jobs:
        raise UsageError("expected --jobs or --scheduler: how many jobs a cluster does at once, its workers say")
    page = Github(os.environ) if github else None
    others = Others({*(export or ()), *files.formats(plan.out)}, os.environ)
    crew = _cluster(plan, scheduler) if scheduler else _local(plan, jobs)
    found = _graded(plan, crew)
    written = _write(plan, found, others)
    _tell(plan, found, written, as_json=as_json)
    if page is not None:
        # After the lines that are no commands, in one stream with them; what is somebody's JSON holds none.
        stream = sys.stderr if as_json else sys.stdout
        page.tell(lambda room: reports.summary(found, room=room), reports.commands(found), commands=stream)
    if found.without_score:
        raise Exit(CheckError.exit_code)


def _local(plan: Plan, jobs: int | None) -> AbstractContextManager[Crew]:
    """Workers on this machine. Raises LabError if there is no engine, or no image can be made."""
    from lab import images
    from lab.grading.batch import batch, local

    with console.Progress() as progress, opened_engine() as engine:
        images.ensure(engine, say=progress.say)  # once, and not by each worker
    return local.Local(
        exercise=plan.head.exercise,
        prefix=batch.prefix(plan.head),
        count=min(jobs or local.processors() + 1, len(plan.entries)),
        seconds=batch.seconds_for(plan.loaded),
    )


def _cluster(plan: Plan, address: str) -> AbstractContextManager[Crew]:
    """Workers of a cluster. Raises UsageError if what it takes is not installed."""
    from lab.grading import library
    from lab.grading.batch import batch

    try:
        from lab.grading.batch import cluster
    except ImportError as error:
        raise UsageError(
            f"expected dask's distributed for --scheduler, found none: {error}",
            hint="`pip install 'socketlab[cluster]'` installs it",
        ) from error
    return cluster.Cluster(
        address,
        exercise=plan.loaded.exercise.name,
        files=library.packed(plan.loaded.folder),
        prefix=batch.prefix(plan.head),
        seconds=batch.seconds_for(plan.loaded),
    )


def _graded(plan: Plan, crew: AbstractContextManager[Crew]) -> Batch:
    from lab.cli.watch import Progress
    from lab.grading.batch import batch

    goes_on = f"`lab grade --resume --out {plan.out}` goes on with what was graded until now"
    try:
        with Progress() as watch:
            return batch.graded(plan, crew, watch)
    except LabError as error:
        if "--resume" not in error.hint:
            error.hint = f"{error.hint}; then {goes_on}" if error.hint else goes_on
        raise
    except (KeyboardInterrupt, SystemExit):
        sys.stderr.write(f"{goes_on}\n")
        raise


def _write(plan: Plan, found: Batch, others: Others) -> tuple[str, ...]:
    """Write the reports of what a journal says; their names."""
    from lab.grading.batch import journal
    from lab.grading.batch.reports import files

    return files.write(plan.out, found, journal.whole(plan.out, journal.read(plan.out)), others)


def _tell(plan: Plan, found: Batch, written: tuple[str, ...], *, as_json: bool) -> None:
    """Say what came of it."""
    from lab.grading.batch import reports

    if as_json:
        console.show_json(reports.as_json(found))
        return
    with console.harmless():
        for one in reports.text(found):
            console.show(one)
    sys.stdout.write(f"\n{plan.out}: {', '.join(written)}\n")


@app.command("regrade")
def regrade(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The submission, as results.json and grades.csv call it.")],
    out: Out,
    keep: Annotated[bool, typer.Option("--keep", help="Have the new result take the place of the old one.")] = False,
    wiring: WiringName = "auto",
    as_json: AsJson = False,
) -> None:
    """Grade a submission of a batch again, with the same values, and say whether it ends as before.

    The exit status is that of `lab check`.
    """
    from lab import images
    from lab.grading.batch import batch, entries, journal
    from lab.grading.batch.reports import files
    from lab.grading.batch.reports.others import Others
    from lab.grading.batch.results import Result

    start_on(wiring)
    plan = batch.begun(out)
    others = Others(files.formats(out) if keep else (), os.environ)
    entry = entries.find(plan.entries, id_)
    with ExitStack() as stack:
        writable = stack.enter_context(journal.go_on(out)[0]) if keep else None
        if keep:
            _check_complete(plan)
        elif batch.has_changed(plan):
            sys.stderr.write("the exercise has changed since the batch was begun\n")
        with opened_engine() as engine:
            with console.Progress() as progress:
                refs = images.ensure(engine, say=progress.say)
            read, variant = batch.handed_in(plan, entry), batch.variant_of(plan, entry.id)
            record = with_progress(engine, plan.loaded, read, variant, refs=refs)
        Reports(as_json=as_json).tell(record)
        sys.stderr.write(f"{_compared(journal.read(out).results.get(entry.id), record)}\n")
        if writable is not None and record.score is None:
            sys.stderr.write("it has no score now, so what it had is kept\n")
        elif writable is not None:
            writable.result(Result(id=entry.id, name=printable(entry.path.name), record=record))
            _write(plan, batch.batch(plan, journal.read(out).results.values()), others)
    raise Exit(exit_code(record))


def _check_complete(plan: Plan) -> None:
    """Raise UsageError if a new result cannot take the place of an old one among all others."""
    from lab.grading.batch import batch, journal

    if batch.has_changed(plan):
        raise UsageError(
            "expected the exercise as it was when the batch was begun, but it has changed since",
            hint="results of both would not compare: without --keep the new one is shown; or grade all of them again",
        )
    if {one.id for one in plan.entries} - set(journal.read(plan.out).results):
        raise UsageError(
            f"expected a result for each submission in {plan.out}, found some without",
            hint=f"first `lab grade --resume --out {plan.out}`",
        )


def _compared(before: Result | None, record: Record) -> str:
    """Whether a submission has ended as before, and if not, in what."""
    if before is None:
        return "it has had no result before"
    states = {one.check.id: one.state for one in before.record.verdicts}
    changed = [
        f"{one.check.id} was {states.get(one.check.id, 'not there')} and is {one.state}"
        for one in record.verdicts
        if states.get(one.check.id) is not one.state
    ]
    files = "" if before.record.files == record.files else "; its files have changed since"
    return f"{'not as before: ' + ', '.join(changed) if changed else 'as before'}{files}"
