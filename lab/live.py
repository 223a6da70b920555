"""An instance: brought up, looked at, reset, taken down.

There are no state files: labels on the containers say what runs, and the lab's description travels in one of
them. Everything here touches only containers that carry our labels and the instance's name.
"""

from __future__ import annotations

import dataclasses
import os
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from lab import building, instances, pristine, segments
from lab.engine import Engine
from lab.errors import (
    AgentError,
    EngineError,
    EngineRefusedError,
    InstanceError,
    LabError,
    NotUpError,
    NoWayInError,
    UsageError,
)
from lab.model import Host, Lab
from lab.observe import (
    LOOKS,
    HostView,
    Translation,
    fingerprint,
    host_view,
)
from lab.plan import (
    HOME,
    LABEL_INSTANCE,
    LABEL_START,
    Plan,
    describe,
    plan,
    undescribe,
)
from lab.segments import Segment
from lab.talk import Spare, Talk
from lab.text import suggestion
from lab.wiring import Ended, Output, Wiring, fabric, networks
from lab.wiring.refusals import INGRESS

if TYPE_CHECKING:
    from lab.observe.syscalls import Call
    from lab.recordings import Capture, Events

AUTO = "auto"
WIRING_VARIABLE = "SOCKETLAB_WIRING"

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Printed:
    """A program that ran to its end, and what it printed."""

    ended: Ended
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Traced:
    """A program that ran to its end, what it printed, and its system calls in the order of their begin."""

    ended: Ended
    stdout: bytes
    stderr: bytes
    calls: tuple[Call, ...]


# --------------------------------------------------------------------------------------- up and down


def up(
    engine: Engine, lab: Lab, *, name: str, images: Mapping[str, str], say: Say, wiring: str | None = None
) -> Instance:
    """Bring a lab up. Returns when everything that it declares was observed.

    `wiring` is `fabric`, `networks`, or `auto`: the first of them that the engine lets be; None: what SOCKETLAB_WIRING
    in the environment says, else `auto`.
    Raises InstanceError if the name is taken, NotUpError if something declared did not appear; whatever was
    made by then is removed, also on an interrupt.
    """
    chosen = wiring_of(wiring)
    if chosen == networks.NAME:
        return _up(engine, lab, chosen, name=name, images=images, say=say)
    try:
        return _up(engine, lab, fabric.NAME, name=name, images=images, say=say)
    except (EngineRefusedError, NoWayInError) as error:
        if chosen != AUTO:
            error.hint = error.hint or "`--wiring networks` does without `pid_mode=host`, which engines may refuse"
            raise
        say(f"on Docker networks, because the fabric does not work here: {error.message}")
    return _up(engine, lab, networks.NAME, name=name, images=images, say=say)


def wiring_of(named: str | None) -> str:
    """The wiring that is to be taken. Raises UsageError for one that there is not."""
    found = named or os.environ.get(WIRING_VARIABLE) or AUTO
    known = (AUTO, *building.WIRINGS)
    if found not in known:
        otherwise = f"there are {', '.join(known)}"
        raise UsageError(f"expected a wiring, found {found!r}", hint=suggestion(found, known, otherwise=otherwise))
    return found


def _up(engine: Engine, lab: Lab, wiring: str, *, name: str, images: Mapping[str, str], say: Say) -> Instance:
    planned = plan(lab, instance=name, images=images)
    of_wiring = fabric.helper if wiring == fabric.NAME else networks.helper
    helper = of_wiring(planned, images=images, description=describe(lab))
    # Until the helper's creation has returned, the name may be somebody else's, and only this says what is ours.
    start = (LABEL_START, uuid.uuid4().hex)
    try:
        helper_id = engine.create(dataclasses.replace(helper, labels=(*helper.labels, start)))
    except InstanceError as error:
        raise InstanceError(
            f"expected no instance named {name}, but one is there",
            hint=f"`lab down --name {name}` removes it, `lab reset --name {name}` makes it as new, "
            "and another --name starts a second one beside it",
        ) from error
    except BaseException as error:
        _take_back(engine, name, dict([start]), error, settle=True)
        raise
    try:
        return _bring_up(engine, planned, wiring, helper_id, images, say)
    except BaseException as error:
        say("removing what was made")
        # Every request of ours has been answered by now.
        _take_back(engine, name, {LABEL_INSTANCE: name}, error, settle=False)
        raise


def _take_back(
    engine: Engine, name: str, labels: Mapping[str, str | None], cause: BaseException, *, settle: bool
) -> None:
    """Remove what was made until `cause` ended it. Raises EngineError, which tells of both, if that cannot be done."""
    try:
        instances.remove(engine, labels, settle=settle)
    except EngineError as error:
        why = cause.message if isinstance(cause, LabError) else "interrupted"
        raise EngineError(
            f"{why}\nwhat was made by then is still there, because it could not be removed: {error.message}",
            hint=f"once the engine answers, `lab down --name {name}` removes it",
        ) from cause


def _bring_up(engine: Engine, planned: Plan, wiring: str, helper: str, images: Mapping[str, str], say: Say) -> Instance:
    say(f"creating {len(planned.hosts)} hosts")
    built = building.build(engine, planned, wiring, helper, images)
    instance = Instance(engine=engine, name=planned.instance, lab=planned.lab, wiring=built.wiring, access=built.access)
    say("wiring")
    try:
        try:
            built.wiring.find(built.containers)
        except AgentError as error:
            raise NoWayInError(f"expected the hosts to be found, observed: {error.message}") from error
        try:
            refused = built.wiring.wire(planned)
        except AgentError as error:
            hint = "a setting that the kernel does not take? `lab plan LAB --commands` shows what is carried out"
            raise NotUpError(f"expected the lab to be wired, observed: {error.message}", hint=hint) from error
        if refused:
            say(f"packets on networks are not counted: that takes a kernel with {INGRESS}, observed: {refused}")
        say("looking whether everything is there")
        made = pristine.make(built.wiring, planned.lab, tuple(built.containers))
        pristine.start_programs(built.wiring, planned.lab, tuple(built.containers))
        built.wiring.seal(made)
    except BaseException:
        instance.close()
        raise
    return instance


# ------------------------------------------------------------------------------------ one instance


def attach(engine: Engine, found: instances.Running) -> Instance:
    """A running instance, connected. Raises InstanceError if it is broken."""
    if found.helper is None or found.helper.state != "running" or not found.description:
        raise InstanceError(
            f"expected {found.name} to have its helper container running, "
            f"observed {'none' if found.helper is None else found.helper.state}",
            hint=f"`lab reset --name {found.name}` repairs it, if all of its containers are there; "
            f"`lab down --name {found.name}` removes them",
        )
    lab = undescribe(found.description)
    access = building.access(found, lab)
    return Instance(engine=engine, name=found.name, lab=lab, wiring=building.connect(engine, access), access=access)


class Instance:
    """A running lab and the connection to it."""

    def __init__(self, *, engine: Engine, name: str, lab: Lab, wiring: Wiring, access: building.Access) -> None:
        self.engine = engine
        self.name = name
        self.lab = lab
        self.wiring = wiring
        self.access = access
        self._spare = Spare()

    @property
    def helper(self) -> str:
        """The container whose name is the instance's lock."""
        return self.access.helper

    def __enter__(self) -> Instance:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; the lab goes on."""
        self.wiring.close()
        self._spare.close()

    def host(self, name: str) -> Host:
        """A host of the lab. Raises UsageError naming those there are."""
        try:
            return self.lab.host(name)
        except KeyError:
            names = [host.name for host in self.lab.hosts]
            hint = suggestion(name, names, otherwise=f"hosts: {', '.join(names)}")
            raise UsageError(f"expected a host of {self.name}, found {name!r}", hint=hint) from None

    # ---------------------------------------------------------------------------------- looking

    def look(self, what: Iterable[str], hosts: Iterable[str] | None = None) -> dict[str, HostView]:
        """Typed views of hosts (None: all), in the lab's order; what `what` does not name is empty.

        See observe.host_view. Raises UsageError for a look that there is not: it would find nothing, for ever.
        """
        what = tuple(what)
        for one in what:
            if one not in LOOKS:
                raise UsageError(f"expected something to look at, found {one!r}", hint=suggestion(one, LOOKS))
        seen = self.wiring.look(what, hosts=hosts)
        return {host.name: host_view(seen[host.name]) for host in self.lab.hosts if host.name in seen}

    def gateways(self) -> tuple[Host, ...]:
        """The hosts that translate."""
        return tuple(host for host in self.lab.hosts if host.nat is not None)

    def gateway(self, name: str) -> Host:
        """A host that translates. Raises UsageError naming those there are."""
        host = self.host(name)
        if host.nat is None:
            names = ", ".join(one.name for one in self.gateways())
            raise UsageError(f"expected a gateway, found {name}", hint=f"gateways: {names or 'none'}")
        return host

    def translations(self, gateway: str) -> tuple[Translation, ...]:
        """What a gateway translates now. Raises UsageError for a host that is no gateway."""
        found = self.look(["conntrack"], [self.gateway(gateway).name])[gateway].translations
        return tuple(one for one in found if one.is_translated)

    def capture(self, points: Iterable[str], *, limit: int | None = None) -> Capture:
        """Packets of hosts and networks, for a `with`: see lab/recordings.py. At most `limit` bytes are kept.

        Raises UsageError for a point that there is not.
        """
        from lab import recordings

        most = recordings.LIMIT if limit is None else limit
        return recordings.Capture(self.wiring, self.lab, points, instance=self.name, limit=most)

    def events(self, gateway: str) -> Events:
        """What a gateway's connection tracking does, for a `with`: see lab/recordings.py.

        Raises UsageError for a host that is no gateway.
        """
        from lab.recordings import Events

        return Events(self.wiring, self.lab, self.gateway(gateway).name)

    def fingerprints(self, hosts: Iterable[str] | None = None) -> dict[str, tuple[str, ...]]:
        """Every host's state as lines; equal lines, equal state."""
        return {name: fingerprint(texts) for name, texts in pristine.texts(self.wiring, self.lab, hosts).items()}

    def segments(self) -> tuple[Segment, ...]:
        """The networks, and what became of the packets that were sent into them."""
        return segments.segments(self.lab, segments.seen(self.wiring.segments(self.lab)))

    # --------------------------------------------------------------------------------- programs

    def deploy(self, host: str, *, folder: str, files: Mapping[str, bytes | str]) -> str:
        """Put files (name -> content, text as UTF-8) into ~/<folder> of a host; that folder's path in the host."""
        content = {name: data.encode() if isinstance(data, str) else data for name, data in files.items()}
        self.wiring.deploy(self.host(host).name, folder=folder, files=content)
        return str(PurePosixPath(HOME, folder))

    def run(
        self,
        host: str,
        argv: Iterable[str],
        *,
        cwd: str = HOME,
        stdin: bytes = b"",
        seconds: float = 30,
        limit: int = 1 << 20,
    ) -> Printed:
        """Run a command as student to its end, at most `seconds` and `limit` bytes of output.

        If it is ended because of one of them, `ended.reason` is `timeout` or `output`; nothing is raised, because
        that is the program's fault.
        """
        return self._run(host, argv, cwd=cwd, stdin=stdin, seconds=seconds, limit=limit)

    def _run(
        self,
        host: str,
        argv: Iterable[str],
        *,
        cwd: str,
        stdin: bytes,
        seconds: float,
        limit: int,
        calls: Callable[[bytes], None] | None = None,
    ) -> Printed:
        out, err = bytearray(), bytearray()
        pieces = iter([stdin, b""] if stdin else [])
        ended = self.wiring.run(
            self.host(host),
            argv=_words(argv),
            cwd=cwd,
            stdin=lambda: next(pieces, b""),
            stdout=out.extend,
            stderr=err.extend,
            seconds=seconds,
            limit=limit,
            calls=calls,
        )
        return Printed(ended=ended, stdout=bytes(out), stderr=bytes(err))

    def again(self) -> Instance:
        """A second connection to the same instance: over one, one thing comes after another."""
        wiring = building.connect(self.engine, self.access)
        return Instance(engine=self.engine, name=self.name, lab=self.lab, wiring=wiring, access=self.access)

    def talk(self, host: str, argv: Iterable[str], *, cwd: str = HOME) -> Talk:
        """Start a command as student, to talk with while other things are looked at. It ends with `close`."""
        found, words = self.host(host), _words(argv)
        wiring = self._spare.take() or building.connect(self.engine, self.access)
        return Talk(wiring, found, argv=words, cwd=cwd, spare=self._spare)

    def trace(
        self,
        host: str,
        argv: Iterable[str],
        *,
        cwd: str = HOME,
        stdin: bytes = b"",
        seconds: float = 30,
        limit: int = 1 << 20,
    ) -> Traced:
        """Run a command as `run` does, and trace its system calls and its children's from outside, from execve on.

        The calls are those that concern networks, files, waiting and processes; see lab/observe/syscalls.py. A program
        cannot hide or make up any, but it can change what lies in its memory while a call is made (ptrace(2)): an
        address that another thread writes to may be shown as it was just before or after. A descriptor that a process
        outside the trace passes to it (unix(7), SCM_RIGHTS) comes without its past. A traced program is slower.
        If it makes more calls than are kept (16 MiB of text), it is ended, and `ended.reason` is `calls`. What a child
        does after the command's own end is not traced.
        """
        from lab.observe import syscalls

        text = bytearray()
        printed = self._run(host, argv, cwd=cwd, stdin=stdin, seconds=seconds, limit=limit, calls=text.extend)
        return Traced(
            ended=printed.ended,
            stdout=printed.stdout,
            stderr=printed.stderr,
            calls=syscalls.calls(text.decode(errors="replace")),
        )

    def start(self, host: str, argv: Iterable[str], *, name: str = "", cwd: str = HOME) -> str:
        """Start a command as student that stays, see `output`; its name, which is `name` or the first free `name-N`.

        Without a name it is the command's first word's.
        """
        words = _words(argv)
        return self.wiring.start(self.host(host), program=name or PurePosixPath(words[0]).name, argv=words, cwd=cwd)

    def output(self, host: str, program: str) -> Output:
        """What a program that was started printed last, and whether it has ended. Raises UsageError."""
        name = self.host(host).name
        try:
            return self.wiring.output(name, program)
        except AgentError:
            names = [one.program for one in self.wiring.started() if one.host == name]
            if program in names:
                raise
            there = f"there: {', '.join(names)}" if names else f"none was started on {host}"
            raise UsageError(
                f"expected a program started on {host}, found {program!r}",
                hint=suggestion(program, names, otherwise=there),
            ) from None

    def stop(self, host: str, program: str) -> None:
        """End a program that was started, and all of its session. Raises UsageError if there is none of that name.

        A child with a session of its own (setsid(2)) goes on until a reset.
        """
        self.output(host, program)
        self.wiring.stop(host, program)

    # ------------------------------------------------------------------------------------ reset

    def reset(self, hosts: Iterable[str] | None = None) -> None:
        """Make hosts (None: all) as they were at up, and prove it. Raises NotPristineError, NotUpError."""
        names = tuple(self.host(name).name for name in hosts) if hosts else tuple(h.name for h in self.lab.hosts)
        with self.wiring.turn():
            pristine.reset(self.wiring, self.lab, self.name, names)


def _words(argv: Iterable[str]) -> tuple[str, ...]:
    if isinstance(argv, str):
        raise UsageError(f"expected a command as a list of words, found the text {argv!r}", hint="see shlex.split")
    return tuple(argv)
