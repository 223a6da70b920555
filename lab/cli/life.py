"""Commands of a lab's life: up, down, reset, status."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from lab import console
from lab.cli.common import (
    AsJson,
    InstanceName,
    LabName,
    NewName,
    WiringName,
    app,
    checked_name,
    opened_engine,
    opened_instance,
)
from lab.errors import LabError
from lab.text import printable

if TYPE_CHECKING:
    pass


@app.command("up")
def up(lab: LabName, name: NewName = None, wiring: WiringName = "auto") -> None:
    """Start a lab. Returns when everything that its file declares was observed."""
    from lab import images, instances, labfiles, live
    from lab import show as view

    described = labfiles.load(lab)
    instance_name = checked_name(name or described.name)
    with console.Progress() as progress, opened_engine() as engine:
        refs = images.ensure(engine, say=progress.say)
        with live.up(engine, described, name=instance_name, images=refs, say=progress.say, wiring=wiring) as instance:
            started = instance.wiring.started()
            living = instance.wiring.living()
            all_of_them = instances.running(engine)
            found = next(one for one in all_of_them if one.name == instance_name)
    console.show(view.status_table(view.status_json(found, described, started, came_up=True, living=living)))
    if described.suggestions:
        named = f"--name {instance_name} " if len(all_of_them) > 1 else ""
        lines = [re.sub(r"^(lab [a-z]+ )", rf"\1{named}", f"{one} ").rstrip() for one in described.suggestions]
        sys.stdout.write("try:\n" + "".join(f"  {printable(line)}\n" for line in lines))


@app.command("down")
def down(
    name: InstanceName = None,
    everything: Annotated[bool, typer.Option("--all", help="Every instance, and what dead starts left.")] = False,
) -> None:
    """Stop a lab and remove all of it."""
    from lab import instances

    with console.Progress() as progress, opened_engine() as engine:
        if everything or name is None:
            running = instances.settled(engine)
            # Where nothing runs, what is wanted is so already.
            names = [one.name for one in running] if everything or not running else [instances.find(engine, None).name]
        else:
            names = [name]  # also one that is only about to appear
        for one in names:
            progress.say(f"removing {one}")
            instances.down(engine, one)
    sys.stdout.write("".join(f"{one} is down\n" for one in names) or "nothing was running\n")


@app.command("reset")
def reset(
    hosts: Annotated[list[str] | None, typer.Argument(metavar="HOST", help="Default: all hosts.")] = None,
    name: InstanceName = None,
) -> None:
    """Make hosts as they were when the lab came up, and prove it."""
    with opened_instance(name) as instance:
        instance.reset(hosts or None)
        which = ", ".join(hosts) if hosts else f"{len(instance.lab.hosts)} hosts"
        sys.stdout.write(f"{instance.name}: {which} as at the start\n")


@app.command("status")
def status(name: InstanceName = None, as_json: AsJson = False) -> None:
    """Show the running labs, their hosts and programs."""
    from lab import instances, live
    from lab import show as view

    with opened_engine() as engine:
        found = instances.running(engine) if name is None else (instances.find(engine, name),)
        states = []
        for one in found:
            try:
                with live.attach(engine, one) as instance:
                    wiring = instance.wiring
                    came_up, started, living = wiring.is_sealed(), wiring.started(), wiring.living()
                    states.append(view.status_json(one, instance.lab, started, came_up=came_up, living=living))
            except LabError:
                states.append(view.status_json(one, None, (), came_up=False, living=()))
    if as_json:
        console.show_json(states)
    elif not states:
        sys.stdout.write("nothing runs; `lab up nat` starts a lab\n")
    for state in [] if as_json else states:
        console.show(view.status_table(state))
        if state["state"] != "up":
            named = state["instance"]
            help_text = f"`lab reset --name {named}` or `lab down --name {named}`"
            sys.stdout.write(f"{named} is not up; if nothing is at work on it: {help_text}\n")
