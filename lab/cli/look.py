"""Commands that look into a running lab, from outside."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab import console
from lab.cli.common import (
    AsJson,
    HostName,
    InstanceName,
    app,
    opened_instance,
)
from lab.errors import UsageError

if TYPE_CHECKING:
    from lab.live import Instance
    from lab.observe.packets import Packet
    from lab.recordings import Capture


POLL_SECONDS = 0.1


@app.command("sockets")
def sockets(
    host: Annotated[str | None, typer.Argument(metavar="[HOST]", help="Default: all hosts.")] = None,
    name: InstanceName = None,
    as_json: AsJson = False,
) -> None:
    """Show the sockets of hosts, seen from outside."""
    from lab import show as view

    with opened_instance(name) as instance:
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

    with opened_instance(name) as instance:
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

    with opened_instance(name) as instance:
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
        is_last = False
        while not is_last:
            is_last = ended.wait(POLL_SECONDS)
            for one in recordings:
                if is_last:
                    one.stop()
                for event in one.new():
                    if event.translation.is_translated:
                        told = view.event_json(one.gateway, event) if as_json else teller.line(one.gateway, event)
                        sys.stdout.write(f"{json.dumps(told) if as_json else told}\n")
            sys.stdout.flush()
    for one in recordings:
        if one.lost:
            sys.stderr.write(f"{one.gateway}: there were more events than could be kept\n")


class _Ended:
    """What a signal's handler sets. It comes in the midst of waiting, where an Event's lock would wait for itself."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)

    def set(self) -> None:
        """From now on it is so."""
        with contextlib.suppress(BlockingIOError):  # it was set many times
            os.write(self._writing, b"x")

    def wait(self, seconds: float) -> bool:
        """Wait at most that long; whether it is set."""
        return bool(select.select([self._reading], [], [], seconds)[0])

    def is_set(self) -> bool:
        """Whether it is set."""
        return self.wait(0)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._reading)
        os.close(self._writing)


@contextlib.contextmanager
def _interrupts() -> Iterator[_Ended]:
    """Set by Ctrl-C and by SIGTERM, which then interrupt nothing: what was begun comes to its end."""
    with contextlib.closing(_Ended()) as ended:
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
    numeric: Annotated[
        bool, typer.Option("-n", "--numeric", help="Tell addresses alone, and no names of hosts.")
    ] = False,
    name: InstanceName = None,
    as_json: AsJson = False,
) -> None:
    """Show packets as they pass hosts and networks, until Ctrl-C; or write them into a file."""
    from lab.telling import until

    if output is not None and as_json:
        raise UsageError("expected one of -o and --json, found both")
    if output == "-" and sys.stdout.isatty():
        raise UsageError("expected a file or a program for the capture, found a terminal", hint="-o FILE")
    with opened_instance(name) as instance:
        chosen = points or [_unambiguous(instance, host.name) for host in instance.lab.hosts]
        recording = instance.capture(chosen)
        with (
            _told(instance, recording, output, numeric=numeric, as_json=as_json) as tell,
            _interrupts() as ended,
            recording,
        ):
            sys.stderr.write(f"capturing at {', '.join(recording.points)} {until(seconds=seconds, count=count)}\n")
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
    ended: _Ended,
    *,
    seconds: float | None,
    count: int | None,
) -> int:
    """Tell packets until there is a reason to end; how many they were."""
    deadline = None if seconds is None else time.monotonic() + seconds
    shown = 0
    is_last = is_told = False
    while not is_last and (count is None or shown < count):
        wait = POLL_SECONDS if deadline is None else min(POLL_SECONDS, deadline - time.monotonic())
        if ended.wait(max(0.0, wait)) or (deadline is not None and time.monotonic() >= deadline):
            recording.stop()
            is_last = True
        found = recording.new()
        found = found if count is None else found[: count - shown]
        shown += len(found)
        tell(found)
        if recording.dropped and not is_told:
            is_told = True
            sys.stderr.write("frames are being dropped: they come faster than they are shown\n")
    return shown


@contextlib.contextmanager
def _told(
    instance: Instance, recording: Capture, output: str | None, *, numeric: bool, as_json: bool
) -> Iterator[Callable[[tuple[Packet, ...]], None]]:
    """Where packets go: lines on standard output, or a file."""
    if output is None:
        from lab.telling import Packets

        teller = Packets(instance.lab, recording.points, numeric=numeric)

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
    with opened_instance(name) as instance:
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
