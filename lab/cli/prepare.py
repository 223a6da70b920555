"""Commands before there is a lab: what there is, what would be created, making the machine ready."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from lab import console
from lab.cli.common import (
    AsJson,
    LabName,
    NewName,
    WiringName,
    app,
    checked_name,
    opened_engine,
)
from lab.errors import LabError

if TYPE_CHECKING:
    pass


@app.command("list")
def list_labs(as_json: AsJson = False) -> None:
    """Show the labs that there are."""
    from lab import labfiles
    from lab import show as view

    rows = []
    for name, path in labfiles.available():
        try:
            rows.append((name, labfiles.load(str(path)).title, ""))
        except LabError as error:
            rows.append((name, "", error.message.splitlines()[0]))
    console.show_json(view.labs_json(rows)) if as_json else console.show(view.labs_table(rows))


@app.command("plan")
def plan_lab(
    lab: LabName,
    name: NewName = None,
    commands: Annotated[bool, typer.Option("--commands", help="Print every ip, nft and sysctl line.")] = False,
    wiring: WiringName = "auto",
    as_json: AsJson = False,
) -> None:
    """Show what `lab up` will create, without an engine."""
    from lab import images, labfiles, live
    from lab import show as view
    from lab.plan import describe, plan
    from lab.wiring import fabric, networks

    described = labfiles.load(lab)
    refs = images.resolve()
    planned = plan(described, instance=checked_name(name or described.name), images=refs)
    # Which one works is known only to an engine; that the fabric does is what is usual.
    on_networks = live.wiring_of(wiring) == networks.NAME
    if as_json:
        helper = (networks if on_networks else fabric).helper(planned, images=refs, description=describe(described))
        console.show_json(view.plan_json(planned, helper, on_networks=on_networks))
    elif commands:
        sys.stdout.write(view.plan_commands(planned, on_networks=on_networks) + "\n")
    else:
        console.show(view.plan_table(planned))


@app.command("setup")
def set_up() -> None:
    """Make this machine ready: a Docker engine that answers, and the images."""
    from lab import images, machine

    with console.Progress() as progress:
        machine.ensure_engine(say=progress.say)
        with opened_engine() as engine:
            images.ensure(engine, say=progress.say)


@app.command("images")
def show_images(
    remove: Annotated[bool, typer.Option("--remove", help="Remove all of them, of older content too.")] = False,
) -> None:
    """Show the images that labs are made of, and which of them are built."""
    from lab import images
    from lab import show as view

    with console.Progress() as progress, opened_engine() as engine:
        if remove:
            images.remove(engine, say=progress.say)
        current, built = images.resolve().values(), images.built(engine)
    console.show(view.images_table(current, built))
