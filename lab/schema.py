"""The shape of a lab file: which keys there are and what each value must look like by itself.

Pure. What parts must mean to each other is `composefile`'s business. Values arrive as text (see `yamltree`); a
validator turns them into typed ones or says what was expected. The JSON Schema for editors is made from this.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Callable, Iterable
from ipaddress import ip_address, ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from lab.model import Address, Endpoint, PortPolicy, PortRange, Protocol, Subnet
from lab.scripts import TIMEOUT_SYSCTLS

IMAGES = ("socketlab/host", "socketlab/gateway")
"""What a host may be made of: images whose first process starts programs without privilege."""
CAPABILITIES = ("NET_BIND_SERVICE", "NET_RAW")
POWER = "it would let a program of the lab change the network or reach the machine"
MIB = 1024 * 1024
SIZES = {"": 1, "b": 1, "k": 1024, "kb": 1024, "m": MIB, "mb": MIB, "g": 1024 * MIB, "gb": 1024 * MIB}


def wrong(expected: str, observed: object, hint: str = "") -> PydanticCustomError:
    """The fault that a validator raises."""
    context = {"expected": expected, "observed": described(observed), "hint": hint}
    return PydanticCustomError("lab", "{expected}", context)


def described(value: object) -> str:
    """A value of a file, for people."""
    if value == "":
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else repr(value)


def _text(value: object, expected: str) -> str:
    if not isinstance(value, str) or not value:
        raise wrong(expected, value)
    return value


def nearest(word: str, words: Iterable[str], *, cutoff: float = 0.6) -> str:
    """The word that was probably meant, "" if none is near."""
    near = difflib.get_close_matches(word, list(words), n=1, cutoff=cutoff)
    return near[0] if near else ""


# ------------------------------------------------------------------------------------------- scalars


def _number(low: float, high: float, what: str, kind: type[int] | type[float] = int) -> Callable[[object], Any]:
    def read(value: object) -> Any:
        expected = f"{what} from {low} to {high}"
        text = _text(value, expected)
        pattern = r"\d+" if kind is int else r"\d+(\.\d*)?"
        if not re.fullmatch(pattern, text):
            hint = "a negative one or one with a sign, letters or a point is none" if kind is int else ""
            raise wrong(expected, text, hint)
        if kind is int and len(text) > 1 and text.startswith("0"):
            raise wrong(expected, text, "leave the leading 0 out")
        if not low <= kind(text) <= high:
            raise wrong(expected, text)
        return kind(text)

    return read


def _boolean(value: object) -> bool:
    text = _text(value, "true or false")
    if text not in ("true", "false"):
        raise wrong("true or false", text)
    return text == "true"


def _address(value: object) -> Address:
    text = _text(value, "an IP address")
    try:
        return ip_address(text)
    except ValueError:
        hint = "the prefix length belongs to the network's subnet" if "/" in text else ""
        raise wrong("an IPv4 or IPv6 address", text, hint) from None


def _address_of(version: int) -> Callable[[object], Address]:
    def read(value: object) -> Address:
        address = _address(value)
        if address.version != version:
            raise wrong(
                f"an IPv{version} address", str(value), f"an IPv{address.version} one is ipv{address.version}_address"
            )
        return address

    return read


def _subnet(value: object) -> Subnet:
    text = _text(value, "a subnet such as 192.168.1.0/24")
    try:
        subnet = ip_network(text)
    except ValueError as error:
        try:
            repaired = ip_network(text, strict=False)
        except ValueError:
            raise wrong("a subnet such as 192.168.1.0/24 or fd00:1::/64", text) from None
        del error
        raise wrong("a subnet without host bits", text, f"did you mean {repaired}?") from None
    if "/" not in text:
        raise wrong("a subnet with its prefix length", text, f"for example {text.rsplit('.', 1)[0]}.0/24")
    if subnet.prefixlen > subnet.max_prefixlen - 2:
        raise wrong("a subnet with room for hosts", text, f"at most /{subnet.max_prefixlen - 2}")
    return subnet


def _name(what: str, pattern: str, rule: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        text = _text(value, f"{what}: {rule}")
        if not re.fullmatch(pattern, text):
            raise wrong(f"{what}: {rule}", text)
        return text

    return read


def _size(value: object) -> int:
    expected = "a size from 16m to 8g, such as 128m"
    text = _text(value, expected)
    found = re.fullmatch(r"(\d+)([a-z]*)", text.lower())
    if not found or found[2] not in SIZES:
        raise wrong(expected, text)
    size = int(found[1]) * SIZES[found[2]]
    if not 16 * MIB <= size <= 8192 * MIB:
        raise wrong(expected, text)
    return size


def _capability(value: object) -> str:
    text = _text(value, f"one of {', '.join(CAPABILITIES)}").removeprefix("CAP_")
    if text not in CAPABILITIES:
        raise wrong(f"one of {', '.join(CAPABILITIES)}", str(value), f"no other may be given: {POWER}")
    return text


def _ports(value: object) -> PortPolicy | PortRange:
    expected = "preserve, random, or a range of ports such as 40000-40999"
    text = _text(value, expected)
    if text in ("preserve", "random"):
        return PortPolicy(text)
    found = re.fullmatch(r"(\d{1,9})-(\d{1,9})", text)
    if not found:
        near = nearest(text, ("preserve", "random"))
        raise wrong(expected, text, f"did you mean {near}?" if near else "")
    low, high = int(found[1]), int(found[2])
    if low > high:
        raise wrong("a range from a lower to a higher port", text, f"did you mean {high}-{low}?")
    if low < 1 or high > 65535:
        raise wrong("ports from 1 to 65535", text)
    return PortRange(low=low, high=high)


def split_port(text: str, what: str) -> tuple[str, int]:
    """ADDRESS:PORT, or [ADDRESS]:PORT for IPv6; the address may be empty."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise wrong(what, text, "a port is a number from 1 to 65535")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _target(value: object) -> tuple[Address, int]:
    what = "an address and a port, such as 192.168.1.100:80"
    host, port = split_port(_text(value, what), what)
    try:
        return ip_address(host), port
    except ValueError:
        raise wrong(what, str(value)) from None


def _endpoint(value: object) -> Endpoint:
    what = "a listening socket, such as tcp/65432, udp/53 or tcp/127.0.0.1:80"
    text = _text(value, what)
    protocol, slash, rest = text.partition("/")
    if not slash or protocol not in ("tcp", "udp"):
        raise wrong(what, text)
    host, port = split_port(rest if ":" in rest else f":{rest}", what)
    try:
        return Endpoint(protocol=Protocol(protocol), address=ip_address(host) if host else None, port=port)
    except ValueError:
        raise wrong(what, text) from None


def _file(value: object) -> str:
    what = "a path below the lab file's folder"
    text = _text(value, what)
    parts = text.split("/")
    if text.startswith("/") or ".." in parts or "\\" in text:
        raise wrong(what, text, "a lab must not read other files of the machine; put it beside the lab file")
    if parts[-1] in ("", "."):
        raise wrong("a file", text)
    return text


def _words(value: object) -> list[str]:
    if isinstance(value, str) and value:
        try:
            return shlex.split(value)
        except ValueError:
            raise wrong("a command with its quotes closed", value) from None
    if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
        raise wrong("a command: a list of words, such as [python3, server.py]", value)
    return value


def _one_or_more(read: Callable[[object], Any]) -> Callable[[object], list[Any]]:
    def read_all(value: object) -> list[Any]:
        return [read(item) for item in value] if isinstance(value, list) else [read(value)]

    return read_all


def _pairs(separators: str, what: str) -> Callable[[object], dict[str, str]]:
    """Compose's two forms of settings: a mapping, or a list of NAME=VALUE."""

    def read(value: object) -> dict[str, str]:
        items: list[tuple[str, object]] = []
        if isinstance(value, dict):
            items = list(value.items())
        elif isinstance(value, list):
            for item in value:
                text = _text(item, what)
                at = min((text.find(s) for s in separators if s in text), default=-1)
                if at < 1:
                    raise wrong(what, text)
                items.append((text[:at].strip(), text[at + 1 :].strip()))
        else:
            raise wrong(f"a mapping, or a list of {what}", value)
        for key, item in items:
            if not isinstance(item, str) or "\0" in item:
                raise wrong(f"a text as value of {key}", item)
        return {key: str(item) for key, item in items}

    return read


def _sysctls(value: object) -> dict[str, str]:
    found = _pairs("=", "NAME=VALUE")(value)
    for key, setting in found.items():
        if not re.fullmatch(r"net(\.[A-Za-z0-9_/-]+)+", key):
            raise wrong("settings whose names begin with net.", key, "the others are the machine's, not the host's")
        if not re.fullmatch(r"[0-9A-Za-z \t._-]+", setting):
            raise wrong(f"a value for {key}", setting)
    return found


def _extra_hosts(value: object) -> dict[str, Address]:
    return {
        _host_name(name): _address(address.removeprefix("[").removesuffix("]"))
        for name, address in _pairs("=:", "NAME:ADDRESS")(value).items()
    }


_host_name = _name(
    "a host name",
    r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62}))*(?<!-)",
    "letters, digits, hyphens and dots (RFC 1123)",
)


def _typed(read: Callable[[object], Any], schema: dict[str, Any]) -> tuple[BeforeValidator, WithJsonSchema]:
    return BeforeValidator(read), WithJsonSchema(schema)


_STRING: dict[str, Any] = {"type": "string"}
_ADDRESS_SCHEMA: dict[str, Any] = {"type": "string", "description": "an IPv4 or IPv6 address"}
_ONE_OR_MORE: dict[str, Any] = {"anyOf": [_STRING, {"type": "array", "items": _STRING}]}
_PAIRS: dict[str, Any] = {"anyOf": [{"type": "object"}, {"type": "array", "items": _STRING}]}
_BOOLEAN: dict[str, Any] = {"type": "boolean"}


def _integer(low: int, high: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": low, "maximum": high}


Port = Annotated[int, *_typed(_number(1, 65535, "a port"), _integer(1, 65535))]
Seconds = Annotated[int, *_typed(_number(1, 604800, "a number of seconds"), _integer(1, 604800))]
Boolean = Annotated[bool, *_typed(_boolean, _BOOLEAN)]
Text = Annotated[str, *_typed(lambda value: _text(value, "a text"), _STRING)]
SubnetText = Annotated[Any, *_typed(_subnet, _STRING)]
IPv4Text = Annotated[Any, *_typed(_address_of(4), {"type": "string", "format": "ipv4"})]
IPv6Text = Annotated[Any, *_typed(_address_of(6), {"type": "string", "format": "ipv6"})]
AddressList = Annotated[list[Any], *_typed(_one_or_more(_address), _ONE_OR_MORE)]

# --------------------------------------------------------------------------------------------- parts


class Part(BaseModel):
    """A mapping of a lab file; a key that it does not have is an error."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


class IpamConfig(Part):
    """One subnet of a network."""

    subnet: SubnetText = Field(description="the subnet, such as 192.168.1.0/24")


class Ipam(Part):
    """The subnets of a network."""

    config: list[IpamConfig] = Field(description="one subnet, or one of each address family")


class NetworkPart(Part):
    """A network: one broadcast segment."""

    ipam: Ipam
    driver: Annotated[str, *_typed(_name("a driver", "bridge", "only bridge is known"), {"const": "bridge"})] = "bridge"
    enable_ipv6: Boolean | None = None
    internal: Boolean | None = None


class Attachment(Part):
    """A host's interface on a network."""

    ipv4_address: IPv4Text | None = None
    ipv6_address: IPv6Text | None = None


class ForwardPart(Part):
    """A port of the gateway that is forwarded to a host inside."""

    tcp: Port | None = None
    udp: Port | None = None
    to: Annotated[Any, *_typed(_target, _STRING)] = Field(description="ADDRESS:PORT of the inside host")


def _timeouts(value: object) -> dict[str, int]:
    if not isinstance(value, dict):
        raise wrong("a mapping of names to seconds", value)
    read = _number(1, 604800, "a number of seconds")
    for name in value:
        if name not in TIMEOUT_SYSCTLS:
            near = nearest(name, TIMEOUT_SYSCTLS)
            hint = f"did you mean {near}?" if near else ""
            raise wrong(f"one of {', '.join(TIMEOUT_SYSCTLS)}", name, hint)
    return {name: read(seconds) for name, seconds in value.items()}


class NatPart(Part):
    """Network address translation."""

    outside: Text = Field(description="the network towards which sources are translated")
    ports: Annotated[Any, *_typed(_ports, _STRING)] = Field(
        default=PortPolicy.PRESERVE, description="preserve, random, or LOW-HIGH: how the outside port is chosen"
    )
    forward: list[ForwardPart] = Field(default=[], description="ports forwarded to hosts inside")
    hairpin: Boolean = Field(default=False, description="inside hosts reach forwarded ports by the outside address")
    timeouts: Annotated[
        dict[str, int],
        *_typed(
            _timeouts,
            {
                "type": "object",
                "properties": {name: _integer(1, 604800) for name in TIMEOUT_SYSCTLS},
                "additionalProperties": False,
            },
        ),
    ] = Field(default={}, description="seconds that an idle mapping lives")


class ProgramPart(Part):
    """A program that is deployed into a host."""

    files: Annotated[list[str], *_typed(_one_or_more(_file), _ONE_OR_MORE)] = Field(
        description="files below the lab file's folder"
    )
    run: Annotated[list[str] | None, *_typed(_words, _ONE_OR_MORE)] = Field(
        default=None, description="the command that starts it; without it the files are only put there"
    )
    ready: Annotated[list[Any], *_typed(_one_or_more(_endpoint), _ONE_OR_MORE)] = Field(
        default=[], description="where it listens once it is ready, such as tcp/65432"
    )


_program_key = _name("a program", r"[a-z][a-z0-9_-]{0,31}", "a letter, then letters, digits, _ and -, at most 32")
ProgramKey = Annotated[str, AfterValidator(_program_key)]


class HostExtension(Part):
    """What Compose has no word for."""

    gateway: AddressList = Field(default=[], description="the default route's next hop, one per address family")
    addresses: dict[str, AddressList] = Field(default={}, description="further addresses, by network")
    nat: NatPart | None = None
    programs: dict[ProgramKey, ProgramPart] = Field(default={}, description="programs, by name")


class ServicePart(Part):
    """A host."""

    image: Text
    networks: dict[str, Attachment] = Field(description="the interfaces, in order: eth0, eth1, …")
    hostname: Annotated[str | None, *_typed(_host_name, _STRING)] = None
    extra_hosts: Annotated[dict[str, Any], *_typed(_extra_hosts, _PAIRS)] = Field(
        default={}, description="further lines of /etc/hosts"
    )
    dns: AddressList = []
    dns_search: Annotated[list[str], *_typed(_one_or_more(_host_name), _ONE_OR_MORE)] = []
    sysctls: Annotated[dict[str, str], *_typed(_sysctls, _PAIRS)] = {}
    environment: Annotated[dict[str, str], *_typed(_pairs("=", "NAME=VALUE"), _PAIRS)] = {}
    cap_add: Annotated[
        list[str], *_typed(_one_or_more(_capability), {"type": "array", "items": {"enum": list(CAPABILITIES)}})
    ] = []
    mem_limit: Annotated[int, *_typed(_size, _STRING)] = 128 * MIB
    pids_limit: Annotated[int, *_typed(_number(8, 4096, "a number of processes"), _integer(8, 4096))] = 64
    cpus: Annotated[float, *_typed(_number(0.01, 64, "a number of processors", float), {"type": "number"})] = 0.0
    x_lab: HostExtension = Field(default_factory=HostExtension, alias="x-lab")


class LabExtension(Part):
    """What Compose has no word for."""

    title: Text = Field(default="", description="what the lab shows, in a line")


_host_key = _name(
    "a host", r"[a-z][a-z0-9-]{0,31}", "a letter, then letters, digits and hyphens, at most 32, lower case"
)
_network_key = _name("a network", r"[a-z][a-z0-9_-]{0,31}", "a letter, then letters, digits, _ and -, at most 32")

HostKey = Annotated[str, AfterValidator(_host_key)]
NetworkKey = Annotated[str, AfterValidator(_network_key)]


class LabFile(Part):
    """A lab: a Compose file with x-lab."""

    name: Annotated[
        str | None,
        *_typed(_name("a lab's name", r"[a-z][a-z0-9-]{0,31}", "a letter, then letters, digits and hyphens"), _STRING),
    ] = None
    version: Annotated[str | None, *_typed(lambda value: _text(value, "a text"), _STRING)] = None
    x_lab: LabExtension = Field(default_factory=LabExtension, alias="x-lab")
    networks: dict[NetworkKey, NetworkPart]
    services: dict[HostKey, ServicePart]


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a lab file, for editors."""
    schema = LabFile.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


# ----------------------------------------------------------------------------------------- refusals

NOUNS: dict[type[Part], str] = {
    LabFile: "a lab file",
    LabExtension: "a lab",
    NetworkPart: "a network",
    Ipam: "ipam",
    IpamConfig: "a subnet",
    ServicePart: "a host",
    Attachment: "an interface",
    HostExtension: "a host's x-lab",
    NatPart: "nat",
    ForwardPart: "a forward",
    ProgramPart: "a program",
}
"""What each part is called in messages."""

_FILES = "nothing of the machine's files enters a lab; programs are declared under x-lab"
_PROGRAMS = "programs are declared under x-lab: programs"
_START = "`lab up` starts all hosts, and waits for what programs declare under `ready`"
_WHOLE = "a lab file is whole by itself"
_SAME = "they are the same for every host"

REFUSED: dict[type[Part], dict[str, str]] = {
    LabFile: {
        **dict.fromkeys(("volumes", "secrets", "configs"), _FILES),
        "include": _WHOLE,
    },
    NetworkPart: {
        "external": "a lab's networks are its own: it must not be joined to another",
        "driver_opts": "a lab's networks are all of one kind",
        "attachable": "only the lab's hosts are attached",
    },
    ServicePart: {
        **dict.fromkeys(("privileged", "devices", "device_cgroup_rules", "security_opt", "group_add"), POWER),
        **dict.fromkeys(("network_mode", "pid", "ipc", "userns_mode", "uts", "cgroup"), POWER),
        **dict.fromkeys(("cgroup_parent", "runtime", "oom_score_adj", "oom_kill_disable"), POWER),
        **dict.fromkeys(("volumes", "volumes_from", "secrets", "configs", "env_file"), _FILES),
        **dict.fromkeys(("command", "entrypoint", "user", "working_dir", "init", "tty", "stdin_open"), _PROGRAMS),
        **dict.fromkeys(("depends_on", "healthcheck", "restart", "links", "profiles", "deploy", "scale"), _START),
        **dict.fromkeys(("extends", "logging", "labels"), _WHOLE),
        **dict.fromkeys(("ulimits", "shm_size"), _SAME),
        "build": "images are built from images/; name one with `image`",
        "ports": "nothing of the machine is published; `lab exec` reaches a host, nat.forward forwards a port",
        "expose": "every port of a host can be reached already",
        "cap_drop": "every capability is dropped already",
        "read_only": "every root is read-only already",
        "tmpfs": "a host has /tmp and /home/student to write to",
        "container_name": "a container's name is the instance's and the host's",
    },
}
"""Keys of Compose that a lab file must not have, each with the reason."""
