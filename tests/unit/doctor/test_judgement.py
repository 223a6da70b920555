"""What was seen -> rows: whatever is taken away changes its own row, and those that follow from it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.doctor.facts import Facts, Failure, Feature, Image, Images, Masquerade
from lab.doctor.judgement import Finding, judge
from lab.doctor.kernel import NEEDS
from lab.doctor.rows import Row, State, size
from lab.doctor.wirings import OBSTACLES
from lab.plan import HOST_CAPABILITIES
from lab.wiring import agent
from tests.unit.doctor.examples import (
    GIB,
    INSIDE,
    TRIAL,
    WELL,
    caller,
    engine,
    grants,
    inside,
    lacking,
    unreachable,
    without_container,
)

D, M, U = State.DEGRADED, State.MISSING, State.UNTRIED
KERNEL = {feature.value: U for feature in Feature}
GRANTED = dict.fromkeys(("capabilities", "pid-mode-host", "joining", "docker-networks"), U)
IN_CONTAINERS = {"storage": U, "containers": U, **GRANTED, **KERNEL, "wiring": U, "masquerade": U}
OF_ENGINE = dict.fromkeys(("version", "api", "limits", "confinement", "users"), U)
OF_MACHINE = dict.fromkeys(("disk", "memory", "processors", "architecture", "images"), U)
NO_LABS = {"wiring": M, "masquerade": U}
NOT_BUILT = Images(all=(Image(reference="x:1", architecture=None),), debian="engine")


def changed(facts: Facts, asked: tuple[str, ...] = tuple(OBSTACLES)) -> dict[str, State]:
    """The rows that are not ok."""
    return {row.name: row.state for row in judge(facts, asked).rows if row.state is not State.OK}


def row(facts: Facts, name: str) -> Row:
    """One row."""
    return next(one for one in judge(facts).rows if one.name == name)


def untried(facts: Facts) -> Facts:
    """The same, where no lab could be tried for that reason."""
    return replace(facts, trial=None)


def test_where_all_is_well_every_row_says_so() -> None:
    """Nothing follows and nothing is to be done; the exit code is 0."""
    finding = judge(WELL)
    assert changed(WELL) == {}
    assert all(one.follows == "" and one.do == "" and one.observed for one in finding.rows)
    assert (finding.works, finding.exit_code, finding.wiring) == (True, 0, "fabric")


def test_rows_have_names_of_their_own() -> None:
    """A script finds a row by its name, whatever was seen."""
    names = [one.name for one in judge(WELL).rows]
    assert len(set(names)) == len(names)
    assert [one.name for one in judge(unreachable()).rows] == names
    assert [one.name for one in judge(without_container("no")).rows] == names


DEGRADED = {
    "state-folder: no home": (caller(state="", state_writable=False), "state-folder"),
    "state-folder: read-only": (caller(state_writable=False), "state-folder"),
    "version: old": (engine(version="19.03.15"), "version"),
    "version: none": (engine(version=""), "version"),
    "version: another engine": (engine(product="Podman Engine", version="5.0.1"), "version"),
    "version: an engine without a name": (engine(product=""), "version"),
    "api: old": (engine(api="1.40"), "api"),
    "api: none": (engine(api=""), "api"),
    "limits: cgroup v1": (engine(cgroup_version="1"), "limits"),
    "limits: before engines said": (engine(cgroup_version=""), "limits"),
    "limits: no swap": (engine(limits=frozenset({"memory", "pids", "cpus"})), "limits"),
    "limits: none": (engine(limits=frozenset()), "limits"),
    "confinement: no filter": (inside(seccomp=False), "confinement"),
    "confinement: SELinux": (engine(security=("selinux", "seccomp")), "confinement"),
    "users: rootless": (engine(security=("seccomp", "rootless")), "users"),
    "users: userns-remap": (engine(security=("seccomp", "userns")), "users"),
    "users: seen remapped": (inside(remapped=True), "users"),
    "storage: root": (inside(root_read_only=False), "storage"),
    "storage: tmpfs": (inside(tmpfs=0), "storage"),
    "disk": (inside(disk_free=GIB - 1), "disk"),
    "memory": (inside(memory_available=GIB // 2 - 1), "memory"),
    "processors: one": (engine(processors=1), "processors"),
    "processors: not said": (engine(processors=0), "processors"),
    "architecture: emulated": (
        replace(WELL, images=Images(all=(Image(reference="socketlab/host:1", architecture="arm64"),), debian="engine")),
        "architecture",
    ),
    "capabilities: names": (inside(capabilities=INSIDE.capabilities - {"NET_BIND_SERVICE"}), "capabilities"),
    "joining": (grants(joining="denied"), "joining"),
    "docker-networks": (grants(network="denied"), "docker-networks"),
    "vxlan": (lacking(Feature.VXLAN), "vxlan"),
    "events": (lacking(Feature.EVENTS), "conntrack-events"),
    "ingress": (lacking(Feature.INGRESS), "ingress"),
    "numgen": (lacking(Feature.NUMGEN), "numgen"),
    "netem": (lacking(Feature.NETEM), "netem"),
    "sock-diag": (lacking(Feature.SOCK_DIAG), "sock-diag"),
    "sock-destroy": (lacking(Feature.SOCK_DESTROY), "sock-destroy"),
    "packet": (lacking(Feature.PACKET), "packet"),
    "ipv6": (lacking(Feature.IPV6), "ipv6"),
}


@pytest.mark.parametrize(("facts", "name"), DEGRADED.values(), ids=DEGRADED)
def test_what_only_some_need_degrades_its_row_alone(facts: Facts, name: str) -> None:
    """Labs work, which is what the exit code says; the row tells what does not, and what to do."""
    assert changed(facts) == {name: D}
    told = row(facts, name)
    assert told.follows
    assert told.do
    assert judge(facts).exit_code == 0


MISSING: dict[str, tuple[Facts, dict[str, State], int]] = {
    "engine": (unreachable(), {"engine": M, **OF_ENGINE, **OF_MACHINE, **IN_CONTAINERS, "kernel": U}, 3),
    "access": (
        unreachable(may_use=False),
        {"access": M, "engine": U, **OF_ENGINE, **OF_MACHINE, **IN_CONTAINERS, "kernel": U},
        3,
    ),
    "images": (
        replace(
            WELL,
            images=NOT_BUILT,
            grants=None,
            trial=None,
        ),
        {"images": M, "disk": U, **IN_CONTAINERS},
        6,
    ),
    "disk for images": (
        replace(
            WELL,
            images=NOT_BUILT,
            disk_free=GIB - 1,
            grants=None,
            trial=None,
        ),
        {"disk": M, "images": M, **IN_CONTAINERS},
        6,
    ),
    "architecture": (untried(engine(architecture="riscv64")), {"architecture": M, "masquerade": U}, 6),
    "containers": (without_container("denied"), {**IN_CONTAINERS, "disk": U, "containers": M}, 3),
    "a full disk": (
        without_container("mkdir /x: No space left on device"),
        {**IN_CONTAINERS, "disk": M, "containers": M},
        3,
    ),
    "both ways to a host": (
        untried(grants(machine_processes="denied", joining="denied")),
        {"pid-mode-host": M, "joining": M, **NO_LABS},
        3,
    ),
    "pidfd": (
        replace(lacking(Feature.PIDFD), trial=Failure(message="no", hint="", exit_code=8)),
        {"pidfd": M, "masquerade": M},
        5,
    ),
    "links": (
        replace(lacking(Feature.LINKS), trial=Failure(message="no", hint="", exit_code=5)),
        {"links": M, "masquerade": M},
        5,
    ),
    "nat": (
        replace(lacking(Feature.NAT, Feature.CONNTRACK), trial=Failure(message="no", hint="", exit_code=5)),
        {"nat": M, "conntrack": M, "masquerade": M},
        5,
    ),
    "a lab that fails": (replace(WELL, trial=Failure(message="no", hint="", exit_code=8)), {"masquerade": M}, 8),
    "a port that is not translated": (
        replace(WELL, trial=replace(TRIAL, outside="203.0.113.1:5555", server="203.0.113.1:5555")),
        {"masquerade": M},
        5,
    ),
}


@pytest.mark.parametrize(("facts", "rows", "code"), MISSING.values(), ids=MISSING)
def test_what_every_lab_needs_is_missing_with_what_follows(facts: Facts, rows: dict[str, State], code: int) -> None:
    """The exit code is that of the cause, and every row that is missing says what to do."""
    assert changed(facts) == rows
    finding = judge(facts)
    assert (finding.works, finding.exit_code) == (False, code)
    for one in finding.rows:
        assert one.observed
        assert bool(one.follows and one.do) is (one.state in (D, M)), one
        assert bool(one.code) is (one.state is M), one


@pytest.mark.parametrize("name", sorted({*agent.CAPABILITIES, *HOST_CAPABILITIES}))
def test_a_capability_that_helpers_or_hosts_hold_is_missing(name: str) -> None:
    """It is named, and told apart whether it was refused or left out in silence. What takes it was not tried."""
    left_out = untried(inside(capabilities=INSIDE.capabilities - {name}))
    grants = left_out.grants or WELL.grants
    assert grants is not None
    refused = untried(replace(left_out, grants=replace(grants, refused={name: "denied"})))
    of_features = {feature.value: U for feature, need in NEEDS.items() if need.capability == name}
    of_labs = NO_LABS if name in agent.CAPABILITIES else {"masquerade": U}
    for facts, said in ((left_out, "silently left out"), (refused, "denied")):
        assert changed(facts) == {"capabilities": M, **of_features, **of_labs}
        assert row(facts, "capabilities").observed == f"{name}: {said}"
        assert judge(facts).exit_code == 3


def test_another_wiring_makes_up_for_what_one_needs() -> None:
    """With pid_mode=host refused, `networks` is taken, which says so; without it nothing works."""
    facts = grants(machine_processes="denied")
    assert changed(facts) == {"pid-mode-host": D, "wiring": D}
    assert row(facts, "wiring").observed == "networks; not fabric: pid_mode=host is refused"
    assert changed(untried(facts), ("fabric",)) == {"pid-mode-host": M, **NO_LABS}


def test_only_what_is_asked_for_is_taken() -> None:
    """Who asks for `networks` needs not see the machine's processes, but to join a container's."""
    assert judge(WELL, ("networks",)).wiring == "networks"
    assert changed(grants(machine_processes="denied"), ("networks",)) == {"pid-mode-host": D}
    assert changed(untried(grants(joining="denied")), ("networks",)) == {"joining": M, **NO_LABS}


@pytest.mark.parametrize(("seen", "word"), [(True, "is on"), (False, "is off"), (None, "made")])
def test_bridge_netfilter_is_told(seen: bool | None, word: str) -> None:
    """Where the engine says it; labs work either way."""
    assert changed(engine(bridge_netfilter=seen)) == {}
    assert row(engine(bridge_netfilter=seen), "docker-networks").observed.endswith(word)


def test_what_a_kernel_may_have_but_refuses_is_told_so() -> None:
    """A filter of system calls is no missing option of the kernel."""
    assert "seccomp" in row(lacking(Feature.PACKET, said="Operation not permitted"), "packet").do
    assert "seccomp" not in row(lacking(Feature.PACKET), "packet").do


@pytest.mark.parametrize(
    ("group", "words"), [("docker", "`sudo adduser ann docker`"), ("root", "--group docker"), ("", "--group docker")]
)
def test_nobody_is_sent_into_roots_group(group: str, words: str) -> None:
    """Where a socket is root's, or cannot even be looked at, the way in is another."""
    told = row(unreachable(may_use=False, group=group), "access")
    assert words in told.do
    assert ("members of the group" in told.observed) is bool(group)


def test_a_network_engine_needs_no_socket() -> None:
    """Over TCP nothing is said of a file's permissions."""
    facts = caller(socket="", group="", member=False)
    assert changed(facts) == {}
    assert "not reached by a socket" in row(facts, "access").observed


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"root": True}, "as root"), ({}, "as a member of the group docker"), ({"member": False}, "as anybody")],
)
def test_access_says_by_what(changes: dict[str, bool], words: str) -> None:
    """Who may use the socket knows why."""
    assert row(caller(**changes), "access").observed.endswith(words)


@pytest.mark.parametrize("debian", ["engine", "packages", "registry"])
def test_missing_images_say_how_they_come(debian: str) -> None:
    """Whether a registry is needed is known before the attempt, and each image is named."""
    some = (*WELL.images.all, Image(reference="socketlab/dns:1", architecture=None)) if WELL.images else ()
    told = row(replace(WELL, images=Images(all=some, debian=debian), grants=None, trial=None), "images")
    assert "1 of 4 are not built: socketlab/dns:1" in told.observed
    assert ("registry" in told.do) is (debian == "registry")


def test_each_need_of_the_kernel_is_judged() -> None:
    """No feature that is tried is passed over."""
    assert set(NEEDS) == set(Feature)


VIEWS = {
    "no entry": replace(TRIAL, inside="no entry", outside="no entry"),
    "no answer": replace(TRIAL, client="no answer", server="no answer"),
    "another client": replace(TRIAL, inside="192.168.1.100:5556"),
    "another peer": replace(TRIAL, server="203.0.113.1:40008"),
    "the same address": replace(TRIAL, outside="192.168.1.100:40007", server="192.168.1.100:40007"),
    "the same port": replace(TRIAL, outside="203.0.113.1:5555", server="203.0.113.1:5555"),
}


@pytest.mark.parametrize("trial", VIEWS.values(), ids=VIEWS)
def test_views_that_do_not_agree_are_no_masquerade(trial: Masquerade) -> None:
    """Each of the three is needed, and address and port have to be other ones."""
    finding: Finding = judge(replace(WELL, trial=trial))
    assert not trial.agree
    assert finding.exit_code == 5
    assert TRIAL.agree


def test_sizes_are_for_people() -> None:
    """One figure after the point from a GiB on."""
    assert [size(one) for one in (0, GIB - 1, GIB, int(22.44 * GIB))] == ["0 MiB", "1023 MiB", "1.0 GiB", "22.4 GiB"]
