"""Commands that do something in a host."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Exit

from lab import console
from lab.cli.common import (
    Command,
    HostName,
    InstanceName,
    PassesOn,
    app,
    opened_instance,
)

if TYPE_CHECKING:
    from lab.live import Instance
    from lab.wiring import Output


KILLED = 137
EARLY_SECONDS = 0.3


@app.command("exec", cls=PassesOn)
def exec_command(host: HostName, command: Command, name: InstanceName = None) -> None:
    """Run a command in a host, as its user student."""
    with opened_instance(name) as instance:
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
    with opened_instance(name) as instance:
        cwd = instance.deploy(host, folder=file.stem, files={file.name: content})
        if background:
            started = instance.start(host, argv, name=file.stem, cwd=cwd)
            if started != file.stem:
                sys.stderr.write(f"{file.stem} still runs in {host}, too; `lab stop {host} {file.stem}` ends it\n")
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

    with opened_instance(name) as instance:
        if not sys.stdin.isatty():  # commands from a file
            raise Exit(_foreground(instance, host, ("/bin/bash",), cwd=HOME))
        ended = terminal.converse(instance.wiring, instance.host(host), argv=("/bin/bash",), cwd=HOME)
        raise Exit(ended.status)


@app.command("stop")
def stop(
    host: HostName,
    program: Annotated[str, typer.Argument(metavar="PROGRAM", help="Its name, as `lab status` shows it.")],
    name: InstanceName = None,
) -> None:
    """End a program that was started, with all of its session.

    A child that made a session of its own (setsid) goes on, with its ports; `lab reset` ends that too.
    """
    with opened_instance(name) as instance:
        instance.stop(host, program)
