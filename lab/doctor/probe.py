"""Looking: at this side, at the engine, and in throw-away containers at what it grants and what its kernel has.

Whatever is missing becomes a fact, never an exception. Every container carries the label of one instance of a name that
nobody else has, so that `lab down` finds what a killed process leaves.
"""

from __future__ import annotations

import contextlib
import grp
import json
import os
import platform
import pwd
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from lab import building, instances, machine
from lab import images as the_images
from lab.doctor import trial
from lab.doctor.facts import Caller, Facts, Feature, Grants, Image, Images, Inside, Said
from lab.doctor.wirings import OBSTACLES, choose
from lab.engine import About, Engine, endpoint, named_by
from lab.errors import EngineError, ImageError, LabError
from lab.note import record
from lab.plan import HOST_CAPABILITIES, LABEL_INSTANCE, LABEL_LAB, LABEL_ROLE, Container, Plan, container_name, plan
from lab.wiring import agent

Say = Callable[[str], None]

CONNECT_SECONDS = 20
LIVES_SECONDS = 300
"""How long a container lives that nobody removes."""
PREFIX = "doctor-"
GIVEN = ("NET_BIND_SERVICE", "NET_RAW")
"""What programs and daemons of a lab may be given."""
CAPABILITIES = tuple(dict.fromkeys((*agent.CAPABILITIES, *HOST_CAPABILITIES, *GIVEN)))
"""All that a helper or a host may hold."""
USUAL_SOCKET = "unix:///var/run/docker.sock"
MEMORY = 64 * 1024 * 1024
PIDS = 32


def look(*, asked: tuple[str, ...] = tuple(OBSTACLES), say: Say, seconds: int = CONNECT_SECONDS) -> Facts:
    """Everything there is to be seen. What was made for it is removed again, also on an interrupt.

    A lab is tried with the first of the wirings that are `asked` for that the engine allows. An engine that does not
    answer is waited for so many seconds.
    """
    where, named = "", "the docker context"
    try:
        where, named = endpoint() or USUAL_SOCKET, named_by()
        say(f"asking the engine at {where}")
        # Whether anybody answers is told soon; what is asked for then may take longer.
        Engine.connect(seconds=seconds).__exit__()
        with Engine.connect() as engine:
            about = engine.about()
            known = Facts(
                caller=caller(where),
                where=where,
                named_by=named,
                engine=about,
                unreachable="",
                advice="",
                disk_free=_disk_free(about, where),
            )
            say("looking for the images")
            refs = the_images.resolve()
            return _beyond(engine, replace(known, images=images(engine, refs)), asked, refs, say)
    except ImageError:
        raise  # that is a fault of ours, and not the engine's
    except EngineError as error:
        return Facts(
            caller=caller(where),
            where=where,
            named_by=named,
            engine=None,
            unreachable=error.message,
            advice=_advice(error),
        )


def _advice(error: EngineError) -> str:
    try:
        return machine.advice() or error.hint
    except EngineError:
        return error.hint


def _beyond(engine: Engine, known: Facts, asked: tuple[str, ...], refs: dict[str, str], say: Say) -> Facts:
    """What can be seen only where containers run."""
    if known.images is None or known.images.missing:
        return known
    name = f"{PREFIX}{uuid.uuid4().hex[:6]}"
    planned = plan(trial.lab_of_three(), instance=name, images=refs)
    try:
        known = replace(known, grants=_Probes(engine, planned, refs[agent.IMAGE], say).grants())
    except BaseException:
        with suppress(LabError):
            instances.remove(engine, {LABEL_INSTANCE: name})
        raise
    choice = choose(known, asked)
    if choice is None or not choice.name:
        return known
    say("starting a lab of three hosts")
    tried = trial.masquerade(engine, planned.lab, choice.name, name=name, refs=refs, say=say)
    return replace(known, trial=tried)


# ------------------------------------------------------------------------------------------ this side


def caller(where: str) -> Caller:
    """This process, as it stands to an engine at that address."""
    path = where.removeprefix("unix://") if where.startswith("unix://") else ""
    group, member = _group(path)
    state = record.path()
    return Caller(
        python=platform.python_version(),
        user=_user(),
        root=os.geteuid() == 0,
        socket=path,
        may_use=not path or _may_use(path),
        group=group,
        member=member,
        state="" if state is None else str(state.parent),
        state_writable=state is not None and _writable(state.parent),
    )


def _may_use(path: str) -> bool:
    """Whether a socket can be connected to as far as its permissions go; one that is not there forbids nothing."""
    try:
        Path(path).stat()
    except PermissionError:
        return False
    except OSError:
        return True
    return os.access(path, os.R_OK | os.W_OK, effective_ids=True)


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _group(path: str) -> tuple[str, bool]:
    """The group of a socket, and whether this process is in it."""
    try:
        number = Path(path or "/nonexistent").stat().st_gid
    except OSError:
        return "", False
    try:
        name = grp.getgrgid(number).gr_name
    except KeyError:
        name = str(number)
    return name, number in (os.getegid(), *os.getgroups())


def _writable(folder: Path) -> bool:
    """Whether it can be written to, or made."""
    # Path.exists would raise where a folder above may not be looked into.
    there = next(one for one in (folder, *folder.parents) if os.path.exists(one))  # noqa: PTH110
    return os.access(there, os.W_OK | os.X_OK, effective_ids=True)


def _disk_free(about: About, where: str) -> int | None:
    """Bytes free in the engine's folder, if engine and caller surely share a machine."""
    if not where.startswith("unix://") or (about.name, about.kernel) != (platform.node(), platform.release()):
        return None
    try:
        return shutil.disk_usage(about.folder).free
    except OSError:
        return None


def images(engine: Engine, refs: dict[str, str]) -> Images:
    """The images of labs, and where Debian would come from."""
    found = tuple(Image(reference=one, architecture=engine.image_architecture(one)) for one in refs.values())
    if any(engine.has_image(one) for one in (the_images.PUBLISHED, the_images.BOOTSTRAPPED)):
        debian = "engine"
    else:
        debian = "packages" if machine.can_bootstrap() else "registry"
    return Images(all=found, debian=debian)


# ------------------------------------------------------------------------------ throw-away containers


SLEEP = f"import time; time.sleep({LIVES_SECONDS})"


class _Probes:
    """Containers of the helper's image that do nothing, and what is looked at in them."""

    def __init__(self, engine: Engine, planned: Plan, image: str, say: Say) -> None:
        self._engine = engine
        self._planned = planned
        self._instance = planned.instance
        self._image = image
        self._say = say

    def grants(self) -> Grants:
        """What containers get, and what is there in them."""
        self._say(f"trying what the engine grants, as {self._instance}")
        refused: dict[str, Said] = {}
        if self._refusal("powers", CAPABILITIES):
            if said := self._refusal("plain", ()):
                return _nothing(said, refused)
            # A policy refuses to create a container, a runtime to start it.
            refused = self._refused(starts=False) or self._refused(starts=True)
        granted = tuple(one for one in CAPABILITIES if one not in refused)
        try:
            with self._running("powers", granted) as container:
                self._say("looking at the kernel")
                inside = self._inside(container)
                with self._network() as (network, no_network):
                    joining = self._joining(container, granted, network)
                    if joining and network and not self._joining(container, granted, ""):
                        joining, no_network = "", joining
        except LabError as error:
            return _nothing(_short(error), refused)
        return Grants(
            container="",
            refused=refused,
            machine_processes=self._machine_processes(granted),
            joining=joining,
            network=no_network,
            inside=inside,
        )

    @contextlib.contextmanager
    def _running(
        self,
        what: str,
        capabilities: tuple[str, ...],
        *,
        networks: tuple[str, ...] = (),
        pid_mode: str = "",
        is_helper: bool = False,
        starts: bool = True,
    ) -> Iterator[str]:
        """A container, for as long as it lasts. Its name stands in the words of its first process."""
        name = container_name(self._instance, what)
        made = self._engine.create(
            Container(
                name=name,
                image=self._image,
                labels=((LABEL_INSTANCE, self._instance), (LABEL_ROLE, "probe"), (LABEL_LAB, "doctor")),
                capabilities=capabilities,
                memory=MEMORY,
                pids=PIDS,
                tmpfs=(("/run", "rw,nosuid,nodev,noexec,size=1m,mode=700"),),
                entrypoint=("python3", "-I", "-c", SLEEP),
                command=(name,),
                networks=networks,
                pid_mode=pid_mode,
                is_helper=is_helper,
            )
        )
        try:
            if starts:
                self._engine.start(made)
            yield made
        finally:
            self._engine.remove(made)

    def _printed(self, container: str, *argv: str) -> str:
        """What a command prints in a container."""
        with contextlib.closing(self._engine.stream(container, argv)) as stream:
            return b"".join(iter(stream.receive, b"")).decode(errors="replace")

    def _first_process(self, container: str) -> str:
        """The words of the process that has the number 1 there."""
        return self._printed(container, "cat", "/proc/1/cmdline")

    def _refused(self, *, starts: bool) -> dict[str, Said]:
        """The capabilities that are refused, each tried alone."""
        each = {one: self._refusal(one.lower(), (one,), starts=starts) for one in CAPABILITIES}
        return {one: said for one, said in each.items() if said}

    def _refusal(self, what: str, capabilities: tuple[str, ...], *, starts: bool = True) -> Said:
        try:
            with self._running(what, capabilities, starts=starts):
                return ""
        except LabError as error:
            return _short(error)

    def _inside(self, container: str) -> Inside:
        script = resources.files("lab.doctor").joinpath("inside.py").read_text(encoding="utf-8")
        text = self._printed(container, "python3", "-I", "-c", script)
        try:
            return inside(json.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            raise EngineError(f"expected a container to tell what is in it, observed {text[-200:]!r}") from error

    def _joining(self, other: str, granted: tuple[str, ...], network: str) -> Said:
        """Beside another container, and maybe on a network, its first process is seen."""
        on = (network,) if network else ()
        try:
            with self._running(
                "joined", granted, networks=on, pid_mode=f"container:{other}", is_helper=True
            ) as container:
                first = self._first_process(container)
        except LabError as error:
            return _short(error)
        return "" if container_name(self._instance, "powers") in first else "it was left out"

    def _machine_processes(self, granted: tuple[str, ...]) -> Said:
        """Among the machine's processes its own first one is not the first."""
        try:
            with self._running("machine", granted, pid_mode="host", is_helper=True) as container:
                first = self._first_process(container)
        except LabError as error:
            return _short(error)
        return "it was left out" if container_name(self._instance, "machine") in first else ""

    @contextlib.contextmanager
    def _network(self) -> Iterator[tuple[str, Said]]:
        """A Docker network as labs have them, for as long as it lasts; or "" and what was said."""
        try:
            taken = [subnet for one in self._engine.networks() for subnet in one.subnets]
            network, _ = building.carrier(self._engine, self._planned, self._planned.lab.networks[0].name, taken)
        except LabError as error:
            yield "", _short(error)
            return
        try:
            yield network, ""
        finally:
            self._engine.remove_network(network)


def _nothing(said: Said, refused: dict[str, Said]) -> Grants:
    """What is known where no container runs."""
    return Grants(
        container=said,
        refused=refused,
        machine_processes=None,
        joining=None,
        network=None,
        inside=None,
    )


def _short(error: LabError) -> Said:
    """What was said, without what was being done: that has a name that means nothing to anybody."""
    refused = error.message.partition("the Docker engine refused: ")[2]
    return (refused or error.message).strip()


def inside(told: Mapping[str, Any]) -> Inside:
    """What inside.py has printed. Raises KeyError, ValueError or TypeError if it is something else."""
    return Inside(
        capabilities=frozenset(map(str, told["capabilities"])),
        seccomp=bool(told["seccomp"]),
        label=str(told["label"]),
        remapped=bool(told["remapped"]),
        root_read_only=bool(told["root_read_only"]),
        tmpfs=int(told["tmpfs"]),
        disk_free=int(told["disk_free"]),
        memory_available=int(told["memory_available"]),
        features={one: str(told["features"][one.value]) for one in Feature},
    )
