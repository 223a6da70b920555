"""The command that shows the note's claims."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Exit

from lab import console
from lab.cli.common import (
    AsJson,
    WiringName,
    app,
    check_writable,
    opened_engine,
    start_on,
    write,
)
from lab.errors import LabError, UsageError

if TYPE_CHECKING:
    from lab.note.claim import Claim, Outcome


@app.command("note")
def note(
    claim: Annotated[str | None, typer.Argument(metavar="[CLAIM]", help="Show this one. Default: list them.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show every claim.")] = False,
    page_file: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write what was shown as one page.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the labs running that were started for it.")] = False,
    wiring: WiringName = "auto",
    as_json: AsJson = False,
) -> None:
    """Show what the note claims, on running labs: the claims and their state, one of them, or all."""
    from lab import note as the_note
    from lab.note import page, record

    start_on(wiring)
    if claim is not None and everything:
        raise UsageError("expected a claim or --all, found both")
    memory = record.path()
    if claim is None and not everything:
        if page_file is not None or keep:
            raise UsageError("expected a claim, or --all, beside --html and --keep", hint="`lab note` lists the claims")
        remembered = record.read(memory, the_note.CLAIMS)
        if as_json:
            console.show_json(page.list_json(the_note.CLAIMS, remembered))
        else:
            console.show(page.list_table(the_note.CLAIMS, remembered, now=time.time(), width=console.width()))
        return
    wanted = the_note.CLAIMS if claim is None else (the_note.find(claim),)
    if page_file is not None:
        check_writable(page_file)
    outcomes = _shown(wanted, keep=keep, quiet=as_json)
    if page_file is not None:
        write(page_file, page.html(outcomes, when=time.time()))
    if as_json:
        console.show_json([page.outcome_json(one) for one in outcomes])
    sys.stderr.write(f"{page.summary(outcomes)}\n")
    if not all(one.holds for one in outcomes):
        raise Exit(LabError.exit_code)


def _shown(claims: tuple[Claim, ...], *, keep: bool, quiet: bool) -> list[Outcome]:
    """The outcomes of claims, printed in their order and remembered as they come."""
    from lab.note import page, record, run

    width = min(console.width(), 100)
    found: dict[str, Outcome] = {}
    waiting = list(claims)
    with console.Progress() as progress, opened_engine() as engine:
        for one in run.show(engine, claims, keep=keep, say=progress.say):
            found[one.claim.id] = one
            record.write(record.path(), [one])
            while waiting and waiting[0].id in found:
                claim = waiting.pop(0)
                if not quiet:
                    console.show_all(page.outcome_text(found[claim.id], width=width))
    return [found[claim.id] for claim in claims]
