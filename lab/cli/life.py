"""Commands of a lab's life: up, down, reset, status, and prune for what is left of others."""

from __future__ import annotations

import re
import signal
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
    read_age,
)
from lab.errors import AgentError, LabError, UsageError
from lab.text import printable
from lab.undisturbed import INTERRUPTIONS

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
            # It is up: an interrupt comes too late, and must not look as if what was made were removed.
            signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTIONS)
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
    from lab import instances, live, repair

    with opened_engine() as engine:
        found = instances.find(engine, name)
        if hosts:
            repair.check(found, hosts)
        if hosts or not repair.is_needed(found):
            with live.attach(engine, found) as instance:
                try:
                    instance.reset(hosts or None)
                except AgentError:
                    if hosts or not repair.is_needed(found, instance.wiring):
                        raise
                else:
                    which = ", ".join(hosts) if hosts else f"{len(instance.lab.hosts)} hosts"
                    sys.stdout.write(f"{instance.name}: {which} as at the start\n")
                    return
        with console.Progress() as progress:
            done = repair.repair(engine, found.name, say=progress.say)
    how = "started anew" if done.anew else "repaired"
    proof = "as at the start" if done.as_at_up else "as declared; what was seen of them now counts as the start"
    sys.stdout.write(f"{found.name}: {how}, {found.expected} hosts {proof}\n")


@app.command("status")
def status(name: InstanceName = None, as_json: AsJson = False) -> None:
    """Show the running labs, their hosts and programs."""
    from lab import instances, live, repair
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
                states.append(view.status_json(one, None, (), came_up=False))
    if as_json:
        console.show_json(states)
    elif not states:
        sys.stdout.write("nothing runs; `lab up nat` starts a lab\n")
    for one, state in [] if as_json else zip(found, states, strict=True):
        console.show(view.status_table(state))
        if state["state"] != "up":
            mended = state["state"] == "broken" and repair.is_possible(one)
            help_text = (
                f"`lab reset --name {one.name}` repairs it, " * mended + f"`lab down --name {one.name}` removes it"
            )
            sys.stdout.write(printable(f"{one.name} is not up: {state['why']}") + "\n")
            sys.stdout.write(f"if nothing is at work on it: {help_text}\n")


Older = Annotated[
    str | None,
    typer.Option("--older", metavar="AGE", help="Also what is whole, if it came up longer ago than this: 90m, 2h, 1d."),
]


@app.command("prune")
def prune(
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
    older: Older = None,
    as_json: AsJson = False,
) -> None:
    """Show what dead runs left, and remove it after a yes. With --json nothing is asked, nor removed without --yes."""
    from lab import prune as left
    from lab import show as view

    seconds = None if older is None else read_age(older)
    with opened_engine() as engine:
        dead, unused = left.dead(engine, older=seconds), left.unused_images(engine)
        if not as_json:
            for table in view.prune_tables(dead, unused):
                console.show(table)
        agreed = yes or (not as_json and bool(dead or unused) and _is_agreed())
        gone = left.remove(engine, dead, older=seconds) if agreed else ()
        gone_images = left.remove_images(engine, unused) if agreed else ()
    if as_json:
        console.show_json(view.prune_json(dead, unused, gone=gone, gone_images=gone_images))
    elif not dead and not unused:
        sys.stdout.write("nothing is left of dead runs\n")
    elif not agreed:
        sys.stdout.write("nothing is removed\n")
    else:
        sys.stdout.write(view.pruned(dead, unused, gone=gone, gone_images=gone_images))


def _is_agreed() -> bool:
    """Whether somebody says yes. Raises UsageError if nobody can be asked."""
    sys.stdout.write("remove all of this? [y/N] ")
    sys.stdout.flush()
    answer = sys.stdin.readline()
    if not answer:
        sys.stdout.write("\n")
        raise UsageError(
            "expected a yes, but nobody can be asked; nothing is removed", hint="--yes removes all of this"
        )
    return answer.strip().lower() in ("y", "yes")
