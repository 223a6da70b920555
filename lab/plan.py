"""Lab -> Plan: every host's container that will be created, holding what, and what will be carried out in it.

Pure and printable: `lab plan` shows it without an engine. How hosts are linked, and with what helper, is the wiring's
part of it.
"""

from __future__ import annotations

import base64
import functools
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network

from pydantic import ConfigDict, TypeAdapter, ValidationError

from lab.errors import InstanceError
from lab.model import Host, Lab

LABEL_INSTANCE = "socketlab.instance"
LABEL_ROLE = "socketlab.role"
LABEL_HOST = "socketlab.host"
LABEL_NETWORK = "socketlab.network"
LABEL_LAB = "socketlab.lab"
LABEL_WIRING = "socketlab.wiring"
LABEL_HOSTS = "socketlab.hosts"
LABEL_START = "socketlab.start"
LABEL_DESCRIPTION = "socketlab.description"

ROLE_HOST = "host"
ROLE_SIDECAR = "sidecar"
"""what runs beside one host; see wiring/networks.py"""
ROLE_NETWORK = "network"

HOST_CAPABILITIES = ("SETUID", "SETGID", "SETPCAP", "KILL")
"""What a host's PID 1 needs to start programs as another user and to end them. Programs get none of it."""

HOST_CPU_SHARES = 256
"""Less than the engine and the helper have: a busy program must not keep others from looking at it."""

HOME = "/home/student"
TMPFS = {
    "/run": "rw,nosuid,nodev,noexec,size=4m,nr_inodes=4096,mode=755",
    "/tmp": "rw,nosuid,nodev,exec,size=16m,nr_inodes=4096,mode=1777",
    HOME: "rw,nosuid,nodev,exec,size=16m,nr_inodes=4096,mode=755,uid=1000,gid=1000",
}
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    "HOME": HOME,
    "USER": "student",
    "LANG": "C.UTF-8",
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Container:
    """A container to create. Everything not named here is what keeps a program without power; see engine.create."""

    name: str
    image: str
    labels: tuple[tuple[str, str], ...]
    hostname: str = ""
    capabilities: tuple[str, ...] = ()
    memory: int | None = None
    pids: int | None = None
    cpus: float = 0.0
    cpu_shares: int | None = None
    """its weight when processors are short; 1024 is what others have (docker-run(1))"""
    tmpfs: tuple[tuple[str, str], ...] = ()
    extra_hosts: tuple[tuple[str, str], ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    """arguments of its first process"""
    networks: tuple[str, ...] = ()
    """ids of the Docker networks that it is on"""
    pid_mode: str = ""
    """whose processes it sees, in the words of docker-run(1), --pid; its own by default"""
    is_helper: bool = False
    """Only for a wiring's helper, which enters other namespaces: no confinement by AppArmor, and more open files."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Carrier:
    """A Docker network to create, which carries the frames of one of a lab's networks.

    `subnet` is what the engine takes its containers' addresses from; none of the lab's is among them.
    """

    name: str
    subnet: IPv4Network
    labels: tuple[tuple[str, str], ...]
    options: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """An instance to be."""

    instance: str
    lab: Lab
    hosts: tuple[Container, ...]


def plan(lab: Lab, *, instance: str, images: Mapping[str, str]) -> Plan:
    """What an instance of `lab` consists of. `images` maps names in lab files to what is created from."""
    return Plan(
        instance=instance,
        lab=lab,
        hosts=tuple(_container(lab, host, instance, images) for host in lab.hosts),
    )


def labels(lab: Lab, instance: str, role: str) -> tuple[tuple[str, str], ...]:
    """The labels by which everything of an instance is found again."""
    return ((LABEL_INSTANCE, instance), (LABEL_ROLE, role), (LABEL_LAB, lab.name))


def container_name(instance: str, host: str = "") -> str:
    """Neither part can hold a dot, so two instances never claim the same name."""
    return f"socketlab.{instance}.{host}" if host else f"socketlab.{instance}"


def _container(lab: Lab, host: Host, instance: str, images: Mapping[str, str]) -> Container:
    return Container(
        name=container_name(instance, host.name),
        image=images.get(host.image, host.image),
        labels=(*labels(lab, instance, ROLE_HOST), (LABEL_HOST, host.name)),
        hostname=host.hostname or host.name,
        capabilities=tuple(dict.fromkeys((*HOST_CAPABILITIES, *host.capabilities, *_daemons(host)))),
        command=host.capabilities,
        memory=host.memory,
        pids=host.pids,
        cpus=host.cpus,
        cpu_shares=HOST_CPU_SHARES,
        tmpfs=tuple(TMPFS.items()),
        extra_hosts=tuple((name, str(address)) for name, address in host.extra_hosts),
        # Without a server of its own a host would get a copy of the machine's resolv.conf. The loopback
        # address is what resolv.conf(5) means by no server at all: a question to it fails at once.
        dns=tuple(str(address) for address in host.dns) or ("127.0.0.1",),
        dns_search=host.dns_search or (".",),
        dns_options=host.dns_options,
    )


def _daemons(host: Host) -> tuple[str, ...]:
    """What the host's own daemons need. Its PID 1 gives it to no program that is not named in its command."""
    return ("NET_BIND_SERVICE",) if host.serves_names else ()


def environment(host: Host) -> dict[str, str]:
    """What a program of the host finds in its environment."""
    return ENVIRONMENT | dict(host.environment)


@functools.cache  # made when it is needed: not every command reads or writes a description
def _description() -> TypeAdapter[tuple[Lab]]:
    # In a tuple, because pydantic takes a configuration for a type that is not itself a dataclass.
    return TypeAdapter(tuple[Lab], config=ConfigDict(ser_json_bytes="base64", val_json_bytes="base64"))


def describe(lab: Lab) -> str:
    """A lab as the text of a label, from which `undescribe` makes the same lab again."""
    return base64.b64encode(zlib.compress(_description().dump_json((lab,)), 9)).decode()


def undescribe(text: str) -> Lab:
    """The lab in a label. Raises InstanceError if the label is not one of ours."""
    try:
        return _description().validate_json(zlib.decompress(base64.b64decode(text)))[0]
    except (ValueError, zlib.error, ValidationError) as error:
        raise InstanceError(
            "expected the lab's description in the label of its containers, found something else",
            hint="it may be of another version of socketlab; `lab down` removes it",
        ) from error
