"""The shape of a lab file: which keys there are and what each value must look like by itself.

Pure. What parts must mean to each other is `composefile`'s business. Values arrive as text (see `yamltree`); a
validator turns them into typed ones or says what was expected. The JSON Schema for editors is made from this.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

from lab.model import Address, Endpoint, PortPolicy, PortRange, Protocol, Subnet
from lab.scripts import TIMEOUT_SYSCTLS
from lab.yamltree import shown

IMAGES = ("socketlab/host", "socketlab/gateway")
"""What a host may be made of: images whose first process starts programs without privilege."""
CAPABILITIES = ("NET_BIND_SERVICE", "NET_RAW")
KEY = "[key]"
"""How pydantic ends the path of a fault that is in a key, not in its value."""
POWER = "it would let a program of the lab change the network or reach the machine"
MIB = 1024 * 1024
SIZES = {"": 1, "b": 1, "k": 1024, "kb": 1024, "m": MIB, "mb": MIB, "g": 1024 * MIB, "gb": 1024 * MIB}
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


def _text(value: object, expected: str) -> str:
    if not isinstance(value, str) or not value:
        raise wrong(expected, value)
    return value


def _line(value: object) -> str:
    text = _text(value, "a line of text")
    if not text.isprintable():
        raise wrong("a line of text", text, "leave out line ends and control characters")
    return text


def nearest(word: str, words: Iterable[str], *, cutoff: float = 0.6) -> str:
    """The word that was probably meant, "" if none is near."""
    near = difflib.get_close_matches(word, list(words), n=1, cutoff=cutoff)
    return near[0] if near else ""


# ------------------------------------------------------------------------------------------- scalars


def _integer_in(text: str, low: int, high: int) -> int | None:
    """The number that a text writes in decimal digits, if it is between the two, which have at most 9 digits."""
    if not re.fullmatch(r"0|[1-9][0-9]{0,8}", text):
        return None
    return int(text) if low <= int(text) <= high else None


def _integer(low: int, high: int, what: str) -> Callable[[object], int]:
    expected = f"{what} from {low} to {high}"

    def read(value: object) -> int:
        text = _text(value, expected)
        number = _integer_in(text, low, high)
        if number is not None:
            return number
        hint = "" if re.fullmatch(r"-?[0-9]+", text) else "write it in decimal digits only"
        if re.fullmatch(r"0[0-9]+", text):
            hint = "leave the leading 0 out"
        raise wrong(expected, text, hint)

    return read


def _processors(value: object) -> float:
    expected = "a number of processors from 0.01 to 64"
    text = _text(value, expected)
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{0,9})?", text) or not 0.01 <= float(text) <= 64:
        raise wrong(expected, text)
    return float(text)


def _boolean(value: object) -> bool:
    text = _text(value, "true or false")
    if text not in ("true", "false"):
        raise wrong("true or false", text)
    return text == "true"


def _address(value: object) -> Address:
    expected = "an IPv4 or IPv6 address"
    text = _text(value, expected)
    if "%" in text:
        raise wrong(expected, text, "leave out the zone after %")
    try:
        return ip_address(text)
    except ValueError:
        hint = "the prefix length belongs to the network's subnet" if "/" in text else ""
        if re.search(r"(^|\.)0[0-9]", text):
            hint = "leave leading zeros out"
        raise wrong(expected, text, hint) from None


def _address_of(version: int) -> Callable[[object], Address]:
    def read(value: object) -> Address:
        address = _address(value)
        if address.version != version:
            raise wrong(f"an IPv{version} address", str(value), f"write ipv{address.version}_address: {address}")
        return address

    return read


def _subnet(value: object) -> Subnet:
    expected = "a subnet such as 192.168.1.0/24"
    text = _text(value, expected)
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


def _name(what: str, pattern: str, rule: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        text = _text(value, f"{what}: {rule}")
        if not re.fullmatch(pattern, text):
            raise wrong(f"{what}: {rule}", text)
        return text

    return read


def _driver(value: object) -> str:
    if value != "bridge":
        raise wrong("bridge", value, "a lab's networks are all of one kind; the key may be left out")
    return "bridge"


def _size(value: object) -> int:
    expected = "a size from 16m to 8g, such as 128m"
    text = _text(value, expected)
    found = re.fullmatch(r"([0-9]{1,12})([a-z]*)", text.lower())
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
    first, dash, last = text.partition("-")
    low, high = _integer_in(first, 1, 65535), _integer_in(last, 1, 65535)
    if low is None or high is None:
        near = nearest(text, ("preserve", "random"))
        hint = "ports are numbers from 1 to 65535" if dash else f"did you mean {near}?" if near else ""
        raise wrong(expected, text, hint)
    if low > high:
        raise wrong("a range from a lower to a higher port", text, f"did you mean {high}-{low}?")
    return PortRange(low=low, high=high)


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


def _target(value: object) -> tuple[IPv4Address, int]:
    expected = "an IPv4 address and a port, such as 192.168.1.100:80"
    text = _text(value, expected)
    if re.fullmatch(r"[0-9.]+", text):
        raise wrong(expected, text, "the port is missing")
    address, port = _split_port(text, expected)
    if not isinstance(address, IPv4Address):
        raise wrong(expected, text, "the address is missing" if address is None else "only IPv4 is translated")
    return address, port


def _endpoint(value: object) -> Endpoint:
    expected = "a listening socket, such as tcp/65432, udp/53 or tcp/127.0.0.1:80"
    text = _text(value, expected)
    protocol, slash, _ = text.partition("/")
    if not slash or protocol not in ("tcp", "udp"):
        near = nearest(protocol, ("tcp", "udp")) if slash else ""
        hint = f"did you mean {near}?" if near else "tcp or udp?" if not slash else ""
        raise wrong(expected, text, hint)
    address, port = _split_port(text, expected, after=f"{protocol}/")
    return Endpoint(protocol=Protocol(protocol), address=address, port=port)


def _file(value: object) -> str:
    what = "a path below the lab file's folder"
    text = _text(value, what)
    parts = text.split("/")
    if "\\" in text:
        raise wrong(what, text, "write / between folders")
    if text.startswith("/") or ".." in parts:
        raise wrong(what, text, "a lab must not read other files of the machine; put it beside the lab file")
    if parts[-1] in ("", "."):
        raise wrong("a file", text)
    return text


def _words(value: object) -> list[str]:
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


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _pairs(separators: str, what: str) -> Callable[[object], dict[str, str]]:
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
            text = _text(item, what) if isinstance(item, str) else ""
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


def _sysctls(value: object) -> dict[str, str]:
    found = _pairs("=", "NAME=VALUE")(value)
    for key, setting in found.items():
        if not re.fullmatch(r"net(\.[A-Za-z0-9_/-]+)+", key):
            hint = "the others are the machine's, not the host's"
            raise wrong("a setting whose name begins with net.", key, hint, at=(key, KEY))
        if not re.fullmatch(r"[0-9A-Za-z \t._-]+", setting):
            raise wrong("a value: letters, digits, dots, hyphens and spaces", setting, at=(key,))
    return found


def _extra_hosts(value: object) -> dict[str, Address]:
    found: dict[str, Address] = {}
    for name, address in _pairs("=:", "NAME:ADDRESS")(value).items():
        if not re.fullmatch(_HOST_NAME, name):
            raise wrong(f"a host name: {_HOST_NAME_RULE}", name, at=(name, KEY))
        try:
            found[name] = ip_address(address.removeprefix("[").removesuffix("]"))
        except ValueError:
            raise wrong(f"an IPv4 or IPv6 address for {name}", address, at=(name,)) from None
    return found


_HOST_NAME = r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62}))*(?<!-)"
_HOST_NAME_RULE = "letters, digits, hyphens and dots (RFC 1123)"
_host_name = _name("a host name", _HOST_NAME, _HOST_NAME_RULE)


def _typed(read: Callable[[object], Any], schema: dict[str, Any]) -> tuple[BeforeValidator, WithJsonSchema]:
    return BeforeValidator(read), WithJsonSchema(schema)


# For editors: where a number or a boolean stands, a text may stand too, because of `${NAME:-default}`.
_STRING: dict[str, Any] = {"type": "string"}
_SCALAR: dict[str, Any] = {"type": ["string", "number", "boolean"]}
_ONE_OR_MORE: dict[str, Any] = {"anyOf": [_STRING, {"type": "array", "items": _STRING}]}
_COMMAND: dict[str, Any] = {"anyOf": [_STRING, {"type": "array", "items": _SCALAR, "minItems": 1}]}
_PAIRS: dict[str, Any] = {
    "anyOf": [{"type": "object", "additionalProperties": _SCALAR}, {"type": "array", "items": _STRING}]
}
_BOOLEAN: dict[str, Any] = {"type": ["boolean", "string"]}


_IMAGE: dict[str, Any] = {"anyOf": [{"enum": list(IMAGES)}, {"type": "string", "pattern": r"\$"}]}


def _whole(low: int, high: int) -> dict[str, Any]:
    return {"type": ["integer", "string"], "minimum": low, "maximum": high}


def _ip(version: int) -> dict[str, Any]:
    return {"anyOf": [{"type": "string", "format": f"ipv{version}"}, {"type": "string", "pattern": r"\$"}]}


Port = Annotated[int, *_typed(_integer(1, 65535, "a port"), _whole(1, 65535))]
Seconds = Annotated[int, *_typed(_integer(1, 604800, "a number of seconds"), _whole(1, 604800))]
Boolean = Annotated[bool, *_typed(_boolean, _BOOLEAN)]
Text = Annotated[str, *_typed(lambda value: _text(value, "a text"), _SCALAR)]
SubnetText = Annotated[Any, *_typed(_subnet, _STRING)]
IPv4Text = Annotated[Any, *_typed(_address_of(4), _ip(4))]
IPv6Text = Annotated[Any, *_typed(_address_of(6), _ip(6))]
# A list whose every item is read by itself, so that each fault is found, and at its own place.
AddressList = Annotated[list[Annotated[Any, BeforeValidator(_address)]], *_typed(_listed, _ONE_OR_MORE)]
FileList = Annotated[list[Annotated[str, BeforeValidator(_file)]], *_typed(_listed, _ONE_OR_MORE)]
EndpointList = Annotated[list[Annotated[Any, BeforeValidator(_endpoint)]], *_typed(_listed, _ONE_OR_MORE)]
DomainList = Annotated[list[Annotated[str, BeforeValidator(_host_name)]], *_typed(_listed, _ONE_OR_MORE)]
CapabilityList = Annotated[
    list[Annotated[str, BeforeValidator(_capability)]],
    *_typed(_listed, {"type": "array", "items": {"enum": [*CAPABILITIES, *(f"CAP_{one}" for one in CAPABILITIES)]}}),
]

# --------------------------------------------------------------------------------------------- parts


class Part(BaseModel):
    """A mapping of a lab file; a key that it does not have is an error."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


class IpamConfig(Part):
    """One subnet of a network."""

    subnet: SubnetText = Field(description="the subnet, such as 192.168.1.0/24")


class Ipam(Part):
    """The subnets of a network."""

    config: list[IpamConfig] = Field(
        description="one subnet, or one of each address family, such as [{subnet: 192.168.1.0/24}]"
    )


class NetworkPart(Part):
    """A network: one broadcast segment."""

    ipam: Ipam = Field(description="its subnets: {config: [{subnet: 192.168.1.0/24}]}")
    driver: Annotated[str, *_typed(_driver, {"const": "bridge"})] = "bridge"
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


def _timeout_name(name: str) -> str:
    if name not in TIMEOUT_SYSCTLS:
        near = nearest(name, TIMEOUT_SYSCTLS)
        expected = "the name of a time-out"
        raise wrong(expected, name, f"did you mean {near}?" if near else f"there are {', '.join(TIMEOUT_SYSCTLS)}")
    return name


class NatPart(Part):
    """Network address translation."""

    outside: Text = Field(description="the network towards which sources are translated")
    ports: Annotated[Any, *_typed(_ports, _STRING)] = Field(
        default=PortPolicy.PRESERVE, description="preserve, random, or LOW-HIGH: how the outside port is chosen"
    )
    forward: list[ForwardPart] = Field(
        default=[], description="ports forwarded to hosts inside, such as [{tcp: 8080, to: 192.168.1.100:80}]"
    )
    hairpin: Boolean = Field(default=False, description="inside hosts reach forwarded ports by the outside address")
    timeouts: Annotated[
        dict[Annotated[str, AfterValidator(_timeout_name)], Seconds],
        WithJsonSchema(
            {
                "type": "object",
                "properties": {name: _whole(1, 604800) for name in TIMEOUT_SYSCTLS},
                "additionalProperties": False,
            }
        ),
    ] = Field(default={}, description="seconds that an idle mapping lives, such as {udp: 30}")


class ProgramPart(Part):
    """A program that is deployed into a host."""

    files: FileList = Field(description="files below the lab file's folder")
    run: Annotated[list[str] | None, *_typed(_words, _COMMAND)] = Field(
        default=None, description="the command that starts it; without it the files are only put there"
    )
    ready: EndpointList = Field(default=[], description="where it listens once it is ready, such as tcp/65432")


_program_key = _name(
    "a program's name", r"[a-z][a-z0-9_-]{0,31}", "a letter, then letters, digits, _ and -, at most 32"
)
ProgramKey = Annotated[str, AfterValidator(_program_key)]


class HostExtension(Part):
    """What Compose has no word for."""

    gateway: AddressList = Field(default=[], description="the default route's next hop, one per address family")
    addresses: dict[str, AddressList] = Field(
        default={}, description="further addresses by network, such as {home: [192.168.1.101]}"
    )
    nat: NatPart | None = None
    programs: dict[ProgramKey, ProgramPart] = Field(
        default={}, description="programs by name, such as {echo: {files: [programs/echo.py]}}"
    )


class ServicePart(Part):
    """A host."""

    image: Annotated[str, *_typed(lambda value: _text(value, f"one of {', '.join(IMAGES)}"), _IMAGE)] = Field(
        description=f"one of {', '.join(IMAGES)}"
    )
    networks: dict[str, Attachment] = Field(
        description="the networks it is on, as eth0, eth1, … in this order: {home: {ipv4_address: 192.168.1.100}}"
    )
    hostname: Annotated[
        str | None, *_typed(_name("a host name", r"(?=.{1,64}$)" + _HOST_NAME, _HOST_NAME_RULE), _STRING)
    ] = None
    extra_hosts: Annotated[dict[str, Any], *_typed(_extra_hosts, _PAIRS)] = Field(
        default={}, description="further lines of /etc/hosts"
    )
    dns: AddressList = Field(default=[], description="name servers: hosts of the lab")
    dns_search: DomainList = Field(default=[], description="domains in which short names are looked up")
    sysctls: Annotated[dict[str, str], *_typed(_sysctls, _PAIRS)] = Field(
        default={}, description="kernel settings of the host's network, such as {net.ipv4.ip_forward: 1}"
    )
    environment: Annotated[dict[str, str], *_typed(_pairs("=", "NAME=VALUE"), _PAIRS)] = Field(
        default={}, description="what programs find in their environment"
    )
    cap_add: CapabilityList = Field(default=[], description="capabilities of programs; they have none otherwise")
    mem_limit: Annotated[int, *_typed(_size, {"type": ["string", "integer"]})] = Field(
        default=128 * MIB, description="memory of all programs together, such as 128m"
    )
    pids_limit: Annotated[int, *_typed(_integer(8, 4096, "a number of processes"), _whole(8, 4096))] = Field(
        default=64, description="processes and threads at a time"
    )
    cpus: Annotated[float, *_typed(_processors, {"type": ["number", "string"]})] = Field(
        default=0.0, description="processors' time, such as 0.5; without it there is no limit"
    )
    x_lab: HostExtension = Field(default_factory=HostExtension, alias="x-lab")


class LabExtension(Part):
    """What Compose has no word for."""

    title: Annotated[str, *_typed(_line, _SCALAR)] = Field(default="", description="what the lab shows, in a line")


_host_key = _name(
    "a host's name", r"[a-z][a-z0-9-]{0,31}", "a letter, then letters, digits and hyphens, at most 32, lower case"
)
_network_key = _name(
    "a network's name", r"[a-z][a-z0-9_-]{0,31}", "a letter, then letters, digits, _ and -, at most 32"
)

HostKey = Annotated[str, AfterValidator(_host_key)]
NetworkKey = Annotated[str, AfterValidator(_network_key)]


class LabFile(Part):
    """A lab: a Compose file with x-lab."""

    name: Annotated[
        str | None,
        *_typed(
            _name(
                "a lab's name",
                r"[a-z][a-z0-9-]{0,31}",
                "a letter, then letters, digits and hyphens, at most 32, lower case",
            ),
            _STRING,
        ),
    ] = None
    version: Text = Field(default="", description="Compose ignores it, and so does a lab")
    x_lab: LabExtension = Field(default_factory=LabExtension, alias="x-lab")
    networks: dict[NetworkKey, NetworkPart] = Field(
        description="the lab's networks by name, such as {home: {ipam: {config: [{subnet: 192.168.1.0/24}]}}}"
    )
    services: dict[HostKey, ServicePart] = Field(
        description="the lab's hosts by name, such as {alice: {image: socketlab/host, networks: …}}"
    )


class _ForEditors(GenerateJsonSchema):
    """A key that may be left out may not be null, and needs no title beside its name."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        found = super().default_schema(schema)
        return {key: value for key, value in found.items() if key != "default" or value is not None}

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002
        return False


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a lab file, for editors. It is published as compose/lab.schema.json."""
    schema = LabFile.model_json_schema(by_alias=True, schema_generator=_ForEditors)
    # What begins with x- at the top is the author's own, for anchors.
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "patternProperties": {"^x-": {}}}


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
    IpamConfig: {
        "gateway": "a gateway is a host; whoever uses it names it in x-lab: gateway",
        **dict.fromkeys(("ip_range", "aux_addresses"), "every host's address is written in the file"),
    },
    Attachment: {
        "aliases": "a host's names are in extra_hosts or in the lab's DNS",
        "priority": "interfaces are in the order of the file: eth0, eth1, …",
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
