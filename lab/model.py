"""What a lab is: frozen values over `ipaddress`.

Pure: no I/O, no Docker, no YAML, and no defaults that depend on the machine. Nothing here checks a lab file;
`composefile` does, and makes only values that are consistent with each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

from lab.text import joined

Address = IPv4Address | IPv6Address
Subnet = IPv4Network | IPv6Network
InterfaceAddress = IPv4Interface | IPv6Interface

MILLION = 1_000_000


class Protocol(StrEnum):
    """A transport protocol with ports."""

    TCP = "tcp"
    UDP = "udp"


class PortPolicy(StrEnum):
    """How a gateway chooses the translated source port."""

    PRESERVE = "preserve"
    """Keep the port; change it only if the translated tuple is taken (Linux' habit, RFC 4787 §4.2.1)."""
    RANDOM = "random"
    """A random port each time (nft(8) `fully-random`, RFC 6056)."""
    POOL = "pool"
    """A port of a given range; a port that lies in the range and is free is kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PortRange:
    """Ports `low` to `high`, both included."""

    low: int
    high: int

    def __contains__(self, port: int) -> bool:
        return self.low <= port <= self.high

    def __str__(self) -> str:
        return f"{self.low}-{self.high}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """A protocol, an address and a port. No address means: whatever address the program chose to bind."""

    protocol: Protocol
    address: Address | None
    port: int
    device: str = ""
    """the only interface that it serves (socket(7), SO_BINDTODEVICE)"""

    def __str__(self) -> str:
        if self.address is None:
            return f"{self.protocol}/{self.port}"
        return f"{self.protocol}/{joined(self.address, self.port, device=self.device)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Impairments:
    """What happens to the packets of a segment; nothing, if all is 0."""

    loss: int = 0
    """how many of a million IP packets are lost"""
    delay: int = 0
    """how much later a packet arrives, in microseconds"""
    reorder: int = 0
    """how many of a million packets are not delayed, so that they overtake others (tc-netem(8))"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """One broadcast segment, with at most one subnet of each address family."""

    name: str
    subnets: tuple[Subnet, ...]
    impairments: Impairments = Impairments()


@dataclass(frozen=True, kw_only=True, slots=True)
class Interface:
    """A host's attachment to a network. `addresses[0]` is the primary one; the others are secondary."""

    name: str
    network: str
    addresses: tuple[InterfaceAddress, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Forward:
    """Destination NAT: what reaches the gateway's outside address at `port` goes on to `to`."""

    port: int
    to: Endpoint


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeout:
    """How long an idle conntrack entry lives. `name` as in the sysctl nf_conntrack_<name>_timeout… family."""

    name: str
    seconds: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Nat:
    """Source NAT towards the network `outside`, from every other network of the gateway."""

    outside: str
    policy: PortPolicy
    pool: PortRange | None
    forwards: tuple[Forward, ...] = ()
    hairpin: bool = False
    timeouts: tuple[Timeout, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ProgramFile:
    """A file to deploy: its name inside the program's folder and its content."""

    name: str
    content: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """What is deployed into a host. Without `run` its files are only put there."""

    name: str
    files: tuple[ProgramFile, ...]
    run: tuple[str, ...] = ()
    ready: tuple[Endpoint, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A resource record of class IN (RFC 1035 §3.2.1). Names are absolute; its owner's is in lower case."""

    name: str
    ttl: int
    type: str
    data: str
    """the RDATA as in a master file (RFC 1035 §5.1)"""

    def __str__(self) -> str:
        return f"{self.name} {self.ttl} IN {self.type} {self.data}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Zone:
    """What an authoritative server knows of a part of the name space. `name` is absolute: `example.com.`, or `.`."""

    name: str
    ttl: int
    """of records that give none, seconds"""
    negative_ttl: int
    """how long it may be remembered that a name or a type is not there, seconds (RFC 2308 §4)"""
    records: tuple[Record, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolver:
    """A host that resolves names for others, beginning at servers of the root zone (RFC 1034 §5.3.3)."""

    root: tuple[Address, ...]


class Cache(StrEnum):
    """What remembers names for all programs of a host."""

    NSCD = "nscd"
    """glibc's own (nscd(8)), asked by getaddrinfo(3) before any server"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """One container with its own network stack."""

    name: str
    image: str
    interfaces: tuple[Interface, ...]
    gateways: tuple[Address, ...] = ()
    hostname: str = ""
    extra_hosts: tuple[tuple[str, Address], ...] = ()
    dns: tuple[Address, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    capabilities: tuple[str, ...] = ()
    memory: int = 128 * 1024 * 1024
    pids: int = 64
    cpus: float = 0.0
    nat: Nat | None = None
    programs: tuple[Program, ...] = ()
    zones: tuple[Zone, ...] = ()
    resolver: Resolver | None = None
    cache: Cache | None = None

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Every address of every interface, in their order."""
        return tuple(address.ip for interface in self.interfaces for address in interface.addresses)

    @property
    def serves_names(self) -> bool:
        """Whether a name server of ours runs here, at port 53."""
        return bool(self.zones) or self.resolver is not None

    def interface_on(self, network: str) -> Interface:
        """The interface on `network`. Raises KeyError if the host is not attached to it."""
        for interface in self.interfaces:
            if interface.network == network:
                return interface
        raise KeyError(network)

    @property
    def forwards_packets(self) -> bool:
        """Whether this host is a router."""
        return self.nat is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Lab:
    """A whole lab, as its file describes it."""

    name: str
    title: str
    networks: tuple[Network, ...]
    hosts: tuple[Host, ...]
    suggestions: tuple[str, ...] = ()
    """commands worth trying"""

    def host(self, name: str) -> Host:
        """The host of that name. Raises KeyError."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise KeyError(name)
