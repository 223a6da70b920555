"""Facts that the tests of the doctor begin with: a machine on which all is well."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lab.doctor.facts import Caller, Facts, Feature, Grants, Image, Images, Inside, Masquerade
from lab.engine import About
from lab.plan import HOST_CAPABILITIES
from lab.wiring import agent

GIB = 1 << 30

CALLER = Caller(
    python="3.11.2",
    user="ann",
    root=False,
    socket="/var/run/docker.sock",
    may_use=True,
    group="docker",
    member=True,
    state="/home/ann/.local/state/socketlab",
    state_writable=True,
)
ABOUT = About(
    product="Engine",
    version="26.1.5",
    api="1.45",
    name="vm",
    operating_system="Debian GNU/Linux 13 (trixie)",
    kernel="6.12.0",
    architecture="x86_64",
    processors=4,
    memory=8 * GIB,
    cgroup_version="2",
    cgroup_driver="systemd",
    limits=frozenset({"memory", "swap", "pids", "cpus"}),
    storage_driver="overlay2",
    folder="/var/lib/docker",
    bridge_netfilter=None,
    security=("apparmor", "seccomp", "cgroupns"),
)
INSIDE = Inside(
    capabilities=frozenset({*agent.CAPABILITIES, *HOST_CAPABILITIES, "NET_BIND_SERVICE"}),
    seccomp=True,
    label="docker-default (enforce)",
    remapped=False,
    root_read_only=True,
    tmpfs=1 << 20,
    disk_free=20 * GIB,
    memory_available=6 * GIB,
    features=dict.fromkeys(Feature, ""),
)
GRANTS = Grants(container="", refused={}, machine_processes="", joining="", network="", inside=INSIDE)
IMAGES = Images(
    all=tuple(Image(reference=f"socketlab/{one}:1", architecture="amd64") for one in ("base", "host", "fabric")),
    debian="engine",
)
TRIAL = Masquerade(
    client="192.168.1.100:5555",
    inside="192.168.1.100:5555",
    outside="203.0.113.1:40007",
    server="203.0.113.1:40007",
)
WELL = Facts(
    caller=CALLER,
    where="unix:///var/run/docker.sock",
    named_by="the usual socket",
    engine=ABOUT,
    unreachable="",
    advice="",
    images=IMAGES,
    disk_free=None,
    grants=GRANTS,
    trial=TRIAL,
)


def caller(**changes: Any) -> Facts:
    """All is well, but for the caller."""
    return replace(WELL, caller=replace(CALLER, **changes))


def engine(**changes: Any) -> Facts:
    """All is well, but for what the engine says of itself."""
    return replace(WELL, engine=replace(ABOUT, **changes))


def grants(**changes: Any) -> Facts:
    """All is well, but for what the engine grants."""
    return replace(WELL, grants=replace(GRANTS, **changes))


def inside(**changes: Any) -> Facts:
    """All is well, but for what is seen in a container."""
    return grants(inside=replace(INSIDE, **changes))


def lacking(*features: Feature, said: str = "Operation not supported") -> Facts:
    """All is well, but for something that the kernel has not."""
    return inside(features={one: said if one in features else "" for one in Feature})


def without_container(said: str) -> Facts:
    """No container runs."""
    nothing = Grants(container=said, refused={}, machine_processes=None, joining=None, network=None, inside=None)
    return replace(WELL, grants=nothing, trial=None)


def unreachable(**changes: Any) -> Facts:
    """No engine answers."""
    return Facts(
        caller=replace(CALLER, **changes),
        where="unix:///var/run/docker.sock",
        named_by="the usual socket",
        engine=None,
        unreachable="nothing answers there",
        advice="`lab setup` starts it",
    )
