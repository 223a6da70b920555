"""The text of ip(8) -> Link, Route. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface
from typing import Any, TypeVar

from lab.model import Address, InterfaceAddress
from lab.observe.unreadable import UnreadableError

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """An interface: its name, whether it is up, and its addresses."""

    name: str
    up: bool
    mac: str
    addresses: tuple[InterfaceAddress, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """A route of the main table. `destination` is a prefix or `default`."""

    destination: str
    via: Address | None
    device: str


def links(text: str) -> tuple[Link, ...]:
    """The interfaces of `ip -j addr show`. Raises UnreadableError."""
    return tuple(read_json(_link, text))


def _link(item: dict[str, Any]) -> Link:
    return Link(
        name=item["ifname"],
        up="UP" in item["flags"],
        mac=item.get("address", ""),
        addresses=tuple(
            ip_interface(f"{address['local']}/{address['prefixlen']}")
            for address in item.get("addr_info", [])
            if "local" in address
        ),
    )


def routes(text: str) -> tuple[Route, ...]:
    """The main table's routes in `ip -j route show table all`, without those that the kernel makes itself.

    Raises UnreadableError.
    """
    return tuple(route for route in read_json(_route, text) if route is not None)


def _route(item: dict[str, Any]) -> Route | None:
    route = Route(
        destination=item["dst"],
        via=ip_address(item["gateway"]) if "gateway" in item else None,
        device=item.get("dev", ""),
    )
    return route if item.get("table", "main") == "main" and item.get("protocol") != "kernel" else None


def unsettled(addresses: str, routes: str, sysctls: str = "") -> tuple[str, ...]:
    """What the kernel still has to do for interfaces, as words; it does so by and by.

    Of `ip -j addr show`, of `ip -j route show table all`, which has both families, and of lines `key = value`. The
    state of an interface follows its carrier (RFC 2863 ifOperStatus, kernel: operstates.rst), one that has IPv6 gets a
    link-local address (RFC 4862 §5.3), and each address a route of its own, from queues of the kernel's work.
    Raises UnreadableError.
    """
    settings = frozenset(sysctls.splitlines())
    there = set(read_json(_kernel_route, routes))
    missing = [f"{name}: has a carrier, and is not up" for name in read_json(_left_behind, addresses) if name]
    for link in links(addresses):
        held = [str(address.ip) for address in link.addresses if address.version == 6 and link.name != "lo"]
        wanted = [("local", address) for address in held]
        if held:
            wanted.append(("multicast", "ff00::/8"))
            # Who set the mode to none (kernel: ip-sysctl.rst) waits for an address that never comes. One that came
            # before the mode was set stays, and has its routes.
            if any(address.startswith("fe80:") for address in held):
                wanted.append(("unicast", "fe80::/64"))
            elif f"{addr_gen_mode(link.name)} = 1" not in settings:
                missing.append(f"{link.name}: no link-local address")
        missing += [
            f"{link.name}: no {kind} route to {destination}"
            for kind, destination in wanted
            if (kind, destination, link.name) not in there
        ]
    return tuple(missing)


def _left_behind(item: dict[str, Any]) -> str:
    """The name of an interface whose operational state is yet to follow its carrier, "" if it has."""
    return str(item["ifname"]) if {"LOWER_UP", "NO-CARRIER"} <= set(item["flags"]) else ""


def addr_gen_mode(interface: str) -> str:
    """The setting (as sysctl(8) names it) that says how an interface comes by its link-local address."""
    return f"net.ipv6.conf.{interface.replace('.', '/')}.addr_gen_mode"


def _kernel_route(item: dict[str, Any]) -> tuple[str, str, str]:
    # Before Linux 5.11 the multicast route is listed as a unicast one.
    kind = "multicast" if item["dst"] == "ff00::/8" else item.get("type", "unicast")
    return kind, item["dst"], item.get("dev", "")


def read_json(make: Callable[[dict[str, Any]], T], text: str) -> list[T]:
    """What `make` makes of every item of an answer of `ip -j`. Raises UnreadableError."""
    try:
        return [make(item) for item in json.loads(text.strip() or "[]") if item]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UnreadableError(f"ip: {text[:80]!r}") from error
