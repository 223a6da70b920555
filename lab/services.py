"""Which trusted daemons run in a host, with which configuration: Host -> Service.

Pure text. They run as the user `service` and not as `student`; how they are started and proven is `live`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass

from lab.model import Address, Endpoint, Host, Lab, Protocol
from lab.names import LARGEST_TTL, PORT, root_hints, zone_file

TOP = "/run/services"
"""Where the files of services are, in folders that only root can write to; each has a folder `state` of its own."""
STATE = "state"
CONTROL = f"{STATE}/control"
"""A daemon's control socket, in a folder that only `service` and root can enter."""
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """A daemon of a host."""

    name: str
    argv: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    """names in its folder, and contents"""
    listens: tuple[Endpoint, ...] = ()
    """where it must be seen to listen"""
    folder: str = ""
    """a folder outside of its own that it writes to, and that every program may enter"""

    @property
    def cwd(self) -> str:
        """Its own folder."""
        return f"{TOP}/{self.name}"


def services(lab: Lab, host: Host) -> tuple[Service, ...]:
    """The daemons of a host, in the order in which they are started."""
    found: list[Service] = []
    files: tuple[tuple[str, str], ...]
    argv: tuple[str, ...]
    if host.zones:
        files = (("nsd.conf", nsd_conf(host)), *((f"{n}.zone", zone_file(lab, z)) for n, z in enumerate(host.zones)))
        found.append(_name_server("nsd", ("nsd", "-d", "-c", f"{TOP}/nsd/nsd.conf"), host, files))
    if host.resolver is not None:
        hints = root_hints(lab, host)
        files = (("unbound.conf", unbound_conf(host)), ("root.hints", hints))
        argv = ("unbound", "-d", "-p", "-c", f"{TOP}/unbound/unbound.conf")
        found.append(_name_server("unbound", argv, host, files))
    if host.cache is not None:
        argv = ("nscd", "--foreground", "--config-file", f"{TOP}/nscd/nscd.conf")
        files = (("nscd.conf", nscd_conf(negative_ttl(lab))),)
        found.append(Service(name="nscd", argv=argv, files=files, folder="/run/nscd"))
    return tuple(found)


def _name_server(name: str, argv: tuple[str, ...], host: Host, files: tuple[tuple[str, str], ...]) -> Service:
    listens = tuple(
        Endpoint(protocol=protocol, address=address, port=PORT)
        for address in _listening(host)
        for protocol in (Protocol.UDP, Protocol.TCP)
    )
    return Service(name=name, argv=argv, files=files, listens=listens)


def families(host: Host) -> tuple[int, ...]:
    """The IP versions that a host has addresses of."""
    return tuple(sorted({address.version for address in host.addresses}))


def _listening(host: Host) -> tuple[Address, ...]:
    """Each address by itself, so that an answer comes from the address that was asked.

    At a loopback address only if the host's own programs are to ask there: resolv.conf says 127.0.0.1 for none too.
    """
    return (*host.addresses, *(address for address in host.dns if address.is_loopback))


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def nsd_conf(host: Host) -> str:
    """The configuration of an authoritative server, see nsd.conf(5)."""
    here = f"{TOP}/nsd"
    lines = [
        "server:",
        *(f"  ip-address: {address}" for address in _listening(host)),
        f"  do-ip4: {_yes(4 in families(host))}",
        f"  do-ip6: {_yes(6 in families(host))}",
        "  server-count: 1",
        "  tcp-count: 32",
        '  username: ""',  # it is started as the user that it is to be
        '  chroot: ""',
        f'  zonesdir: "{here}"',
        '  database: ""',
        '  pidfile: ""',
        f'  zonelistfile: "{here}/{STATE}/zone.list"',
        f'  xfrdfile: "{here}/{STATE}/xfrd.state"',
        f'  xfrdir: "{here}/{STATE}"',
        "  zonefiles-write: 0",
        "  hide-version: yes",
        # Debian's limits the answers per second to one network, which a lab's hosts all share.
        "  rrl-ratelimit: 0",
        "  rrl-whitelist-ratelimit: 0",
        "  rrl-size: 101",  # else its table takes 30 MB
        "remote-control:",
        "  control-enable: yes",
        f'  control-interface: "{here}/{CONTROL}"',
    ]
    for number, zone in enumerate(host.zones):
        lines += ["zone:", f'  name: "{zone.name}"', f'  zonefile: "{number}.zone"']
    return "".join(f"{line}\n" for line in lines)


NOT_BUILT_IN = ("home.arpa.", "invalid.", "onion.", "test.")
"""Zones that unbound answers by itself, and that a lab may want; localhost stays built in (RFC 6761 §6.3)."""


UNBOUND = (
    "  num-threads: 1",
    "  outgoing-range: 512",
    "  num-queries-per-thread: 256",
    '  username: ""',  # it is started as the user that it is to be
    '  chroot: ""',
    '  pidfile: ""',
    "  use-syslog: no",
    '  logfile: ""',
    "  log-queries: yes",
    "  log-servfail: yes",
    "  log-time-ascii: yes",
    "  verbosity: 1",
    # No DNSSEC: a lab's zones are not signed.
    '  module-config: "iterator"',
    # It asks each server the whole question, as in RFC 1034 §5.3.3; RFC 9156 would show one label more to each.
    "  qname-minimisation: no",
    # Nor does it ask for addresses of servers before it needs them.
    '  target-fetch-policy: "0 0 0 0 0"',
    "  prefetch: no",
    "  serve-expired: no",
    "  rrset-roundrobin: no",
    f"  cache-max-ttl: {LARGEST_TTL}",
    f"  cache-max-negative-ttl: {LARGEST_TTL}",
    "  msg-cache-size: 1m",
    "  rrset-cache-size: 2m",
    "  infra-cache-numhosts: 200",
    # A server that is silent is given up soon, and asked again by the next question.
    "  unknown-server-time-limit: 200",
    "  infra-cache-max-rtt: 1000",
    "  infra-keep-probing: yes",
    "  outbound-msg-retry: 3",
    # Whoever still waits is answered; by itself it drops answers that took it more than 1.9 s (CVE-2024-33655).
    "  discard-timeout: 0",
    # Reverse zones of private and documentation networks are a lab's own to serve.
    "  unblock-lan-zones: yes",
)
"""Settings that are every resolver's, see unbound.conf(5)."""


def unbound_conf(host: Host) -> str:
    """The configuration of a resolver, see unbound.conf(5)."""
    here = f"{TOP}/unbound"
    lines = [
        "server:",
        *(f"  interface: {address}" for address in _listening(host)),
        "  access-control: 0.0.0.0/0 allow",
        "  access-control: ::/0 allow",
        f"  do-ip4: {_yes(4 in families(host))}",
        f"  do-ip6: {_yes(6 in families(host))}",
        *UNBOUND,
        f'  directory: "{here}"',
        f'  root-hints: "{here}/root.hints"',
        *(f'  local-zone: "{zone}" nodefault' for zone in NOT_BUILT_IN),
        "remote-control:",
        "  control-enable: yes",
        f'  control-interface: "{here}/{CONTROL}"',
    ]
    return "".join(f"{line}\n" for line in lines)


def negative_ttl(lab: Lab) -> int:
    """How long nscd remembers that a name is not there: it does not see the SOA, so the least of the lab's zones."""
    return min((zone.negative_ttl for host in lab.hosts for zone in host.zones), default=5)


def nscd_conf(negative: int) -> str:
    """The configuration of a host's cache, see nscd.conf(5): names only, nothing on disk, nothing shared."""
    lines = [
        "threads 2",
        "max-threads 8",
        "paranoia no",
        # An entry is not renewed by itself when its TTL has passed.
        "reload-count 0",
        *(f"enable-cache {name} no" for name in ("passwd", "group", "services", "netgroup")),
        "enable-cache hosts yes",
        # Of names that /etc/hosts gives, which have no TTL; the others live as long as their server said.
        "positive-time-to-live hosts 60",
        f"negative-time-to-live hosts {negative}",
        "suggested-size hosts 211",
        "check-files hosts yes",
        "persistent hosts no",
        "shared hosts no",
        "max-db-size hosts 1048576",
    ]
    return "".join(f"{line}\n" for line in lines)
