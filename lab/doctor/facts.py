"""What was seen of a machine and its engine: frozen values. What they mean is not said here. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from lab.engine import About

Said = str
"""What an attempt failed with; "" if it succeeded."""


class Feature(StrEnum):
    """What a lab may need of the kernel of the engine's machine. Its value is the row's name."""

    PIDFD = "pidfd"
    """pidfd_open(2)"""
    LINKS = "links"
    """bridges and veth pairs (ip-link(8))"""
    VXLAN = "vxlan"
    """frames in datagrams (RFC 7348)"""
    NAT = "nat"
    """source and destination NAT (nft(8))"""
    CONNTRACK = "conntrack"
    """the table of connections, read by conntrack(8)"""
    EVENTS = "conntrack-events"
    """events of that table"""
    INGRESS = "ingress"
    """rules where packets come in at a device (nft(8), "netdev")"""
    NUMGEN = "numgen"
    """rules that act at random (nft(8), "numgen")"""
    NETEM = "netem"
    """queues that delay (tc-netem(8))"""
    SOCK_DIAG = "sock-diag"
    """sockets told by the kernel (sock_diag(7))"""
    SOCK_DESTROY = "sock-destroy"
    """sockets closed from outside (ss(8), -K)"""
    PACKET = "packet"
    """packet(7)"""
    IPV6 = "ipv6"


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """This side of the connection: the process that asks."""

    python: str
    user: str
    """the user's name, or number if it has none"""
    root: bool
    socket: str
    """the path of the engine's unix socket; "" if it is not reached by one"""
    may_use: bool
    """whether this user may read and write that socket; true if there is none"""
    group: str
    """the group that the socket belongs to; "" if there is none"""
    member: bool
    """whether this process is in that group"""
    state: str
    """the folder that is remembered in; "" for a user without a home"""
    state_writable: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """An image that labs are made of. `architecture` is None if it is not built."""

    reference: str
    architecture: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Images:
    """The images of today's content, and where Debian itself would come from: `engine`, `packages` or `registry`."""

    all: tuple[Image, ...]
    debian: str

    @property
    def missing(self) -> tuple[str, ...]:
        """Those that are not built."""
        return tuple(one.reference for one in self.all if one.architecture is None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Inside:
    """What was seen in a throw-away container that holds what a helper and hosts hold."""

    capabilities: frozenset[str]
    """those that its first process really has"""
    seccomp: bool
    """whether a filter of system calls is in force"""
    label: str
    """its AppArmor profile or SELinux context (/proc/self/attr/current), "" if there is none"""
    remapped: bool
    """whether its user 0 is another one on the machine (user_namespaces(7))"""
    root_read_only: bool
    tmpfs: int
    """bytes that its /run can hold; 0 if that is no file system of its own"""
    disk_free: int
    """bytes that are free where its root lies: where the engine keeps containers"""
    memory_available: int
    """bytes, as /proc/meminfo tells"""
    features: Mapping[Feature, Said]


@dataclass(frozen=True, kw_only=True, slots=True)
class Grants:
    """What the engine allows to containers. None: it was not tried."""

    container: Said
    """creating and starting a container without any power"""
    refused: Mapping[str, Said]
    """capability -> what was said when it was refused"""
    machine_processes: Said | None
    """`pid_mode=host`: seeing the machine's processes"""
    joining: Said | None
    """`pid_mode=container:…`: seeing another container's processes"""
    network: Said | None
    """a network, with a container on it"""
    inside: Inside | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Masquerade:
    """One connection through a gateway, as three know it: ADDRESS:PORT each, or in words why there is none."""

    client: str
    """the client's own end"""
    inside: str
    """the same in the gateway's table, before translation"""
    outside: str
    """after it"""
    server: str
    """the peer that the server saw"""

    @property
    def agree(self) -> bool:
        """Whether the views agree, and address and port were translated."""
        ends = [one.rpartition(":") for one in (self.inside, self.outside)]
        translated = all(before != after for before, after in zip(*ends, strict=True) if before != ":")
        return self.client == self.inside and self.outside == self.server and translated


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why a lab of three hosts could not be tried, with the exit code that the error has (lab/errors.py)."""

    message: str
    hint: str
    exit_code: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Everything that was seen. What could not be looked at is None, and so is all that depends on it."""

    caller: Caller
    where: str
    """the engine's address"""
    named_by: str
    """what says so"""
    engine: About | None
    unreachable: str
    """why no engine answers, "" if one does"""
    advice: str
    """what helps then"""
    images: Images | None = None
    disk_free: int | None = None
    """bytes that are free in the engine's folder, where that is seen to be one of this machine"""
    grants: Grants | None = None
    trial: Masquerade | Failure | None = None

    @property
    def inside(self) -> Inside | None:
        """What was seen in a container; None if none was to be had."""
        return self.grants.inside if self.grants is not None else None
