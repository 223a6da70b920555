"""What was seen -> what will work: a row for each thing, and the exit code. Pure.

The rows of the kernel are made in kernel.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lab.doctor import wirings
from lab.doctor.facts import Facts, Failure, Grants, Inside, Masquerade
from lab.doctor.kernel import kernel
from lab.doctor.rows import GIB, MIB, Row, State, degraded, missing, ok, size, untried, untried_because
from lab.doctor.wirings import OBSTACLES, Choice
from lab.engine import About
from lab.errors import EngineError, ImageError, LabError, NotUpError
from lab.plan import HOST_CAPABILITIES
from lab.wiring import agent, fabric, networks

OLDEST = (20, 10)
"""The oldest engine that labs are tested with,"""
OLDEST_API = (1, 41)
"""and the version of its interface."""
TESTED = "Engine"
"""How Docker's engine calls itself."""
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Those that the hosts' first process is written for: uname(2)'s name -> Go's."""
IMAGES_NEED = GIB
"""What building all images takes at most."""
LITTLE_MEMORY = 512 * MIB
NO_SPACE = "no space left"


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Rows about one thing."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """All of it, causes before what follows from them."""

    groups: tuple[Group, ...]
    wiring: str
    """what `--wiring auto` takes; "" if none works or none could be looked at"""
    works: bool
    """whether a lab was seen to work"""

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of all groups."""
        return tuple(row for group in self.groups for row in group.rows)

    @property
    def exit_code(self) -> int:
        """0 if labs work, else that of the first thing that is missing."""
        codes = (row.code for row in self.rows if row.state is State.MISSING)
        return 0 if self.works else next(codes, LabError.exit_code)

    def named(self, state: State) -> tuple[str, ...]:
        """The names of the rows that are in that state."""
        return tuple(row.name for row in self.rows if row.state is state)


def judge(facts: Facts, asked: tuple[str, ...] = tuple(OBSTACLES)) -> Finding:
    """Every row. `asked` are the wirings that may be taken."""
    choice = wirings.choose(facts, asked)
    groups = {
        "this side": _this_side(facts),
        "the engine": _engine(facts),
        "its machine": _machine(facts),
        "what it grants": _granted(facts, asked),
        "its kernel": kernel(facts),
        "labs": _labs(facts, choice, asked),
    }
    return Finding(
        groups=tuple(Group(title=title, rows=tuple(rows)) for title, rows in groups.items()),
        wiring=choice.name if choice else "",
        works=isinstance(facts.trial, Masquerade) and facts.trial.agree,
    )


# ------------------------------------------------------------------------------------------ this side


def _this_side(facts: Facts) -> Iterator[Row]:
    caller = facts.caller
    yield ok("python", caller.python)
    if caller.state_writable:
        yield ok("state-folder", f"{caller.state} can be written")
    else:
        yield degraded(
            "state-folder",
            f"{caller.state} cannot be written" if caller.state else "neither HOME nor XDG_STATE_HOME is set",
            follows="`lab note` does not remember what it has shown",
            do="set XDG_STATE_HOME to a folder that can be written",
        )
    if not caller.socket:
        yield ok("access", f"{caller.user}; the engine is not reached by a socket of this machine")
    elif caller.may_use:
        in_group = f"a member of the group {caller.group}"
        by = "root" if caller.root else in_group if caller.member else "anybody"
        yield ok("access", f"{caller.user} may use {caller.socket}, as {by}")
    else:
        joins = f"`sudo adduser {caller.user} {caller.group}`, then log in again; or call it as root"
        # Nobody is to be made a member of root's group for this.
        another = "call it as root, or let the engine give its socket to a group of its own (dockerd's --group docker)"
        yield missing(
            "access",
            f"{caller.user} may not use {caller.socket}"
            + (f"; members of the group {caller.group} may" if caller.group else ""),
            follows="no command that needs the engine works",
            do=another if caller.group in ("", "root") else joins,
            code=EngineError.exit_code,
        )


# ----------------------------------------------------------------------------------------- the engine


def _engine(facts: Facts) -> Iterator[Row]:
    engine = facts.engine
    if engine is None:
        if facts.caller.may_use:
            do, code = facts.advice, EngineError.exit_code
            yield missing("engine", facts.unreachable, follows="no lab works", do=do, code=code)
        else:
            yield untried("engine", "no access")
        for name in ("version", "api", "limits", "confinement", "users", "storage"):
            yield untried(name, untried_because(facts))
        return
    product = "Docker" if engine.product == TESTED else engine.product or "an engine without a name"
    yield ok("engine", f"{product} at {facts.where} ({facts.named_by}), {engine.operating_system}")
    yield _version("version", engine.version, OLDEST, other="" if engine.product == TESTED else product)
    yield _version("api", engine.api, OLDEST_API)
    yield _limits(engine)
    yield _confinement(engine, facts.inside)
    yield _users(engine, facts.inside)
    yield _storage(facts, engine)


def _version(name: str, text: str, oldest: tuple[int, int], *, other: str = "") -> Row:
    """A version; `other` is the name of an engine that is not Docker's."""
    if _numbers(text) >= oldest and not other:
        return ok(name, text)
    return degraded(
        name,
        f"{other} {text}".strip() or "the engine does not say",
        follows="labs are not tested with it",
        do=f"Docker's engine{'' if name == 'version' else ' with this'} {'.'.join(map(str, oldest))} or newer",
    )


def _numbers(text: str) -> tuple[int, ...]:
    """The first two numbers of a version; none of what is no version."""
    parts = text.split(".")[:2]
    return tuple(map(int, parts)) if all(one.isascii() and one.isdigit() for one in parts) else ()


def _limits(engine: About) -> Row:
    observed = f"cgroup v{engine.cgroup_version or '1'}, {engine.cgroup_driver or 'no driver'}"
    absent = [one for one in ("memory", "swap", "pids", "cpus") if one not in engine.limits]
    if absent:
        return degraded(
            "limits",
            f"{observed}, no limits of {', '.join(absent)}",
            follows=f"programs of a lab may take as much as there is of {', '.join(absent)}",
            do="`docker info` warns of it: the kernel's cgroup controllers have to be on (swap: swapaccount=1)",
        )
    if engine.cgroup_version == "2":
        return ok("limits", observed)
    return degraded(
        "limits",
        observed,
        follows="programs can fill the kernel's memory for sockets beyond their host's limit",
        do="nothing, where programs are trusted; else a machine with cgroup v2",
    )


def _confinement(engine: About, inside: Inside | None) -> Row:
    modules = [name for key, name in (("apparmor", "AppArmor"), ("selinux", "SELinux")) if key in engine.security]
    label = f" ({inside.label})" if inside is not None and inside.label and modules else ""
    named = f"{' and '.join(modules) or 'neither AppArmor nor SELinux'}{label}"
    filtered = inside.seccomp if inside is not None else "seccomp" in engine.security
    if not filtered:
        return degraded(
            "confinement",
            f"no seccomp filter, {named}",
            follows="programs may call all of the kernel: nothing but their lack of privileges confines them",
            do="start the engine with its own seccomp profile",
        )
    if "selinux" in engine.security:
        return degraded(
            "confinement",
            f"seccomp, {named}",
            follows="labs are not tested with SELinux",
            do="if the masquerade below fails, look into the audit log (`ausearch -m avc`)",
        )
    return ok("confinement", f"seccomp, {named}")


def _users(engine: About, inside: Inside | None) -> Row:
    rootless = "rootless" in engine.security
    if not rootless and "userns" not in engine.security and not (inside is not None and inside.remapped):
        return ok("users", "neither rootless nor remapped")
    return degraded(
        "users",
        "the engine is rootless" if rootless else "users are remapped (userns-remap)",
        follows="labs are not tested with it",
        do="if the masquerade below fails, use an engine that root started, without userns-remap",
    )


def _storage(facts: Facts, engine: About) -> Row:
    inside = facts.inside
    if inside is None:
        return untried("storage", untried_because(facts))
    lacks = [
        *([] if inside.root_read_only else ["a root that is to be read-only is not"]),
        *([] if inside.tmpfs else ["a tmpfs is none"]),
    ]
    if not lacks:
        return ok("storage", f"{engine.storage_driver}, read-only roots, sized tmpfs")
    return degraded(
        "storage",
        f"{engine.storage_driver}: {', '.join(lacks)}",
        follows="what programs write is not bounded, and a reset may not be proven",
        do="an engine that does what `docker run --read-only --tmpfs /run` asks for",
    )


# ---------------------------------------------------------------------------------------- its machine


def _machine(facts: Facts) -> Iterator[Row]:
    engine = facts.engine
    if engine is None:
        for name in ("disk", "memory", "processors", "architecture", "images"):
            yield untried(name, untried_because(facts))
        return
    yield _disk(facts, engine)
    yield _memory(engine, facts.inside)
    if engine.processors > 1:
        yield ok("processors", str(engine.processors))
    else:
        yield degraded(
            "processors",
            str(engine.processors or "the engine does not say"),
            follows="`lab grade` takes one submission after the other, and a busy program slows all else",
            do="two or more",
        )
    yield _architecture(facts, engine)
    yield _images(facts)


def _disk(facts: Facts, engine: About) -> Row:
    inside, grants = facts.inside, facts.grants
    free = facts.disk_free if inside is None else inside.disk_free
    wanted = f"{size(IMAGES_NEED)} where the engine keeps images; `docker system df` shows what takes the room"
    if grants is not None and NO_SPACE in grants.container.lower():
        observed, code = f"{engine.folder} is full", EngineError.exit_code
        return missing("disk", observed, follows="no container can be made", do=wanted, code=code)
    if free is None:
        return untried("disk", untried_because(facts))
    observed = f"{engine.folder}, {size(free)} free"
    if free >= IMAGES_NEED:
        return ok("disk", observed)
    if facts.images is not None and facts.images.missing:
        follows, code = "the images cannot be built", ImageError.exit_code
        return missing("disk", observed, follows=follows, do=wanted, code=code)
    return degraded("disk", observed, follows="images cannot be built anew", do=wanted)


def _memory(engine: About, inside: Inside | None) -> Row:
    available = engine.memory if inside is None else inside.memory_available
    observed = size(engine.memory) + ("" if inside is None else f", {size(available)} available")
    if available >= LITTLE_MEMORY:
        return ok("memory", observed)
    return degraded(
        "memory",
        observed,
        follows="programs that use their 128 MiB may be ended, and so may what looks at them",
        do=f"{size(LITTLE_MEMORY)} available; `lab grade --jobs 1`",
    )


def _architecture(facts: Facts, engine: About) -> Row:
    own = ARCHITECTURES.get(engine.architecture, engine.architecture)
    if own not in ARCHITECTURES.values():
        return missing(
            "architecture",
            own or "the engine does not say",
            follows="the images cannot be built",
            do=f"an engine on {' or '.join(ARCHITECTURES)}",
            code=ImageError.exit_code,
        )
    images = facts.images.all if facts.images is not None else ()
    others = sorted({one.architecture for one in images if one.architecture} - {own})
    if not others:
        return ok("architecture", own)
    return degraded(
        "architecture",
        f"{own}, with images of {', '.join(others)}",
        follows="hosts are emulated, if they run at all",
        do="`lab images --remove`, then `lab setup`",
    )


DEBIAN = {
    "engine": "on the Debian that is there",
    "packages": "on a Debian that is pulled, or made from its packages",
    "registry": "on a Debian that is pulled: a registry has to answer",
}


def _images(facts: Facts) -> Row:
    images = facts.images
    if images is None:
        return untried("images", untried_because(facts))
    if not images.missing:
        return ok("images", f"all {len(images.all)} are built")
    return missing(
        "images",
        f"{len(images.missing)} of {len(images.all)} are not built: {', '.join(images.missing)}",
        follows="no lab comes up before they are, and nothing that takes a container was tried",
        do=f"`lab setup` builds them, {DEBIAN[images.debian]}; then `lab doctor` again",
        code=ImageError.exit_code,
    )


# ------------------------------------------------------------------------------------- what it grants


def _granted(facts: Facts, asked: tuple[str, ...]) -> Iterator[Row]:
    grants = facts.grants
    if grants is not None and grants.container:
        yield missing(
            "containers",
            grants.container,
            follows="no lab works",
            do="find out why, by the engine's log, or `docker run --rm --network none IMAGE true`",
            code=EngineError.exit_code,
        )
    elif grants is not None:
        yield ok("containers", "one was created, started and removed")
    else:
        yield untried("containers", untried_because(facts))
    if grants is None or grants.inside is None:
        for name in ("capabilities", "pid-mode-host", "joining", "docker-networks"):
            yield untried(name, untried_because(facts))
        return
    yield _capabilities(grants, grants.inside)
    rest = tuple(name for name in asked if not OBSTACLES[name](grants, grants.inside))
    yield _way("pid-mode-host", "the machine's processes can be seen", grants.machine_processes, fabric.NAME, rest)
    yield _way("joining", "a container's processes can be seen from another", grants.joining, networks.NAME, rest)
    yield _way("docker-networks", _networks_told(facts), grants.network, networks.NAME, rest)


def _networks_told(facts: Facts) -> str:
    """What is known of Docker networks where they work: labs' frames do not pass the machine's filter either way."""
    seen = facts.engine.bridge_netfilter if facts.engine is not None else None
    filtered = {True: ", br_netfilter is on", False: ", br_netfilter is off", None: ""}[seen]
    return f"one was made{filtered}"


def _capabilities(grants: Grants, inside: Inside) -> Row:
    needed = wirings.lacking(grants, inside, of=tuple(dict.fromkeys((*agent.CAPABILITIES, *HOST_CAPABILITIES))))
    wished = wirings.lacking(grants, inside, of=("NET_BIND_SERVICE",))
    told = "; ".join(f"{one}: {grants.refused.get(one) or 'silently left out'}" for one in (*needed, *wished))
    do = "whatever restricts the engine has to allow it: an authorization plugin, its runtime, its own capabilities"
    if needed:
        return missing("capabilities", told, follows="no lab works", do=do, code=EngineError.exit_code)
    if wished:
        follows = "labs with name servers, or with `cap_add: [NET_BIND_SERVICE]`, do not come up"
        return degraded("capabilities", told, follows=follows, do=do)
    return ok("capabilities", "all that helpers and hosts hold")


def _way(name: str, works: str, said: str | None, wiring: str, rest: tuple[str, ...]) -> Row:
    """What one wiring needs and others do not; `rest` are the wirings that do work."""
    if not said:
        return ok(name, works)
    follows, do = f"the wiring {wiring} does not work", "the engine's policy has to allow it (authorization plugin)"
    if rest:
        return degraded(name, said, follows=follows, do=f"nothing: {' and '.join(rest)} can do without; or {do}")
    return missing(name, said, follows=follows, do=do, code=EngineError.exit_code)


# ------------------------------------------------------------------------------------------------ labs


def _labs(facts: Facts, choice: Choice | None, asked: tuple[str, ...]) -> Iterator[Row]:
    if choice is None:
        yield untried("wiring", untried_because(facts))
        yield untried("masquerade", untried_because(facts))
        return
    met = "; ".join(f"not {name}: {', '.join(obstacles)}" for name, obstacles in choice.obstacles)
    if not choice.name:
        code = EngineError.exit_code
        yield missing("wiring", met, follows="no lab works", do="see the rows above", code=code)
        yield untried("masquerade", "no wiring works")
        return
    if met:
        follows, do = (
            f"labs start on {choice.name}, which takes longer; docs/wiring.md says what differs",
            "nothing, if that suits; else see the rows above",
        )
        yield degraded("wiring", f"{choice.name}; {met}", follows=follows, do=do)
    else:
        yield ok("wiring", f"{choice.name}, {'the first choice' if len(asked) > 1 else 'as was asked for'}")
    yield _masquerade(facts.trial)


def _masquerade(trial: Masquerade | Failure | None) -> Row:
    if trial is None:
        return untried("masquerade", "it was not tried")
    if isinstance(trial, Failure):
        return missing(
            "masquerade",
            trial.message,
            follows="no lab with a gateway works",
            do=trial.hint or "see the rows above",
            code=trial.exit_code,
        )
    views = f"client {trial.client}; gateway {trial.inside} -> {trial.outside}; server {trial.server}"
    if trial.agree:
        return ok("masquerade", views)
    return missing(
        "masquerade",
        views,
        follows="what gateways do cannot be relied on",
        do="expected the gateway's entry to join the client's own end to another one, which the server saw",
        code=NotUpError.exit_code,
    )
