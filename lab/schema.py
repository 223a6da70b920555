"""The shape of a lab file: which keys there are, and of which kind each one's value is.

Pure. What parts must mean to each other is `crosscheck`'s business. The JSON Schema for editors is made from this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from lab import faults
from lab.model import Cache, PortPolicy
from lab.names import LARGEST_TTL
from lab.readers import (
    CAPABILITIES,
    HOST_NAME,
    HOST_NAME_RULE,
    MIB,
    POWER,
    address_reader,
    integer_reader,
    lines_reader,
    listed,
    name_reader,
    pairs_reader,
    read_address,
    read_boolean,
    read_cache,
    read_capability,
    read_driver,
    read_duration,
    read_endpoint,
    read_extra_hosts,
    read_file,
    read_host_name,
    read_line,
    read_ports,
    read_processors,
    read_record_line,
    read_resolver_option,
    read_share,
    read_size,
    read_subnet,
    read_sysctls,
    read_target,
    read_text,
    read_words,
    wrong,
)
from lab.scripts import TIMEOUT_SYSCTLS
from lab.text import suggestion

IMAGES = ("socketlab/host", "socketlab/gateway", "socketlab/dns")
"""What a host may be made of: images whose first process starts programs without privilege."""


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
_NAMES: dict[str, Any] = {
    "anyOf": [{"type": "object", "additionalProperties": _ONE_OR_MORE}, {"type": "array", "items": _STRING}]
}
_BOOLEAN: dict[str, Any] = {"type": ["boolean", "string"]}


_IMAGE: dict[str, Any] = {"anyOf": [{"enum": list(IMAGES)}, {"type": "string", "pattern": r"\$"}]}


def _whole(low: int, high: int) -> dict[str, Any]:
    return {"type": ["integer", "string"], "minimum": low, "maximum": high}


def _ip(version: int) -> dict[str, Any]:
    return {"anyOf": [{"type": "string", "format": f"ipv{version}"}, {"type": "string", "pattern": r"\$"}]}


Port = Annotated[int, *_typed(integer_reader(1, 65535, "a port"), _whole(1, 65535))]
Seconds = Annotated[int, *_typed(integer_reader(1, 604800, "a number of seconds"), _whole(1, 604800))]
Ttl = Annotated[int, *_typed(integer_reader(0, LARGEST_TTL, "a number of seconds"), _whole(0, LARGEST_TTL))]
Boolean = Annotated[bool, *_typed(read_boolean, _BOOLEAN)]
Text = Annotated[str, *_typed(lambda value: read_text(value, "a text"), _SCALAR)]
SubnetText = Annotated[Any, *_typed(read_subnet, _STRING)]
IPv4Text = Annotated[Any, *_typed(address_reader(4), _ip(4))]
IPv6Text = Annotated[Any, *_typed(address_reader(6), _ip(6))]
# A list whose every item is read by itself, so that each fault is found, and at its own place.
AddressList = Annotated[list[Annotated[Any, BeforeValidator(read_address)]], *_typed(listed, _ONE_OR_MORE)]
FileList = Annotated[list[Annotated[str, BeforeValidator(read_file)]], *_typed(listed, _ONE_OR_MORE)]
EndpointList = Annotated[list[Annotated[Any, BeforeValidator(read_endpoint)]], *_typed(listed, _ONE_OR_MORE)]
DomainList = Annotated[list[Annotated[str, BeforeValidator(read_host_name)]], *_typed(listed, _ONE_OR_MORE)]
OptionList = Annotated[list[Annotated[str, BeforeValidator(read_resolver_option)]], *_typed(listed, _ONE_OR_MORE)]
RecordList = Annotated[
    list[Annotated[str, BeforeValidator(read_record_line)]], *_typed(lines_reader("records"), _ONE_OR_MORE)
]
LineList = Annotated[list[Annotated[str, BeforeValidator(read_line)]], *_typed(lines_reader("commands"), _ONE_OR_MORE)]
CapabilityList = Annotated[
    list[Annotated[str, BeforeValidator(read_capability)]],
    *_typed(listed, {"type": "array", "items": {"enum": [*CAPABILITIES, *(f"CAP_{one}" for one in CAPABILITIES)]}}),
]

# --------------------------------------------------------------------------------------------- parts


class Part(faults.Part):
    """A mapping of a lab file."""


class IpamConfig(Part):
    """One subnet of a network."""

    subnet: SubnetText = Field(description="the subnet, such as 192.168.1.0/24")


class Ipam(Part):
    """The subnets of a network."""

    config: list[IpamConfig] = Field(
        description="one subnet, or one of each address family, such as [{subnet: 192.168.1.0/24}]"
    )


class NetworkExtension(Part):
    """What Compose has no word for."""

    loss: Annotated[int, *_typed(read_share, _STRING)] = Field(
        default=0, description="the share of IP packets that are lost, such as 10%"
    )
    delay: Annotated[int, *_typed(read_duration, _STRING)] = Field(
        default=0, description="how much later a packet arrives, such as 50ms"
    )
    reorder: Annotated[int, *_typed(read_share, _STRING)] = Field(
        default=0, description="the share of packets that are not delayed and overtake others, such as 5%"
    )


class NetworkPart(Part):
    """A network: one broadcast segment."""

    ipam: Ipam = Field(description="its subnets: {config: [{subnet: 192.168.1.0/24}]}")
    driver: Annotated[str, *_typed(read_driver, {"const": "bridge"})] = "bridge"
    enable_ipv6: Boolean | None = None
    internal: Boolean | None = None
    x_lab: NetworkExtension = Field(default_factory=NetworkExtension, alias="x-lab")


class Attachment(Part):
    """A host's interface on a network."""

    ipv4_address: IPv4Text | None = None
    ipv6_address: IPv6Text | None = None


class ForwardPart(Part):
    """A port of the gateway that is forwarded to a host inside."""

    tcp: Port | None = None
    udp: Port | None = None
    to: Annotated[Any, *_typed(read_target, _STRING)] = Field(description="ADDRESS:PORT of the inside host")


def _timeout_name(name: str) -> str:
    if name not in TIMEOUT_SYSCTLS:
        hint = suggestion(name, TIMEOUT_SYSCTLS, otherwise=f"there are {', '.join(TIMEOUT_SYSCTLS)}")
        raise wrong("the name of a time-out", name, hint)
    return name


class NatPart(Part):
    """Network address translation."""

    outside: Text = Field(description="the network towards which sources are translated")
    ports: Annotated[Any, *_typed(read_ports, _STRING)] = Field(
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
    run: Annotated[list[str] | None, *_typed(read_words, _COMMAND)] = Field(
        default=None, description="the command that starts it; without it the files are only put there"
    )
    ready: EndpointList = Field(default=[], description="where it listens once it is ready, such as tcp/65432")


_program_key = name_reader(
    "a program's name", r"[a-z][a-z0-9_-]{0,31}", "a letter, then letters, digits, _ and -, at most 32"
)
ProgramKey = Annotated[str, AfterValidator(_program_key)]


class ZonePart(Part):
    """A zone that a host serves."""

    ttl: Ttl = Field(default=60, description="the TTL of records that give none, seconds")
    negative_ttl: Ttl = Field(
        default=5, description="how long it may be remembered that a name is not there, seconds (RFC 2308)"
    )
    records: RecordList = Field(
        default=[], description="a record in each line, such as [www A 192.0.2.80]; SOA and NS are made"
    )


class ResolverPart(Part):
    """A resolver for other hosts."""

    root: AddressList = Field(description="addresses of hosts that serve the zone `.`, such as [192.0.2.1]")


_zone_key = name_reader(
    "a zone's name",
    r"\.|(?=.{1,254}$)[A-Za-z0-9_]([A-Za-z0-9_/-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_/-]{0,62}))*\.?",
    "labels of letters, digits, hyphens and _ with dots between, or `.`, at most 253",
)
ZoneKey = Annotated[str, AfterValidator(_zone_key)]


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
    zones: dict[ZoneKey, ZonePart] = Field(
        default={}, description="zones that it serves, such as {example.com: {records: [www A 192.0.2.80]}}"
    )
    resolver: ResolverPart | None = Field(default=None, description="it resolves for others: {root: [192.0.2.1]}")
    cache: Annotated[Cache | None, *_typed(read_cache, {"const": "nscd"})] = Field(
        default=None, description="nscd: names are remembered for all its programs"
    )


class ServicePart(Part):
    """A host."""

    image: Annotated[str, *_typed(lambda value: read_text(value, f"one of {', '.join(IMAGES)}"), _IMAGE)] = Field(
        description=f"one of {', '.join(IMAGES)}"
    )
    networks: dict[str, Attachment] = Field(
        description="the networks it is on, as eth0, eth1, … in this order: {home: {ipv4_address: 192.168.1.100}}"
    )
    hostname: Annotated[
        str | None, *_typed(name_reader("a host name", r"(?=.{1,64}$)" + HOST_NAME, HOST_NAME_RULE), _STRING)
    ] = None
    extra_hosts: Annotated[tuple[Any, ...], *_typed(read_extra_hosts, _NAMES)] = Field(
        default=(), description="further lines of /etc/hosts, such as [server.example:192.0.2.80]"
    )
    dns: AddressList = Field(default=[], description="name servers: hosts of the lab")
    dns_search: DomainList = Field(default=[], description="domains in which short names are looked up")
    dns_opt: OptionList = Field(default=[], description="options of its resolver, such as [timeout:1, attempts:2]")
    sysctls: Annotated[dict[str, str], *_typed(read_sysctls, _PAIRS)] = Field(
        default={}, description="kernel settings of the host's network, such as {net.ipv4.ip_forward: 1}"
    )
    environment: Annotated[dict[str, str], *_typed(pairs_reader("=", "NAME=VALUE"), _PAIRS)] = Field(
        default={}, description="what programs find in their environment"
    )
    cap_add: CapabilityList = Field(default=[], description="capabilities of programs; they have none otherwise")
    mem_limit: Annotated[int, *_typed(read_size, {"type": ["string", "integer"]})] = Field(
        default=128 * MIB, description="memory of all programs together, such as 128m"
    )
    pids_limit: Annotated[int, *_typed(integer_reader(8, 4096, "a number of processes"), _whole(8, 4096))] = Field(
        default=64, description="processes and threads at a time"
    )
    cpus: Annotated[float, *_typed(read_processors, {"type": ["number", "string"]})] = Field(
        default=0.0, description="processors' time, such as 0.5; without it there is no limit"
    )
    x_lab: HostExtension = Field(default_factory=HostExtension, alias="x-lab")


class LabExtension(Part):
    """What Compose has no word for."""

    title: Annotated[str, *_typed(read_line, _SCALAR)] = Field(default="", description="what the lab shows, in a line")
    suggestions: LineList = Field(
        default=[], alias="try", description="commands worth trying, which `lab up` shows, such as [lab nat]"
    )


_host_key = name_reader(
    "a host's name", r"[a-z][a-z0-9-]{0,31}", "a letter, then letters, digits and hyphens, at most 32, lower case"
)
_network_key = name_reader(
    "a network's name", r"[a-z][a-z0-9_-]{0,31}", "a letter, then letters, digits, _ and -, at most 32"
)

HostKey = Annotated[str, AfterValidator(_host_key)]
NetworkKey = Annotated[str, AfterValidator(_network_key)]


class LabFile(Part):
    """A lab: a Compose file with x-lab."""

    name: Annotated[
        str | None,
        *_typed(
            name_reader(
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

NOUNS: dict[faults.PartType, str] = {
    LabFile: "a lab file",
    LabExtension: "a lab",
    NetworkPart: "a network",
    NetworkExtension: "a network's x-lab",
    Ipam: "ipam",
    IpamConfig: "a subnet",
    ServicePart: "a host",
    Attachment: "an interface",
    HostExtension: "a host's x-lab",
    NatPart: "nat",
    ForwardPart: "a forward",
    ProgramPart: "a program",
    ZonePart: "a zone",
    ResolverPart: "a resolver",
}
"""What each part is called in messages."""

_FILES = "nothing of the machine's files enters a lab; programs are declared under x-lab"
_PROGRAMS = "programs are declared under x-lab: programs"
_START = "`lab up` starts all hosts, and waits for what programs declare under `ready`"
_WHOLE = "a lab file is whole by itself"
_SAME = "they are the same for every host"

REFUSED: dict[faults.PartType, dict[str, str]] = {
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
    NatPart: {"inside": "`outside` alone is named; every other network of the host is inside"},
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
"""Keys, most of them of Compose, that a lab file must not have, each with the reason."""
