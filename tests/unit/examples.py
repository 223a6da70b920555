"""Values that many unit tests begin with: a small lab with a gateway, and what it looks like when all is well."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

from lab.model import (
    Address,
    Cache,
    Endpoint,
    Forward,
    Host,
    Impairments,
    Interface,
    Lab,
    Nat,
    Network,
    PortPolicy,
    PortRange,
    Program,
    ProgramFile,
    Protocol,
    Record,
    Resolver,
    Timeout,
    Zone,
)
from lab.observe import HostView, Kind, Link, Process, Route, Socket, SocketEnd, State
from lab.scripts import before, nat_rules, steps

ECHO = Endpoint(protocol=Protocol.TCP, address=ip_address("203.0.113.80"), port=65432)
POOL = Nat(outside="internet", policy=PortPolicy.POOL, pool=PortRange(low=40000, high=40999))


def interface(name: str, network: str, *addresses: str) -> Interface:
    """An interface with addresses such as 192.168.1.1/24."""
    return Interface(name=name, network=network, addresses=tuple(map(ip_interface, addresses)))


def alice() -> Host:
    """A private host behind the gateway."""
    return Host(
        name="alice",
        image="socketlab/host",
        interfaces=(interface("eth0", "home", "192.168.1.100/24"),),
        gateways=(ip_address("192.168.1.1"),),
    )


def router(nat: Nat = POOL) -> Host:
    """The gateway, with one interface on each side."""
    return Host(
        name="router",
        image="socketlab/gateway",
        interfaces=(
            interface("eth0", "home", "192.168.1.1/24"),
            interface("eth1", "internet", "203.0.113.1/24"),
        ),
        nat=nat,
    )


def server() -> Host:
    """A public host with a declared program."""
    echo = Program(
        name="echo",
        files=(ProgramFile(name="echo.py", content=b"print()\n"),),
        run=("python3", "echo.py"),
        ready=(ECHO,),
    )
    return Host(
        name="server",
        image="socketlab/host",
        interfaces=(interface("eth0", "internet", "203.0.113.80/24"),),
        programs=(echo,),
    )


def small_lab() -> Lab:
    """Alice and the router at home, the router and the server on the internet."""
    return Lab(
        name="small",
        title="A small lab",
        networks=(
            Network(name="home", subnets=(ip_network("192.168.1.0/24"),)),
            Network(name="internet", subnets=(ip_network("203.0.113.0/24"),)),
        ),
        hosts=(alice(), router(), server()),
    )


def rich_lab() -> Lab:
    """A lab with a value other than the default in every field of the model."""
    everything = Host(
        name="everything",
        image="debian:bookworm-slim",
        interfaces=(interface("eth0", "both", "192.168.1.7/24", "192.168.1.8/24", "fd00:1::7/64"),),
        gateways=(ip_address("192.168.1.1"), ip_address("fd00:1::1")),
        hostname="all",
        extra_hosts=(("router.home", ip_address("192.168.1.1")), ("router.home", ip_address("fd00:1::1"))),
        dns=(ip_address("192.168.1.1"), ip_address("fd00:1::1")),
        dns_search=("home.example",),
        dns_options=("timeout:1",),
        sysctls=(("net.ipv4.ip_local_port_range", "40000 40100"),),
        environment=(("GREETING", "grüß dich"),),
        capabilities=("NET_RAW",),
        memory=64 * 1024 * 1024,
        pids=32,
        cpus=0.5,
        zones=(
            Zone(
                name="example.com.",
                ttl=60,
                negative_ttl=2,
                records=(Record(name="www.example.com.", ttl=5, type="AAAA", data="fd00:1::7"),),
            ),
        ),
        resolver=Resolver(root=(ip_address("192.168.1.1"),)),
        cache=Cache.NSCD,
        programs=(
            Program(
                name="tool",
                files=(
                    ProgramFile(name="empty", content=b""),
                    ProgramFile(name="binary", content=bytes(range(256)) * 3),
                    ProgramFile(name="text", content="ä\r\n".encode()),
                ),
                run=("./binary", "", "two words"),
                ready=(
                    Endpoint(protocol=Protocol.UDP, address=None, port=53),
                    Endpoint(protocol=Protocol.TCP, address=ip_address("fd00:1::7"), port=8080),
                ),
            ),
        ),
    )
    gateway = Host(
        name="gateway",
        image="socketlab/gateway",
        interfaces=(
            interface("eth0", "both", "192.168.1.1/24", "fd00:1::1/64"),
            interface("eth1", "internet", "203.0.113.1/24"),
        ),
        nat=rich_nat(),
    )
    return Lab(
        name="rich",
        title="Every field",
        networks=(
            Network(
                name="both",
                subnets=(ip_network("192.168.1.0/24"), ip_network("fd00:1::/64")),
                impairments=Impairments(loss=25_000, delay=50_000, reorder=50_000),
            ),
            Network(name="internet", subnets=(ip_network("203.0.113.0/24"),)),
        ),
        hosts=(everything, gateway),
    )


def rich_nat() -> Nat:
    """Forwards, hairpinning and timeouts."""
    return replace(
        POOL,
        forwards=(forward(8080, "tcp", "192.168.1.100", 80), forward(53, "udp", "192.168.1.100", 5353)),
        hairpin=True,
        timeouts=(Timeout(name="udp", seconds=20), Timeout(name="tcp-established", seconds=600)),
    )


def forward(port: int, protocol: str, address: str, to_port: int) -> Forward:
    """What reaches the gateway at `port` goes on to address and `to_port`."""
    return Forward(port=port, to=Endpoint(protocol=Protocol(protocol), address=ip_address(address), port=to_port))


def as_declared(host: Host) -> HostView:
    """What is seen of a host in which everything is as declared and no program runs."""
    settings = before(host).sysctls()
    for step in steps(host):
        if step.kind == "sysctl":
            settings |= step.sysctls()
    loopback = Link(name="lo", up=True, mac="00:00:00:00:00:00", addresses=(ip_interface("127.0.0.1/8"),))
    return HostView(
        links=(loopback, *(Link(name=i.name, up=True, mac="", addresses=i.addresses) for i in host.interfaces)),
        routes=tuple(Route(destination="default", via=gateway, device="eth0") for gateway in host.gateways),
        rules="" if host.nat is None else "".join(f"{line}\n" for line in nat_rules(host, host.nat)),
        sysctls=tuple(settings.items()),
    )


def end(address: str | None, port: int, device: str = "") -> SocketEnd:
    """One side of a socket; no address is `*`."""
    return SocketEnd(address=None if address is None else ip_address(address), port=port, device=device)


def listening(address: str | None, port: int, *, kind: Kind = Kind.TCP, name: str = "python3") -> Socket:
    """A socket that waits at an address."""
    return Socket(
        kind=kind,
        state=State.LISTEN if kind is Kind.TCP else State.UNCONN,
        local=end(address, port),
        remote=end(None, 0),
        uid=1000,
        processes=(Process(name=name, pid=7),),
    )


def connected(local: tuple[str, int], remote: tuple[str, int], *, kind: Kind = Kind.TCP) -> Socket:
    """A socket with a peer."""
    return Socket(kind=kind, state=State.ESTAB, local=end(*local), remote=end(*remote), uid=1000)


def at(address: str, port: int) -> tuple[Address, int]:
    """An address and a port."""
    return ip_address(address), port
