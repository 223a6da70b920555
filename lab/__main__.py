"""The command line: parse, call, show, exit code. What a command does lives elsewhere."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Abort, Exit
from typer.core import TyperCommand

from lab import __version__, console
from lab.errors import LabError, UsageError
from lab.text import printable

if TYPE_CHECKING:
    from lab.engine import Engine
    from lab.live import Instance
    from lab.note.claim import Claim, Outcome
    from lab.observe.packets import Packet
    from lab.recordings import Capture
    from lab.wiring import Output

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

NAME_VARIABLE = "SOCKETLAB_NAME"

LabName = Annotated[str, typer.Argument(metavar="LAB", help="A lab's name (see `lab list`) or a path to a lab file.")]
HostName = Annotated[str, typer.Argument(metavar="HOST", help="A host of the lab.")]
InstanceName = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", envvar=NAME_VARIABLE, help="The instance; needed if several run."),
]
NewName = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", envvar=NAME_VARIABLE, help="The new instance's name; else the lab's."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON; its keys are in docs/json.md.")]
Command = Annotated[list[str], typer.Argument(metavar="CMD", help="A command and its arguments, after `--`.")]

HOST_AND_PROGRAM = 2
INTERRUPTED = 130
KILLED = 137
EARLY_SECONDS = 0.3
POLL_SECONDS = 0.1


class PassesOn(TyperCommand):
    """A command HOST PROGRAM ARGS...: from the program on, nothing is an option of ours.

    Our own options may stand anywhere before it. So may a `--`, after which HOST and PROGRAM may begin with `-`.
    """

    # typer's parent class takes a context of a type that typer does not publish.
    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Put our options first, then `--`, so that the usual parser leaves the rest alone."""
        flags = {name for param in self.params if getattr(param, "is_flag", False) for name in param.opts}
        options: list[str] = []
        words: list[str] = []
        rest = list(args)
        while rest and len(words) < HOST_AND_PROGRAM:
            word = rest.pop(0)
            if word == "--":
                break
            if not word.startswith("-"):
                words.append(word)
                continue
            options.append(word)
            if rest and "=" not in word and word not in flags | {"--help"}:
                options.append(rest.pop(0))
        return super().parse_args(ctx, [*options, "--", *words, *rest])


@contextlib.contextmanager
def _engine() -> Iterator[Engine]:
    from lab.engine import Engine

    with Engine.connect() as engine:
        yield engine


@contextlib.contextmanager
def _instance(name: str | None) -> Iterator[Instance]:
    from lab import instances, live

    with _engine() as engine, live.attach(engine, instances.find(engine, name)) as instance:
        yield instance


# ---------------------------------------------------------------------------------------- before a lab


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"socketlab {__version__}\n")
        raise Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Show the version and end.")
    ] = False,
) -> None:
    """Labs of several hosts, for seeing how sockets, ports, NAT and names really work."""


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
    as_json: AsJson = False,
) -> None:
    """Show what `lab up` will create, without an engine."""
    from lab import images, labfiles
    from lab import show as view
    from lab.plan import describe, plan
    from lab.wiring import fabric

    described = labfiles.load(lab)
    refs = images.resolve()
    planned = plan(described, instance=_checked_name(name or described.name), images=refs)
    if as_json:
        console.show_json(view.plan_json(planned, fabric.helper(planned, images=refs, description=describe(described))))
    elif commands:
        sys.stdout.write(view.plan_commands(planned) + "\n")
    else:
        console.show(view.plan_table(planned))


@app.command("setup")
def set_up() -> None:
    """Make this machine ready: a Docker engine that answers, and the images."""
    from lab import images, machine

    with console.Progress() as progress:
        machine.ensure_engine(say=progress.say)
        with _engine() as engine:
            images.ensure(engine, say=progress.say)


@app.command("images")
def show_images(
    remove: Annotated[bool, typer.Option("--remove", help="Remove all of them, of older content too.")] = False,
) -> None:
    """Show the images that labs are made of, and which of them are built."""
    from lab import images
    from lab import show as view

    with console.Progress() as progress, _engine() as engine:
        if remove:
            images.remove(engine, say=progress.say)
        current, built = images.resolve().values(), images.built(engine)
    console.show(view.images_table(current, built))


# --------------------------------------------------------------------------------------- a lab's life


@app.command("up")
def up(lab: LabName, name: NewName = None) -> None:
    """Start a lab. Returns when everything that its file declares was observed."""
    from lab import images, instances, labfiles, live
    from lab import show as view

    described = labfiles.load(lab)
    instance_name = _checked_name(name or described.name)
    with console.Progress() as progress, _engine() as engine:
        refs = images.ensure(engine, say=progress.say)
        with live.up(engine, described, name=instance_name, images=refs, say=progress.say) as instance:
            started = instance.wiring.started()
            living = instance.wiring.living()
            all_of_them = instances.running(engine)
            found = next(one for one in all_of_them if one.name == instance_name)
    console.show(view.status_table(view.status_json(found, described, started, came_up=True, living=living)))
    if described.suggestions:
        named = f"--name {instance_name} " if len(all_of_them) > 1 else ""
        lines = [re.sub(r"^(lab [a-z]+ )", rf"\1{named}", f"{one} ").rstrip() for one in described.suggestions]
        sys.stdout.write("try:\n" + "".join(f"  {printable(line)}\n" for line in lines))


def _checked_name(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,40}", name):
        raise UsageError(f"expected a name of lower-case letters, digits, - and _ (at most 41), found {name!r}")
    return name


@app.command("down")
def down(
    name: InstanceName = None,
    everything: Annotated[bool, typer.Option("--all", help="Every instance, and what dead starts left.")] = False,
) -> None:
    """Stop a lab and remove all of it."""
    from lab import instances

    with console.Progress() as progress, _engine() as engine:
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
    with _instance(name) as instance:
        instance.reset(hosts or None)
        which = ", ".join(hosts) if hosts else f"{len(instance.lab.hosts)} hosts"
        sys.stdout.write(f"{instance.name}: {which} as at the start\n")


@app.command("status")
def status(name: InstanceName = None, as_json: AsJson = False) -> None:
    """Show the running labs, their hosts and programs."""
    from lab import instances, live
    from lab import show as view

    with _engine() as engine:
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


# -------------------------------------------------------------------------------------------- looking


@app.command("sockets")
def sockets(
    host: Annotated[str | None, typer.Argument(metavar="[HOST]", help="Default: all hosts.")] = None,
    name: InstanceName = None,
    as_json: AsJson = False,
) -> None:
    """Show the sockets of hosts, seen from outside."""
    from lab import show as view

    with _instance(name) as instance:
        hosts = None if host is None else [instance.host(host).name]
        views = instance.look(["owners", "packet_sockets"], hosts)
    if as_json:
        console.show_json(view.sockets_json(views))
    elif any(seen.sockets for seen in views.values()):
        console.show(view.sockets_table(views))
    else:
        sys.stdout.write(f"no sockets in {', '.join(views)}\n")


@app.command("segments")
def segments(name: InstanceName = None, as_json: AsJson = False) -> None:
    """Show the networks: subnets, hosts, impairments, and how many IP packets passed and were lost."""
    from lab import show as view

    with _instance(name) as instance:
        found = instance.segments()
    console.show_json(view.segments_json(found)) if as_json else console.show(view.segments_table(found))


@app.command("nat")
def nat(
    gateway: Annotated[str | None, typer.Argument(metavar="[GATEWAY]", help="Default: all gateways.")] = None,
    rules: Annotated[bool, typer.Option("--rules", help="Show the rules instead, as nft(8) lists them.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Show what comes, changes and goes, until Ctrl-C.")] = False,
    name: InstanceName = None,
    as_json: AsJson = False,
) -> None:
    """Show the translations: how an end is known inside and outside, and its peer."""
    from lab import show as view

    with _instance(name) as instance:
        chosen = (instance.gateway(gateway),) if gateway else instance.gateways()
        gateways = [host.name for host in chosen]
        if rules and as_json:
            raise UsageError(
                "expected one of --rules and --json, found both", hint="rules are text, as nft(8) lists them"
            )
        if rules and follow:
            raise UsageError("expected one of --rules and --follow, found both", hint="rules do not change")
        if follow and not gateways:
            sys.stdout.write("no host of this lab translates\n")
            return
        if follow:
            _follow(instance, gateways, as_json=as_json)
            return
        if rules:
            sys.stdout.write(view.rules_text(instance.look(["rules"], gateways)))
            return
        tables = {host: instance.translations(host) for host in gateways}
    if as_json:
        console.show_json(view.nat_json(tables))
    elif any(tables.values()):
        console.show(view.nat_table(tables))
    else:
        sys.stdout.write(f"no translations in {', '.join(tables)}\n" if tables else "no host of this lab translates\n")


def _follow(instance: Instance, gateways: list[str], *, as_json: bool) -> None:
    from lab import show as view
    from lab.telling import Events

    teller = Events(gateways)
    with contextlib.ExitStack() as stack:
        ended = stack.enter_context(_interrupts())
        recordings = [stack.enter_context(instance.events(one)) for one in gateways]
        sys.stderr.write(f"following {', '.join(gateways)} until Ctrl-C\n")
        while not ended.wait(POLL_SECONDS):
            for one in recordings:
                for event in one.new():
                    if event.translation.is_translated:
                        told = view.event_json(one.gateway, event) if as_json else teller.line(one.gateway, event)
                        sys.stdout.write(f"{json.dumps(told) if as_json else told}\n")
            sys.stdout.flush()
    for one in recordings:
        if one.lost:
            sys.stderr.write(f"{one.gateway}: there were more events than could be kept\n")


@contextlib.contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Set by Ctrl-C and by SIGTERM, which then interrupt nothing: what was begun comes to its end."""
    ended = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in numbers}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@app.command("capture")
def capture(
    points: Annotated[
        list[str] | None, typer.Argument(metavar="[POINT]...", help="Hosts and networks. Default: all hosts.")
    ] = None,
    output: Annotated[
        str | None, typer.Option("-o", metavar="FILE", help="Write a file for Wireshark; `-`: standard output.")
    ] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", min=0, help="End after this time.")] = None,
    count: Annotated[int | None, typer.Option("--count", min=1, help="End after so many packets.")] = None,
    name: InstanceName = None,
    as_json: AsJson = False,
) -> None:
    """Show packets as they pass hosts and networks, until Ctrl-C; or write them into a file."""
    if output is not None and as_json:
        raise UsageError("expected one of -o and --json, found both")
    if output == "-" and sys.stdout.isatty():
        raise UsageError("expected a file or a program for the capture, found a terminal", hint="-o FILE")
    with _instance(name) as instance:
        chosen = points or [_unambiguous(instance, host.name) for host in instance.lab.hosts]
        recording = instance.capture(chosen)
        with _told(instance, recording, output, as_json=as_json) as tell, _interrupts() as ended, recording:
            sys.stderr.write(f"capturing at {', '.join(recording.points)} until Ctrl-C\n")
            shown = _capture(recording, tell, ended, seconds=seconds, count=count)
    if output is not None:
        sys.stderr.write(f"{shown} packets" + ("\n" if output == "-" else f" in {output}\n"))
    if recording.dropped:
        sys.stderr.write(f"{recording.dropped} frames were dropped: there were more than could be kept\n")


def _unambiguous(instance: Instance, host: str) -> str:
    return f"host:{host}" if any(network.name == host for network in instance.lab.networks) else host


def _capture(
    recording: Capture,
    tell: Callable[[tuple[Packet, ...]], None],
    ended: threading.Event,
    *,
    seconds: float | None,
    count: int | None,
) -> int:
    """Tell packets until there is a reason to end; how many they were."""
    deadline = None if seconds is None else time.monotonic() + seconds
    shown = 0
    is_last = False
    while not is_last and (count is None or shown < count):
        wait = POLL_SECONDS if deadline is None else min(POLL_SECONDS, deadline - time.monotonic())
        if ended.wait(max(0.0, wait)) or (deadline is not None and time.monotonic() >= deadline):
            recording.stop()
            is_last = True
        found = recording.new()
        found = found if count is None else found[: count - shown]
        shown += len(found)
        tell(found)
    return shown


@contextlib.contextmanager
def _told(
    instance: Instance, recording: Capture, output: str | None, *, as_json: bool
) -> Iterator[Callable[[tuple[Packet, ...]], None]]:
    """Where packets go: lines on standard output, or a file."""
    if output is None:
        from lab.telling import Packets

        teller = Packets(instance.lab, recording.points)

        def write_lines(packets: tuple[Packet, ...]) -> None:
            for one in packets:
                sys.stdout.write(f"{json.dumps(teller.json(one)) if as_json else teller.line(one)}\n")
            sys.stdout.flush()

        yield write_lines
        return
    from lab.pcapng import Writer

    writer = Writer(instance.lab, instance=instance.name)
    with contextlib.ExitStack() as stack:
        try:
            file: Any = sys.stdout.buffer if output == "-" else stack.enter_context(Path(output).open("wb"))
        except OSError as error:
            raise UsageError(f"expected a file that can be written, but {output}: {error.strerror}") from None

        def write_file(packets: tuple[Packet, ...]) -> None:
            writer.add(packets)
            file.write(writer.take())
            file.flush()

        yield write_file


@app.command("logs")
def logs(
    host: HostName,
    program: Annotated[str | None, typer.Argument(metavar="[PROGRAM]", help="Default: all of the host's.")] = None,
    name: InstanceName = None,
) -> None:
    """Show what a host's programs printed last."""
    with _instance(name) as instance:
        instance.host(host)
        names = [one.program for one in instance.wiring.started() if one.host == host]
        wanted = names if program is None else [program]
        if not wanted:
            sys.stderr.write(f"no program was started on {host}\n")
        for one in wanted:
            output = instance.output(host, one)
            if len(wanted) > 1:
                sys.stdout.write(f"== {one}\n")
            console.show_output(one, output)


@app.command("stop")
def stop(
    host: HostName,
    program: Annotated[str, typer.Argument(metavar="PROGRAM", help="Its name, as `lab status` shows it.")],
    name: InstanceName = None,
) -> None:
    """End a program that was started."""
    with _instance(name) as instance:
        instance.stop(host, program)


# ------------------------------------------------------------------------------------------- the note


@app.command("note")
def note(
    claim: Annotated[str | None, typer.Argument(metavar="[CLAIM]", help="Show this one. Default: list them.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show every claim.")] = False,
    page_file: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write what was shown as one page.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the labs running that were started for it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what the note claims, on running labs: the claims and their state, one of them, or all."""
    from lab import note as the_note
    from lab.note import page, record

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
    if page_file is not None and not page_file.parent.is_dir():
        raise UsageError(f"expected a folder to write {page_file} into, found none named {page_file.parent}")
    outcomes = _shown(wanted, keep=keep, quiet=as_json)
    record.write(memory, outcomes, claims=the_note.CLAIMS)
    if page_file is not None:
        _write(page_file, page.html(outcomes, when=time.time()))
    if as_json:
        console.show_json([page.outcome_json(one) for one in outcomes])
    sys.stderr.write(f"{page.summary(outcomes)}\n")
    if not all(one.holds for one in outcomes):
        raise Exit(LabError.exit_code)


def _shown(claims: tuple[Claim, ...], *, keep: bool, quiet: bool) -> list[Outcome]:
    """The outcomes of claims, in their order; each is printed as it comes."""
    from lab.note import page, run

    width = min(console.width(), 100)
    found: dict[str, Outcome] = {}
    with console.Progress() as progress, _engine() as engine:
        for one in run.show(engine, claims, keep=keep, say=progress.say):
            found[one.claim.id] = one
            if not quiet:
                console.show_all(page.outcome_text(one, width=width))
    return [found[claim.id] for claim in claims]


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"expected to write {file}: {error.strerror}") from error


# ---------------------------------------------------------------------------------------- doing things


@app.command("exec", cls=PassesOn)
def exec_command(host: HostName, command: Command, name: InstanceName = None) -> None:
    """Run a command in a host, as its user student."""
    with _instance(name) as instance:
        raise Exit(_foreground(instance, host, tuple(command), cwd="/home/student"))


@app.command("run", cls=PassesOn)
def run_file(
    host: HostName,
    file: Annotated[Path, typer.Argument(metavar="FILE", help=".py, .sh, a script with #!, or a binary.")],
    arguments: Annotated[list[str] | None, typer.Argument(metavar="ARGS", help="The program's own arguments.")] = None,
    name: InstanceName = None,
    background: Annotated[bool, typer.Option("--background", "-b", help="Leave it running; see `lab logs`.")] = False,
) -> None:
    """Put a program into a host and run it there, as its user student."""
    from lab.deploy import command_for, read_program

    content = read_program(file)
    argv = (*command_for(file.name, content), *(arguments or ()))
    with _instance(name) as instance:
        cwd = instance.deploy(host, folder=file.stem, files={file.name: content})
        if background:
            started = instance.start(host, argv, name=file.stem, cwd=cwd)
            output = _early_output(instance, host, started)
            if output.end:
                console.show_output(started, output)
                raise Exit(0 if output.end == "exit status 0" else 1)
            sys.stderr.write(f"{started} runs in {host}; `lab logs {host} {started}` shows what it prints\n")
            return
        raise Exit(_foreground(instance, host, argv, cwd=cwd))


def _early_output(instance: Instance, host: str, program: str) -> Output:
    """What a program has printed when it has ended, or has run for a moment: many a mistake ends it at once."""
    deadline = time.monotonic() + EARLY_SECONDS
    while not (output := instance.output(host, program)).end and time.monotonic() < deadline:
        time.sleep(0.01)
    return output


def _foreground(instance: Instance, host: str, argv: tuple[str, ...], *, cwd: str) -> int:
    def write(stream: Any, data: bytes) -> None:
        stream.buffer.write(data)
        stream.flush()

    ended = instance.wiring.run(
        instance.host(host),
        argv=argv,
        cwd=cwd,
        stdin=lambda: os.read(0, 65536),
        stdout=lambda data: write(sys.stdout, data),
        stderr=lambda data: write(sys.stderr, data),
    )
    if ended.status == KILLED:
        memory = instance.host(host).memory // (1024 * 1024)
        sys.stderr.write(f"lab: the program was killed (SIGKILL); its host has {memory} MiB of memory\n")
    return ended.status


@app.command("shell")
def shell(host: HostName, name: InstanceName = None) -> None:
    """Open a shell in a host, as its user student. It ends with the terminal that it was opened in."""
    from lab import terminal
    from lab.plan import HOME

    with _instance(name) as instance:
        if not sys.stdin.isatty():  # commands from a file
            raise Exit(_foreground(instance, host, ("/bin/bash",), cwd=HOME))
        ended = terminal.converse(instance.wiring, instance.host(host), argv=("/bin/bash",), cwd=HOME)
        raise Exit(ended.status)


def _say_no_more() -> None:
    """Drop what is still to be written on standard output, which else would fail again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> None:
    """Run the command line and exit; a user's mistake is a message, never a traceback."""
    console.prepare()
    for number in (signal.SIGTERM, signal.SIGHUP):
        # As an exception, so that what was begun is cleaned up; as a shell tells it: 128 + the signal's number.
        signal.signal(number, lambda caught, _: sys.exit(128 + caught))
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:
        message = error.format_message()
        extra = "unexpected extra argument" in message
        help_text = "`lab --help` and `lab COMMAND --help` say what there is"
        hint = "an instance is named with --name" if extra else help_text
        sys.stderr.write(message + "\n" if message.startswith("Usage:") else f"lab: {message}\nhint: {hint}\n")
        code = UsageError.exit_code
    except LabError as error:
        console.tell(error)
        code = error.exit_code
    except (KeyboardInterrupt, Abort):
        sys.stderr.write("interrupted\n")
        code = INTERRUPTED
    except Exit as error:
        code = error.exit_code
    except BrokenPipeError:
        # Whoever read our output went away; nothing more can be said to them.
        _say_no_more()
        code = 141
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _say_no_more()
        sys.stderr.write("lab: there is no room for what is to be written\n")
        code = LabError.exit_code
    sys.exit(code or 0)


if __name__ == "__main__":
    main()
