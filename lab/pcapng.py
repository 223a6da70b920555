"""Packets and their lab -> a capture file that Wireshark reads (pcapng, draft-ietf-opsawg-pcapng). Pure.

The file says by itself what was where: an interface for each point with its network and addresses, for each packet
which host it came from and goes to, and the name of each of the lab's addresses.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

from pcapng import FileWriter, blocks

from lab.model import Address, Interface, Lab
from lab.observe.packets import Packet

ETHERNET = 1
NANOSECONDS = b"\x09"
"""if_tsresol: 10 to the power of minus nine"""
INBOUND, OUTBOUND = 1, 2
"""epb_flags, the lowest two bits"""
IPV4, IPV6 = 1, 2
"""types of name resolution records"""
MOST_TIME = 1 << 64


class Writer:
    """A capture file that grows: the beginning, and then packets as they come."""

    def __init__(self, lab: Lab, *, instance: str, dropped: int = 0) -> None:
        self._lab = lab
        self._out = io.BytesIO()
        self._numbers: dict[tuple[str, str], int] = {}
        self._names = host_names(lab)
        note = f"socketlab instance {instance}, lab {lab.name}: {lab.title}"
        if dropped:
            note += f"; {dropped} frames were dropped"
        self._section = blocks.SectionHeader(options={"shb_userappl": "socketlab", "opt_comment": note})
        self._writer = FileWriter(self._out, self._section)
        self._writer.write_block(self._section.new_member(blocks.NameResolution, records=list(_names(lab))))

    def add(self, packets: Iterable[Packet]) -> None:
        """Add packets, and before the first of an interface what is known of that."""
        for one in packets:
            key = (one.point, one.interface)
            if key not in self._numbers:
                self._numbers[key] = len(self._numbers)
                options = _interface(self._lab, *key)
                self._writer.write_block(
                    self._section.new_member(blocks.InterfaceDescription, link_type=ETHERNET, options=options)
                )
            self._writer.write_block(_packet(self._section, one, self._numbers[key], self._names))

    def take(self) -> bytes:
        """What the file has become longer by since the last call."""
        data = self._out.getvalue()
        self._out.seek(0)
        self._out.truncate()
        return data


def pcapng(packets: Iterable[Packet], lab: Lab, *, instance: str, dropped: int = 0) -> bytes:
    """A capture file with everything that was captured, in the order of the packets."""
    writer = Writer(lab, instance=instance, dropped=dropped)
    writer.add(packets)
    return writer.take()


def host_names(lab: Lab) -> dict[Address, str]:
    """The host of each of the lab's addresses."""
    return {
        address.ip: host.name for host in lab.hosts for interface in host.interfaces for address in interface.addresses
    }


def interface_name(point: str, interface: str) -> str:
    """`alice/eth0`; a network's own name."""
    bare = point.partition(":")[2] or point
    return point if bare == interface else f"{point}/{interface}"


def _interface(lab: Lab, point: str, interface: str) -> dict[str, Any]:
    options: dict[str, Any] = {"if_name": interface_name(point, interface), "if_tsresol": NANOSECONDS}
    name = point.removeprefix("host:").removeprefix("network:")
    if name == interface:  # of a host an interface may be called as it is, but then it is declared there
        network = next((one for one in lab.networks if one.name == name), None)
        if network is not None:
            return options | {"if_description": f"network {name} {_words(network.subnets)}"}
    declared = _declared(lab, name, interface)
    if declared is None:
        return options | {"if_description": f"{interface} of {name}"}
    return options | {
        "if_description": f"{interface} of {name} on {declared.network}: {_words(declared.addresses)}",
        "if_IPv4addr": [_masked(one) for one in declared.addresses if one.version == 4],
        "if_IPv6addr": [_with_length(one) for one in declared.addresses if one.version == 6],
    }


def _declared(lab: Lab, host: str, interface: str) -> Interface | None:
    found = (one for other in lab.hosts if other.name == host for one in other.interfaces if one.name == interface)
    return next(found, None)


def _masked(address: Any) -> tuple[str, str]:
    return str(address.ip), str(address.netmask)


def _with_length(address: Any) -> tuple[str, bytes]:
    return str(address.ip), bytes([address.network.prefixlen])


def _words(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))


def _names(lab: Lab) -> Iterator[dict[str, Any]]:
    for address, name in host_names(lab).items():
        yield {"type": IPV4 if address.version == 4 else IPV6, "address": str(address), "names": [name]}


def _packet(section: Any, one: Packet, number: int, names: dict[Address, str]) -> Any:
    high, low = divmod(one.time % MOST_TIME, 1 << 32)
    options: dict[str, Any] = {"opt_comment": comment(one, names)}
    if one.outgoing is not None:
        options["epb_flags"] = OUTBOUND if one.outgoing else INBOUND
    return section.new_member(
        blocks.EnhancedPacket,
        interface_id=number,
        timestamp_high=high,
        timestamp_low=low,
        packet_len=one.length,
        packet_data=one.frame,
        options=options,
    )


def comment(one: Packet, names: dict[Address, str]) -> str:
    """`alice → server, seen at router/eth1 outgoing`."""
    way = "" if one.outgoing is None else " outgoing" if one.outgoing else " incoming"
    return f"{whom(one, names)}, seen at {interface_name(one.point, one.interface)}{way}"


def whom(one: Packet, names: dict[Address, str]) -> str:
    """`alice → server`; addresses that are no host's as they are."""
    ends = (names.get(end, str(end)) if end is not None else "?" for end in (one.source, one.destination))
    return " → ".join(ends)
