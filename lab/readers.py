"""Texts of a lab file -> typed values, one reader for each kind of value.

Pure. A reader takes what stands in the file (a text, a list or a mapping, see `yamltree`) and gives a value, or raises
`wrong`: what was expected, what was observed, what to do. Which key has which kind of value is `schema`'s business.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from pydantic_core import PydanticCustomError

from lab.model import MILLION, Address, Cache, Endpoint, PortPolicy, PortRange, Protocol, Subnet
from lab.text import suggestion
from lab.yamltree import shown

CAPABILITIES = ("NET_BIND_SERVICE", "NET_RAW")
KEY = "[key]"
"""How pydantic ends the path of a fault that is in a key, not in its value."""
ANY_ADDRESS = "an IPv4 or IPv6 address"
POWER = "it would let a program of the lab change the network or reach the machine"
MIB = 1024 * 1024
SIZES = {"": 1, "b": 1, "k": 1024, "kb": 1024, "m": MIB, "mb": MIB, "g": 1024 * MIB, "gb": 1024 * MIB}
DURATIONS = {"us": 1, "ms": 1000, "s": MILLION}
RESERVED: dict[IPv4Network | IPv6Network, str] = {
    ip_network("0.0.0.0/8"): "`this network`",
    ip_network("127.0.0.0/8"): "loopback",
    ip_network("169.254.0.0/16"): "link-local addresses",
    ip_network("224.0.0.0/4"): "multicast",
    ip_network("240.0.0.0/4"): "future use",
    ip_network("::/127"): "loopback",
    ip_network("::ffff:0:0/96"): "IPv4 addresses",
    ip_network("fe80::/10"): "link-local addresses",
    ip_network("ff00::/8"): "multicast",
}
"""What no host's address may be of, and what it is for instead (RFC 6890, RFC 4291)."""


RESOLVER_NUMBERS = {"ndots": (0, 15), "timeout": (1, 30), "attempts": (1, 5)}
RESOLVER_FLAGS = (
    "rotate",
    "no-check-names",
    "edns0",
    "single-request",
    "single-request-reopen",
    "no-tld-query",
    "use-vc",
)
"""Options of resolv.conf(5): those that take a number, with their limits, and the others."""


def wrong(expected: str, observed: object, hint: str = "", *, at: tuple[str | int, ...] = ()) -> PydanticCustomError:
    """The fault that a validator raises. `at` leads from the value that it validates to the one at fault."""
    context = {"expected": expected, "observed": described(observed), "hint": hint, "at": at}
    return PydanticCustomError("lab", "{expected}", context)


def described(value: object) -> str:
    """A value of a file, for people."""
    if value == "":
        return "nothing"
    if isinstance(value, str):
        return shown(value)
    what = "list" if isinstance(value, list) else "mapping"
    return f"a {what}" if value else f"an empty {what}"


def read_text(value: object, expected: str) -> str:
    if not isinstance(value, str) or not value:
        raise wrong(expected, value)
    return value


def read_line(value: object) -> str:
    text = read_text(value, "a line of text")
    if not text.isprintable():
        raise wrong("a line of text", text, "leave out line ends and control characters")
    return text


def _integer_in(text: str, low: int, high: int) -> int | None:
    """The number that a text writes in decimal digits, if it is between the two, which have at most 9 digits."""
    if not re.fullmatch(r"0|[1-9][0-9]{0,8}", text):
        return None
    return int(text) if low <= int(text) <= high else None


def read_record_line(value: object) -> str:
    if isinstance(value, dict):
        hint = "in YAML a colon before a space or at the end makes a mapping: put the line into quotes"
        raise wrong("a record in a line of text", value, hint)
    return read_line(value)


def integer_reader(low: int, high: int, what: str) -> Callable[[object], int]:
    expected = f"{what} from {low} to {high}"

    def read(value: object) -> int:
        text = read_text(value, expected)
        number = _integer_in(text, low, high)
        if number is not None:
            return number
        hint = "" if re.fullmatch(r"-?[0-9]+", text) else "write it in decimal digits only"
        if re.fullmatch(r"0[0-9]+", text):
            hint = "leave the leading 0 out"
        raise wrong(expected, text, hint)

    return read


def read_processors(value: object) -> float:
    expected = "a number of processors from 0.01 to 64"
    text = read_text(value, expected)
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{0,9})?", text) or not 0.01 <= float(text) <= 64:
        raise wrong(expected, text)
    return float(text)


def read_boolean(value: object) -> bool:
    text = read_text(value, "true or false")
    if text not in ("true", "false"):
        raise wrong("true or false", text)
    return text == "true"


def read_address(value: object) -> Address:
    expected = ANY_ADDRESS
    text = read_text(value, expected)
    if "%" in text:
        raise wrong(expected, text, "leave out the zone after %")
    try:
        return ip_address(text)
    except ValueError:
        hint = "the prefix length belongs to the network's subnet" if "/" in text else ""
        if re.search(r"(^|\.)0[0-9]", text):
            hint = "leave leading zeros out"
        raise wrong(expected, text, hint) from None


def address_reader(version: int) -> Callable[[object], Address]:
    def read(value: object) -> Address:
        address = read_address(value)
        if address.version != version:
            raise wrong(f"an IPv{version} address", str(value), f"write ipv{address.version}_address: {address}")
        return address

    return read


def read_subnet(value: object) -> Subnet:
    expected = "a subnet such as 192.168.1.0/24"
    text = read_text(value, expected)
    try:
        subnet = ip_network(text, strict=False)
    except ValueError:
        raise wrong(expected, text) from None
    if not re.search(r"/[0-9]{1,3}$", text):
        example = ip_network((subnet.network_address, 24 if subnet.version == 4 else 64), strict=False)
        raise wrong("a subnet with its prefix length", text, f"for example {example}")
    if str(subnet.network_address) != str(ip_address(text.partition("/")[0])):
        raise wrong("a subnet without host bits", text, f"did you mean {subnet}?")
    if subnet.prefixlen > subnet.max_prefixlen - 2:
        raise wrong("a subnet with room for hosts", text, f"the longest prefix is /{subnet.max_prefixlen - 2}")
    for reserved, purpose in RESERVED.items():
        if reserved.version == subnet.version and reserved.overlaps(subnet):
            raise wrong("a subnet for hosts", text, f"{reserved} is reserved for {purpose}")
    return subnet


def name_reader(what: str, pattern: str, rule: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        text = read_text(value, f"{what}: {rule}")
        if not re.fullmatch(pattern, text):
            raise wrong(f"{what}: {rule}", text)
        return text

    return read


def read_driver(value: object) -> str:
    if value != "bridge":
        raise wrong("bridge", value, "a lab's networks are all of one kind; the key may be left out")
    return "bridge"


def read_size(value: object) -> int:
    expected = "a size from 16m to 8g, such as 128m"
    text = read_text(value, expected)
    found = re.fullmatch(r"([0-9]{1,12})([a-z]*)", text.lower())
    if not found or found[2] not in SIZES:
        raise wrong(expected, text)
    size = int(found[1]) * SIZES[found[2]]
    if not 16 * MIB <= size <= 8192 * MIB:
        raise wrong(expected, text)
    return size


def read_capability(value: object) -> str:
    text = read_text(value, f"one of {', '.join(CAPABILITIES)}").removeprefix("CAP_")
    if text not in CAPABILITIES:
        raise wrong(f"one of {', '.join(CAPABILITIES)}", str(value), f"no other may be given: {POWER}")
    return text


def read_ports(value: object) -> PortPolicy | PortRange:
    expected = "preserve, random, or a range of ports such as 40000-40999"
    text = read_text(value, expected)
    if text in ("preserve", "random"):
        return PortPolicy(text)
    first, dash, last = text.partition("-")
    low, high = _integer_in(first, 1, 65535), _integer_in(last, 1, 65535)
    if low is None or high is None:
        hint = "ports are numbers from 1 to 65535" if dash else suggestion(text, ("preserve", "random"))
        raise wrong(expected, text, hint)
    if low > high:
        raise wrong("a range from a lower to a higher port", text, f"did you mean {high}-{low}?")
    return PortRange(low=low, high=high)


def read_cache(value: object) -> Cache:
    if value != Cache.NSCD:
        raise wrong("nscd", value, "it is the only cache of a host; a resolver has one of its own")
    return Cache.NSCD


def read_resolver_option(value: object) -> str:
    expected = "an option of resolv.conf(5), such as timeout:1"
    text = read_text(value, expected)
    name, colon, number = text.partition(":")
    if name in RESOLVER_NUMBERS:
        low, high = RESOLVER_NUMBERS[name]
        if _integer_in(number, low, high) is None:
            raise wrong(f"{name}:N with a number from {low} to {high}", text)
    elif colon or name not in RESOLVER_FLAGS:
        known = (*RESOLVER_NUMBERS, *RESOLVER_FLAGS)
        raise wrong(expected, text, suggestion(name, known, otherwise=f"there are {', '.join(known)}"))
    return text


def _split_port(text: str, expected: str, *, after: str = "") -> tuple[Address | None, int]:
    """ADDRESS:PORT, [ADDRESS]:PORT for IPv6, or PORT; `after` is what of the text does not belong to it."""
    host, colon, last = text.removeprefix(after).rpartition(":")
    port = _integer_in(last, 1, 65535)
    if port is None:
        raise wrong(expected, text, "a port is a number from 1 to 65535")
    if not colon:
        return None, port
    bracketed = re.fullmatch(r"\[(.*:.*)\]", host)
    if ":" in host and not bracketed:
        raise wrong(expected, text, "write an IPv6 address in brackets: [fd00::1]:80")
    try:
        return ip_address(bracketed[1] if bracketed else host), port
    except ValueError:
        raise wrong(expected, text, f"{shown(host)} is no address") from None


def read_target(value: object) -> tuple[IPv4Address, int]:
    expected = "an IPv4 address and a port, such as 192.168.1.100:80"
    text = read_text(value, expected)
    if re.fullmatch(r"[0-9.]+", text):
        raise wrong(expected, text, "the port is missing")
    address, port = _split_port(text, expected)
    if not isinstance(address, IPv4Address):
        raise wrong(expected, text, "the address is missing" if address is None else "only IPv4 is translated")
    return address, port


def read_endpoint(value: object) -> Endpoint:
    expected = "a listening socket, such as tcp/65432, udp/53 or tcp/127.0.0.1:80"
    text = read_text(value, expected)
    protocol, slash, _ = text.partition("/")
    if not slash or protocol not in ("tcp", "udp"):
        hint = suggestion(protocol, ("tcp", "udp")) if slash else "tcp or udp?"
        raise wrong(expected, text, hint)
    address, port = _split_port(text, expected, after=f"{protocol}/")
    return Endpoint(protocol=Protocol(protocol), address=address, port=port)


def read_file(value: object) -> str:
    what = "a path below the lab file's folder"
    text = read_text(value, what)
    parts = text.split("/")
    if "\\" in text:
        raise wrong(what, text, "write / between folders")
    if text.startswith("/") or ".." in parts:
        raise wrong(what, text, "a lab must not read other files of the machine; put it beside the lab file")
    if parts[-1] in ("", "."):
        raise wrong("a file", text)
    return text


def read_words(value: object) -> list[str]:
    expected = "a command: a list of words, such as [python3, server.py]"
    if isinstance(value, str) and value.strip():
        try:
            value = shlex.split(value)
        except ValueError:
            raise wrong("a command with its quotes closed", value) from None
    if not isinstance(value, list) or not value:
        raise wrong(expected, value)
    for index, word in enumerate(value):
        if not isinstance(word, str):
            raise wrong("a word of a command", word, at=(index,))
    if not value[0]:
        raise wrong("the name of a program first", value[0])
    return value


def listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def lines_reader(what: str) -> Callable[[object], list[Any]]:
    """A list of lines, or one of them alone."""

    def read(value: object) -> list[Any]:
        if value == "":
            raise wrong(f"a list of {what}", value, "write [] for none, or leave the key out")
        return listed(value)

    return read


def pairs_reader(separators: str, what: str) -> Callable[[object], dict[str, str]]:
    """Compose's two forms of settings: a mapping, or a list of NAME=VALUE."""

    def read(value: object) -> dict[str, str]:
        if isinstance(value, dict):
            for key, setting in value.items():
                if not isinstance(setting, str):
                    raise wrong("a text", setting, at=(key,))
                if not key or "=" in key:
                    raise wrong("a name, which has no `=` in it, before the colon", key, at=(key, KEY))
            return value
        if not isinstance(value, list):
            raise wrong(f"a mapping, or a list of {what}", value)
        found: dict[str, str] = {}
        for index, item in enumerate(value):
            text = read_text(item, what) if isinstance(item, str) else ""
            name, separator, setting = _split(text, separators)
            if not separator or not name:
                hint = "a value is written here: nothing is taken from the machine" if text else ""
                raise wrong(what, item, hint, at=(index,))
            if name in found:
                raise wrong("each name once", name, "it stands further up already", at=(index,))
            found[name] = setting
        return found

    return read


def _split(text: str, separators: str) -> tuple[str, str, str]:
    """A text in two at the first separator."""
    at = min((text.find(one) for one in separators if one in text), default=len(text))
    return text[:at].strip(), text[at : at + 1], text[at + 1 :].strip()


def read_sysctls(value: object) -> dict[str, str]:
    found = pairs_reader("=", "NAME=VALUE")(value)
    for key, setting in found.items():
        # A slash stands for a dot in a name (sysctl(8)); two of them, or one at an end, would name no setting.
        if not re.fullmatch(r"net(\.[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*)+", key):
            hint = "the others are the machine's, not the host's"
            raise wrong("a setting whose name begins with net.", key, hint, at=(key, KEY))
        if not re.fullmatch(r"[0-9A-Za-z \t._-]+", setting):
            raise wrong("a value: letters, digits, dots, hyphens and spaces", setting, at=(key,))
    return found


def read_extra_hosts(value: object) -> tuple[tuple[str, Address], ...]:
    """Compose's forms: a mapping of names to an address or to several, or a list of NAME:ADDRESS."""
    found: dict[tuple[str, Address], None] = {}
    for name, text, at in _extra_hosts(value):
        if not re.fullmatch(HOST_NAME, name):
            raise wrong(f"a host name: {HOST_NAME_RULE}", name, at=(name, KEY) if at[0] == name else at)
        try:
            pair = (name, ip_address(text.removeprefix("[").removesuffix("]")))
        except ValueError:
            raise wrong(f"an IPv4 or IPv6 address for {name}", text, at=at) from None
        if pair in found:
            raise wrong(f"each address of {name} once", text, "it stands further up already", at=at)
        found[pair] = None
    return tuple(found)


def _extra_hosts(value: object) -> Iterator[tuple[str, str, tuple[str | int, ...]]]:
    """Names and addresses as they are written, each with its place."""
    what = "NAME:ADDRESS"
    if isinstance(value, dict):
        for name, addresses in value.items():
            if not isinstance(addresses, str | list) or not addresses:
                raise wrong(f"an IPv4 or IPv6 address for {name}, or a list of them", addresses, at=(name,))
            for index, address in enumerate(listed(addresses)):
                at: tuple[str | int, ...] = (name, index) if isinstance(addresses, list) else (name,)
                if not isinstance(address, str):
                    raise wrong(f"an IPv4 or IPv6 address for {name}", address, at=at)
                yield name, address, at
        return
    if not isinstance(value, list):
        raise wrong(f"a mapping, or a list of {what}", value)
    for index, item in enumerate(value):
        name, separator, address = _split(item, "=:") if isinstance(item, str) else ("", "", "")
        if not separator or not name:
            raise wrong(what, item, at=(index,))
        yield name, address, (index,)


def read_share(value: object) -> int:
    """A share of packets -> parts per million."""
    expected = "a share of the packets from 0% to 100%, such as 10%"
    text = read_text(value, expected)
    found = re.fullmatch(r"([0-9]{1,3})(?:\.([0-9]{1,4}))?%", text)
    if not found:
        hint = f"write {text}%" if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,4})?", text) else ""
        raise wrong(expected, text, hint)
    share = int(found[1]) * 10_000 + int((found[2] or "").ljust(4, "0"))
    if share > MILLION:
        raise wrong(expected, text)
    return share


def read_duration(value: object) -> int:
    """A time -> microseconds."""
    expected = "a time from 0ms to 10s, such as 50ms"
    text = read_text(value, expected)
    found = re.fullmatch(r"([0-9]{1,8})(us|ms|s)", text)
    if not found:
        hint = f"write its unit: {text}us, {text}ms or {text}s" if re.fullmatch(r"[0-9]{1,8}", text) else ""
        raise wrong(expected, text, hint or "a whole number with its unit: us, ms or s")
    microseconds = int(found[1]) * DURATIONS[found[2]]
    if microseconds > 10 * MILLION:
        raise wrong(expected, text)
    return microseconds


HOST_NAME = r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62}))*(?<!-)"
HOST_NAME_RULE = "letters, digits, hyphens and dots (RFC 1123)"
read_host_name = name_reader("a host name", HOST_NAME, HOST_NAME_RULE)
