"""The parts of a lab file against each other: what one says of another must be so.

Pure. Every value is right by itself here (see `schema`); only their meeting is judged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Set
from ipaddress import IPv4Network, ip_interface
from pathlib import PurePosixPath

from lab import schema
from lab.errors import Problem
from lab.model import (
    Address,
    Endpoint,
    Forward,
    Host,
    Impairments,
    Interface,
    InterfaceAddress,
    Lab,
    Nat,
    Network,
    PortPolicy,
    PortRange,
    Program,
    ProgramFile,
    Protocol,
    Subnet,
    Timeout,
    Zone,
)
from lab.namecheck import NameChecker
from lab.text import suggestion
from lab.yamltree import Path, Tree, problem_at, shown

MOST_FILE_BYTES = 256 * 1024
MOST_FILES_BYTES = 1024 * 1024
"""What all programs of a lab amount to at most: they travel in a label of a container, which every look lists."""
FIRST_UNPRIVILEGED_PORT = 1024
MOST_NAMES = 12
"""How many names a message lists."""
FORWARDING = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}
"""The sysctl that makes a host a router, by IP version (kernel: ip-sysctl.rst)."""

Read = Callable[[str], bytes]


class Checker:
    """Makes the Lab of a file whose values are right by themselves, collecting what does not fit together.

    After a problem it goes on with whatever is left, so that all problems of the file are found at once.
    """

    def __init__(self, tree: Tree, file: schema.LabFile, read: Read, *, left_out: Set[Path], in_part: Set[str]) -> None:
        self.tree = tree
        self.file = file
        self.read = read
        self.left_out = left_out
        self.in_part = in_part
        left_out_whole = any(path[0] in ("networks", "services") and len(path) <= 2 for path in left_out)
        self.whole = not left_out_whole and not in_part
        """Whether every network and host of the file is here: only then is it known what the lab has not."""
        self.problems: list[Problem] = []
        self.files_bytes = 0
        self.subnets: dict[str, tuple[Subnet, ...]] = {}
        self.holders: dict[tuple[str, Address], str] = {}
        """(network, address) -> the host that has it"""
        self.names = NameChecker(self)
        self.zones: dict[str, tuple[Zone, ...]] = {}

    def problem(self, path: Path, expected: str, observed: object, hint: str = "", *, at_key: bool = False) -> None:
        """Note a problem with the value at a path, or with the nearest thing above it that is in the file."""
        path = self.tree.standing(path)
        mark = self.tree.key_mark(path) if at_key else self.tree.value_mark(path)
        self.problems.append(problem_at(mark, path, expected, str(observed), hint))

    def lab(self, default_name: str) -> Lab:
        """The lab; only to be used if there are no problems."""
        file = self.file
        networks = tuple(self.network(name, part) for name, part in file.networks.items())
        self.disjoint(networks)
        if not file.services and self.whole:
            self.problem(("services",), "at least one host", "none")
        interfaces = {name: self.interfaces(name, part) for name, part in file.services.items()}
        self.zones = self.names.zones()
        # An address or a record at fault would only make the way through the tree seem broken too.
        tree_is_known = self.whole and not self.problems
        lab = Lab(
            name=file.name or default_name,
            title=file.x_lab.title,
            suggestions=tuple(file.x_lab.suggestions),
            networks=networks,
            hosts=tuple(self.host(name, part, interfaces[name]) for name, part in file.services.items()),
        )
        if tree_is_known:
            self.names.delegations(lab)
        return lab

    # --------------------------------------------------------------------------------- networks

    def network(self, name: str, part: schema.NetworkPart) -> Network:
        """One network and its subnets."""
        here: Path = ("networks", name)
        found: dict[int, Subnet] = {}
        for index, config in enumerate(part.ipam.config):
            subnet: Subnet = config.subnet
            where = (*here, "ipam", "config", index, "subnet")
            if subnet.version in found:
                self.problem(
                    where, "at most one subnet of each address family", f"{subnet} beside {found[subnet.version]}"
                )
            found.setdefault(subnet.version, subnet)
        if not found:
            self.problem((*here, "ipam", "config"), "at least one subnet", "none")
        if part.enable_ipv6 is not None and found and part.enable_ipv6 != (6 in found):
            expected = "true, because there is an IPv6 subnet" if 6 in found else "an IPv6 subnet beside enable_ipv6"
            self.problem((*here, "enable_ipv6"), expected, "false" if 6 in found else "none")
        if part.internal is False:
            self.problem((*here, "internal"), "true", "false", "no network of a lab leads to the outside")
        self.subnets[name] = tuple(found.values())
        return Network(name=name, subnets=self.subnets[name], impairments=self.impairments(name, part.x_lab))

    def impairments(self, network: str, part: schema.NetworkExtension) -> Impairments:
        """What happens to the packets of a network."""
        if part.reorder and not part.delay:
            path: Path = ("networks", network, "x-lab", "reorder")
            hint = "a packet overtakes others only while those are delayed"
            self.problem(path, "`delay` beside `reorder`", "none", hint)
        return Impairments(loss=part.loss, delay=part.delay, reorder=part.reorder)

    def disjoint(self, networks: tuple[Network, ...]) -> None:
        """No address may belong to two networks of a lab."""
        placed = [(subnet, number) for number, one in enumerate(networks) for subnet in one.subnets]
        placed.sort(key=lambda one: (one[0].version, int(one[0].network_address), one[0].prefixlen))
        # Two subnets are apart or one is in the other: in this order, in the last one that was in none.
        around: tuple[Subnet, int] | None = None
        for one in placed:
            if around is None or around[0].version != one[0].version or not around[0].overlaps(one[0]):
                around = one
                continue
            (other, first), (subnet, second) = sorted((around, one), key=lambda one: one[1])
            config = self.file.networks[networks[second].name].ipam.config
            index = [one.subnet for one in config].index(subnet)
            where = ("networks", networks[second].name, "ipam", "config", index, "subnet")
            observed = f"{subnet}, which overlaps {other} of {networks[first].name}"
            self.problem(where, "a subnet that overlaps no other", observed)

    # --------------------------------------------------------------------------------- interfaces

    def interfaces(self, host: str, part: schema.ServicePart) -> tuple[Interface, ...]:
        """A host's interfaces, in the order of its networks: eth0, eth1, …"""
        here: Path = ("services", host)
        if not part.networks:
            self.problem((*here, "networks"), "at least one network", "none")
        for network in part.x_lab.addresses:
            if network not in part.networks:
                where = (*here, "x-lab", "addresses", network)
                self.unknown(where, f"a network that {host} is on", network, part.networks)
        return tuple(
            Interface(
                name=f"eth{index}", network=network, addresses=self.addresses(host, network, attachment, part.x_lab)
            )
            for index, (network, attachment) in enumerate(part.networks.items())
        )

    def addresses(
        self, host: str, network: str, attachment: schema.Attachment, extension: schema.HostExtension
    ) -> tuple[InterfaceAddress, ...]:
        """The addresses of one interface: the primary ones, then the further ones."""
        here: Path = ("services", host, "networks", network)
        if network not in self.subnets:
            if not {("networks",), ("networks", network)} & self.left_out:
                self.unknown(here, "a network of this file", network, self.subnets)
            return ()
        wanted: list[tuple[Address, Path]] = []
        for key in ("ipv4_address", "ipv6_address"):
            if (address := getattr(attachment, key)) is not None:
                wanted.append((address, (*here, key)))
        if not wanted:
            self.problem(here, "an ipv4_address or an ipv6_address", "neither", at_key=True)
        for index, address in enumerate(extension.addresses.get(network, ())):
            where: Path = ("services", host, "x-lab", "addresses", network)
            wanted.append((address, (*where, index)))
        seen: set[Address] = set()
        for address, path in wanted:
            if address in seen:
                self.problem(path, "each address once", f"{address} again")
            seen.add(address)
        return tuple(found for address, path in wanted if (found := self.address(host, network, address, path)))

    def address(self, host: str, network: str, address: Address, path: Path) -> InterfaceAddress | None:
        """One address with its prefix length, if it may be a host's on that network."""
        for subnet in self.subnets[network]:
            if address not in subnet:
                continue
            reserved = {subnet.network_address}
            if isinstance(subnet, IPv4Network):
                reserved.add(subnet.broadcast_address)
            if address in reserved:
                what = "network's own" if address == subnet.network_address else "broadcast"
                self.problem(path, f"an address for a host in {subnet}", f"{address}, the {what} address")
                return None
            holder = self.holders.setdefault((network, address), host)
            if holder != host:
                self.problem(path, "an address that no other host has", f"{address}, which {holder} has")
            return ip_interface(f"{address}/{subnet.prefixlen}")
        if not self.subnets[network]:
            return None  # which has been told of already
        same_family = [str(subnet) for subnet in self.subnets[network] if subnet.version == address.version]
        if same_family:
            self.problem(path, f"an address in {same_family[0]}, the subnet of {network}", address)
        else:
            hint = "add one to the network's ipam config"
            self.problem(path, f"an IPv{address.version} subnet of {network}", "none", hint)
        return None

    def unknown(self, path: Path, expected: str, observed: str, known: Iterable[str]) -> None:
        """Note a name that nothing has, with the nearest one that there is."""
        names = list(known)
        there = ", ".join(names[:MOST_NAMES]) + (", …" if len(names) > MOST_NAMES else "")
        hint = suggestion(observed, names, otherwise=f"there are {there}" if names else "there is none")
        self.problem(path, expected, shown(observed), hint, at_key=path[-1] == observed)

    # --------------------------------------------------------------------------------- hosts

    def host(self, name: str, part: schema.ServicePart, interfaces: tuple[Interface, ...]) -> Host:
        """One host."""
        here: Path = ("services", name)
        if part.image not in schema.IMAGES:
            programs = "what a host runs is put into it with x-lab: programs"
            hint = suggestion(part.image, schema.IMAGES, otherwise=programs)
            expected = f"one of {', '.join(schema.IMAGES)}"
            self.problem((*here, "image"), expected, shown(part.image), hint)
        self.gateways(name, part)
        self.dns(name, part)
        self.one_listener_each(name, part)
        return Host(
            name=name,
            image=part.image,
            interfaces=interfaces,
            gateways=tuple(part.x_lab.gateway),
            hostname=part.hostname or "",
            extra_hosts=part.extra_hosts,
            dns=tuple(part.dns),
            dns_search=tuple(part.dns_search),
            dns_options=tuple(part.dns_opt),
            sysctls=tuple(part.sysctls.items()),
            environment=tuple(part.environment.items()),
            capabilities=tuple(dict.fromkeys(part.cap_add)),
            memory=part.mem_limit,
            pids=part.pids_limit,
            cpus=part.cpus,
            nat=None if part.x_lab.nat is None else self.nat(name, part, part.x_lab.nat),
            programs=tuple(self.program(name, part, key, one) for key, one in part.x_lab.programs.items()),
            zones=self.zones[name],
            resolver=None if part.x_lab.resolver is None else self.names.resolver(name, part.x_lab.resolver),
            cache=part.x_lab.cache,
        )

    def gateways(self, host: str, part: schema.ServicePart) -> None:
        """A default gateway is another host on one of the host's networks, and forwards."""
        path: Path = ("services", host, "x-lab", "gateway")
        versions = [address.version for address in part.x_lab.gateway]
        if len(versions) != len(set(versions)):
            self.problem(path, "at most one gateway of each address family", ", ".join(map(str, part.x_lab.gateway)))
        for index, address in enumerate(part.x_lab.gateway):
            where: Path = (*path, index)
            holder = self.holder(part.networks, address)
            subnets = [str(s) for n in part.networks for s in self.subnets.get(n, ())]
            if holder is None and self.whole and subnets:
                elsewhere = self.holder(self.subnets, address)
                hint = f"{elsewhere} has it, on a network that {host} is not on" if elsewhere else "no host has it"
                self.problem(where, f"an address of a host on {' or '.join(subnets)}", address, hint)
            elif holder == host:
                self.problem(where, "another host's address", f"{address}, which is {host}'s own")
            elif holder and not self.forwards(holder, address.version):
                key = FORWARDING[address.version]
                nat = "x-lab: nat, or " if address.version == 4 else ""
                hint = f"give {holder} {nat}the sysctl {key}=1"
                self.problem(where, "a host that forwards packets", f"{holder}, which does not", hint)

    def holder(self, networks: Iterable[str], address: Address) -> str | None:
        """Which host has the address on one of the networks."""
        return next((self.holders[name, address] for name in networks if (name, address) in self.holders), None)

    def forwards(self, host: str, version: int) -> bool:
        """Whether a host passes on packets of others, as far as it is known."""
        if host in self.in_part:
            return True
        part = self.file.services[host]
        return part.sysctls.get(FORWARDING[version]) == "1" or (version == 4 and part.x_lab.nat is not None)

    def dns(self, host: str, part: schema.ServicePart) -> None:
        """A name server is a host of the lab, or the host itself: there is nothing else to ask."""
        for index, address in enumerate(part.dns):
            path: Path = ("services", host, "dns", index)
            holder = self.holder(self.subnets, address)
            if address.is_loopback or not self.whole:
                continue
            if holder is None:
                self.problem(path, "an address of a host of this lab", address, "nothing outside it can be reached")
            elif not self.names.answers(holder):
                hint = f"give {holder} x-lab: resolver or zones, or a program that is ready at udp/53"
                self.problem(path, "a host that answers questions for names", f"{address} of {holder}", hint)

    def nat(self, host: str, part: schema.ServicePart, nat: schema.NatPart) -> Nat:
        """A gateway's translation."""
        here: Path = ("services", host, "x-lab", "nat")
        if nat.outside not in part.networks:
            self.unknown((*here, "outside"), f"a network that {host} is on", nat.outside, part.networks)
        elif part.networks[nat.outside].ipv4_address is None:
            self.problem((*here, "outside"), f"a network on which {host} has an IPv4 address", nat.outside)
        inside = [name for name in part.networks if name != nat.outside]
        if not inside:
            self.problem(here, "a second network, whose hosts are translated", f"only {nat.outside}", at_key=True)
        forwards = [self.forward(host, inside, index, one) for index, one in enumerate(nat.forward)]
        seen: dict[tuple[Protocol, int], int] = {}
        for index, one in enumerate(forwards):
            if one is not None and seen.setdefault((one.to.protocol, one.port), index) != index:
                self.problem(
                    (*here, "forward", index), "each port forwarded once", f"{one.to.protocol} {one.port} again"
                )
        pool = nat.ports if isinstance(nat.ports, PortRange) else None
        return Nat(
            outside=nat.outside,
            policy=PortPolicy.POOL if pool else nat.ports,
            pool=pool,
            forwards=tuple(one for one in forwards if one is not None),
            hairpin=nat.hairpin,
            timeouts=tuple(Timeout(name=name, seconds=seconds) for name, seconds in nat.timeouts.items()),
        )

    def forward(self, host: str, inside: list[str], index: int, part: schema.ForwardPart) -> Forward | None:
        """One forwarded port."""
        here: Path = ("services", host, "x-lab", "nat", "forward", index)
        if (part.tcp is None) == (part.udp is None):
            self.problem(here, "one of tcp: PORT and udp: PORT", "neither" if part.tcp is None else "both")
            return None
        address, port = part.to
        holder = self.holder(inside, address)
        if holder is None and self.whole:
            expected = f"an address of a host on {' or '.join(inside) or 'an inside network'}"
            elsewhere = self.holder(self.subnets, address)
            hint = f"{elsewhere} has it, on a network that is not inside" if elsewhere else "no host has it"
            self.problem((*here, "to"), expected, address, hint)
        elif holder == host:
            self.problem((*here, "to"), "another host's address", f"{address}, which is {host}'s own")
        protocol = Protocol.UDP if part.tcp is None else Protocol.TCP
        outside_port = part.udp if part.tcp is None else part.tcp
        assert outside_port is not None  # one of the two is given, see above
        return Forward(port=outside_port, to=Endpoint(protocol=protocol, address=address, port=port))

    # --------------------------------------------------------------------------------- programs

    def program(self, host: str, part: schema.ServicePart, name: str, program: schema.ProgramPart) -> Program:
        """One program, with its files' contents."""
        here: Path = ("services", host, "x-lab", "programs", name)
        if program.ready and program.run is None:
            self.problem((*here, "ready"), "`run` beside `ready`", "none", "what is not started never listens")
        for index, endpoint in enumerate(program.ready):
            self.listener(host, part, endpoint, (*here, "ready", index))
        seen: set[str] = set()
        for index, one in enumerate(PurePosixPath(path).name for path in program.files):
            if one in seen:
                self.problem((*here, "files", index), "files of different names", f"{one} again")
            seen.add(one)
        files = [self.file_of((*here, "files", index), path) for index, path in enumerate(program.files)]
        return Program(
            name=name,
            files=tuple(file for file in files if file is not None),
            run=tuple(program.run or ()),
            ready=tuple(program.ready),
        )

    def one_listener_each(self, host: str, part: schema.ServicePart) -> None:
        """No two programs of a host wait for one listener: only one of them could have it."""
        seen: dict[Endpoint, str] = {}
        for name, program in part.x_lab.programs.items():
            for index, endpoint in enumerate(program.ready):
                if seen.setdefault(endpoint, name) != name:
                    path = ("services", host, "x-lab", "programs", name, "ready", index)
                    self.problem(path, "a listener of its own", f"{endpoint}, which is {seen[endpoint]}'s")

    def listener(self, host: str, part: schema.ServicePart, endpoint: Endpoint, path: Path) -> None:
        """Whether a program of the host can listen there at all."""
        address = endpoint.address
        own = {address for (_, address), holder in self.holders.items() if holder == host}
        anywhere = address is None or address.is_loopback or address.is_unspecified
        if not anywhere and address not in own and self.whole:
            hint = f"it has {', '.join(map(str, own))}" if own else ""
            self.problem(path, f"an address of {host}", address, hint)
        first = part.sysctls.get("net.ipv4.ip_unprivileged_port_start", "")
        lowest = int(first) if re.fullmatch("[0-9]{1,5}", first) else FIRST_UNPRIVILEGED_PORT
        if endpoint.port < lowest and "NET_BIND_SERVICE" not in part.cap_add:
            self.problem(
                path,
                f"a port from {lowest}, because programs run without privilege",
                endpoint.port,
                "or cap_add: [NET_BIND_SERVICE]",
            )

    def file_of(self, path: Path, name: str) -> ProgramFile | None:
        """One file's content."""
        if self.files_bytes > MOST_FILES_BYTES:
            return None  # which has been told of already
        try:
            content = self.read(name)
        except OSError as error:
            reason = error.strerror or str(error)
            self.problem(path, "a file below the lab file's folder", f"{name}: {reason[:1].lower()}{reason[1:]}")
            return None
        self.files_bytes += len(content)
        if len(content) > MOST_FILE_BYTES:
            self.problem(path, f"a file of at most {MOST_FILE_BYTES // 1024} KiB", f"{name}: {len(content)} bytes")
        elif self.files_bytes > MOST_FILES_BYTES:
            hint = "every host's programs count"
            self.problem(path, f"at most {MOST_FILES_BYTES // 1024} KiB of files in all", "more", hint)
        return ProgramFile(name=PurePosixPath(name).name, content=content)
