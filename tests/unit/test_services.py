"""Which daemons a host has, and the texts of their configuration.

services_data/ holds what the lab `names` comes to; a change there is a change of what every user gets. It is written
anew with SOCKETLAB_UPDATE_GOLDEN=1.
"""

from __future__ import annotations

import os
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from lab import labfiles
from lab.model import Cache, Host, Resolver, Zone
from lab.services import TOP, nscd_conf, nsd_conf, services, unbound_conf
from tests.unit.examples import alice, interface, small_lab

DATA = Path(__file__).parent / "services_data"
NAMES = labfiles.load("names")
ZONE = Zone(name="example.com.", ttl=60, negative_ttl=5)


def host_with(*addresses: str, dns: tuple[str, ...] = ()) -> Host:
    """A host at addresses such as 192.0.2.1/24, which asks at `dns`."""
    return replace(alice(), interfaces=(interface("eth0", "lan", *addresses),), dns=tuple(map(ip_address, dns)))


@pytest.mark.parametrize("host", ["bob", "resolver", "root", "ns"])
def test_the_daemons_of_the_lab_of_names(host: str) -> None:
    """Command, listeners, and every file."""
    parts = []
    for one in services(NAMES, NAMES.host(host)):
        parts += [f"== {one.name}: {' '.join(one.argv)}", f"listens {' '.join(map(str, one.listens)) or 'nowhere'}"]
        for name, text in one.files:
            parts += [f"-- {name}", text.rstrip("\n")]
    text = "\n".join(parts) + "\n"
    path = DATA / f"{host}.txt"
    if os.environ.get("SOCKETLAB_UPDATE_GOLDEN") == "1":
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("host", ["alice", "www"])
def test_a_host_without_names_has_no_daemon(host: str) -> None:
    """Asking elsewhere needs none."""
    assert services(NAMES, NAMES.host(host)) == ()


def test_a_cache_listens_at_no_port() -> None:
    """Programs reach it by a socket file in a folder of its own, which it writes to itself."""
    lab = small_lab()
    (found,) = services(lab, replace(lab.hosts[0], cache=Cache.NSCD))
    assert (found.name, found.listens, found.folder) == ("nscd", (), "/run/nscd")


@pytest.mark.parametrize("conf", [nsd_conf, unbound_conf])
def test_each_family_that_the_host_has_is_served(conf: object) -> None:
    """And no other: a daemon that waits for an address which never comes would not start."""
    for addresses, four, six in (
        (("192.0.2.1/24",), "yes", "no"),
        (("2001:db8::1/64",), "no", "yes"),
        (("192.0.2.1/24", "2001:db8::1/64"), "yes", "yes"),
    ):
        text = conf(replace(host_with(*addresses), zones=(ZONE,), resolver=Resolver(root=())))  # type: ignore[operator]
        assert f"do-ip4: {four}" in text
        assert f"do-ip6: {six}" in text
        for address in addresses:
            assert f": {address.partition('/')[0]}\n" in text


@pytest.mark.parametrize(("dns", "served"), [((), False), (("127.0.0.1",), True), (("192.0.2.9", "::1"), True)])
def test_loopback_is_served_only_where_it_is_asked(dns: tuple[str, ...], served: bool) -> None:
    """resolv.conf says 127.0.0.1 for `no server` too, and then nothing may answer there."""
    host = replace(host_with("192.0.2.1/24", "2001:db8::1/64", dns=dns), zones=(ZONE,))
    assert any(f": {address}\n" in nsd_conf(host) for address in ("127.0.0.1", "::1")) == served
    (service,) = services(small_lab(), replace(host, zones=(), resolver=Resolver(root=())))
    assert any(one.address is not None and one.address.is_loopback for one in service.listens) == served


def test_no_daemon_writes_beside_its_state() -> None:
    """Every path in a configuration is below the daemon's own folder."""
    for name, text in (("nsd", nsd_conf(NAMES.host("ns"))), ("unbound", unbound_conf(NAMES.host("resolver")))):
        paths = [word.strip('"') for line in text.splitlines() for word in line.split() if word.startswith('"/')]
        assert paths
        assert all(path.startswith(f"{TOP}/{name}") for path in paths), paths


def test_nscd_keeps_nothing_but_names() -> None:
    """Not on disk, not in memory that others map, and no users or groups."""
    text = nscd_conf(7)
    assert "persistent hosts no\n" in text
    assert "shared hosts no\n" in text
    assert "negative-time-to-live hosts 7\n" in text
    assert text.count("enable-cache") == 5
    assert text.count("yes") == 2, "the cache of hosts, and looking at /etc/hosts"
