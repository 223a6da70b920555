"""What each value of a lab file must look like by itself, and the JSON Schema that editors get.

compose/lab.schema.json is written anew with SOCKETLAB_UPDATE_GOLDEN=1, as all golden files are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from lab import labfiles, readers, schema
from lab.model import PortPolicy, PortRange, Subnet

FILES = Path(__file__).parent / "labfiles"
GOOD = [*sorted((FILES / "good").glob("*.yaml")), *sorted(labfiles.folder().glob("*.yaml"))]
PUBLISHED = labfiles.folder() / "lab.schema.json"
# A misspelt x-lab begins with x-, as what an author keeps for anchors does: an editor cannot tell them apart.
WRONG_KEYS = sorted(
    path
    for kind in ("unknown-key", "refused", "missing", "type")
    for path in (FILES / "bad").glob(f"{kind}-*.yaml")
    if path.stem not in ("unknown-key-x-lab-misspelt", "type-key-is-list")
)

VALIDATOR = Draft202012Validator(schema.json_schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)


def loaded(path: Path) -> Any:
    """A file as an editor reads it: with numbers and booleans, but a date stays text as in YAML 1.2."""
    return json.loads(json.dumps(yaml.safe_load(path.read_text(encoding="utf-8")), default=str))


def host(**keys: object) -> schema.ServicePart:
    """A host with some keys more than it needs."""
    return schema.ServicePart.model_validate({"image": "socketlab/host", "networks": {}, **keys})


def nat(**keys: object) -> schema.NatPart:
    """A translation with some keys more than it needs."""
    return schema.NatPart.model_validate({"outside": "internet", **keys})


def network(**keys: object) -> schema.NetworkExtension:
    """What a network's x-lab says."""
    return schema.NetworkExtension.model_validate(keys)


def subnet(text: str) -> object:
    """A subnet as it is read."""
    return schema.IpamConfig.model_validate({"subnet": text}).subnet


def subclasses(part: type[schema.Part]) -> Iterable[type[schema.Part]]:
    """Every part of a lab file."""
    for one in part.__subclasses__():
        yield one
        yield from subclasses(one)


# ------------------------------------------------------------------------------------------ JSON Schema


def test_published_schema_is_the_model_s() -> None:
    """Editors get the schema by which lab files are read."""
    text = json.dumps(schema.json_schema(), indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("SOCKETLAB_UPDATE_GOLDEN") == "1":
        PUBLISHED.write_text(text, encoding="utf-8")
    assert PUBLISHED.read_text(encoding="utf-8") == text


def test_schema_is_a_schema() -> None:
    """The schema keeps to JSON Schema 2020-12."""
    Draft202012Validator.check_schema(schema.json_schema())


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_editors_accept_good_files(path: Path) -> None:
    """What is read as a lab is not underlined in an editor."""
    assert [error.message for error in VALIDATOR.iter_errors(loaded(path))] == []


@pytest.mark.parametrize("path", WRONG_KEYS, ids=lambda path: path.stem)
def test_editors_refuse_wrong_keys(path: Path) -> None:
    """A key that is unknown, refused or missing, and a value of the wrong shape, is underlined in an editor."""
    assert not VALIDATOR.is_valid(loaded(path))


def test_nat_lab_names_its_schema() -> None:
    """The first line of a lab says to editors where its schema is."""
    first = (labfiles.folder() / "nat.yaml").read_text(encoding="utf-8").split("\n")[0]
    assert first == f"# yaml-language-server: $schema={PUBLISHED.name}"


def test_schema_is_no_lab() -> None:
    """The schema stands beside the labs and is not listed as one."""
    assert PUBLISHED.parent == labfiles.folder()
    assert all(path.suffix == ".yaml" for _, path in labfiles.available())


# ------------------------------------------------------------------------------------------------ keys


def test_every_part_has_a_name_for_messages() -> None:
    """Each part of a lab file is called something in a message about one of its keys."""
    assert set(subclasses(schema.Part)) == set(schema.NOUNS)


def test_refused_keys_are_none_of_ours() -> None:
    """No key is both known and refused."""
    for part, keys in schema.REFUSED.items():
        assert not set(keys) & {field.alias or name for name, field in part.model_fields.items()}


# ---------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize("text", ["1", "53", "65535"])
def test_ports(text: str) -> None:
    """A port is a number from 1 to 65535."""
    assert schema.ForwardPart.model_validate({"tcp": text, "to": "10.0.0.1:1"}).tcp == int(text)


@pytest.mark.parametrize(
    "text", ["", "0", "65536", "-1", "+1", " 1", "1 ", "1.0", "1e3", "1_000", "080", "²", "٣", "9" * 5000]
)
def test_what_is_no_port(text: str) -> None:
    """Only decimal ASCII digits without a leading 0 are a port: nothing that Python's int() takes besides."""
    with pytest.raises(ValidationError):
        schema.ForwardPart.model_validate({"tcp": text, "to": "10.0.0.1:1"})


def test_port_policies() -> None:
    """A gateway keeps ports, takes random ones, or takes them from a range with both ends in it."""
    assert nat().ports is PortPolicy.PRESERVE
    assert nat(ports="random").ports is PortPolicy.RANDOM
    assert nat(ports="1-65535").ports == PortRange(low=1, high=65535)
    assert nat(ports="80-80").ports == PortRange(low=80, high=80)


@pytest.mark.parametrize(
    "text", ["", "pool", "Random", "1-", "-1", "1-2-3", "1–2", "01-02", "1 - 2", "2-1", "0-1", "1-65536"]
)
def test_what_is_no_port_policy(text: str) -> None:
    """Anything else than the two words and a range is refused."""
    with pytest.raises(ValidationError):
        nat(ports=text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("16m", 16), ("16MB", 16), ("16384k", 16), ("16777216", 16), ("16777216b", 16), ("1g", 1024), ("8gb", 8192)],
)
def test_sizes(text: str, size: int) -> None:
    """A size is written as in Compose; its units are powers of 1024."""
    assert host(mem_limit=text).mem_limit == size * readers.MIB


@pytest.mark.parametrize("text", ["", "m", "15m", "9g", "1.5g", "-16m", "16 m", "16mib", "１６m", "9" * 5000])
def test_what_is_no_size(text: str) -> None:
    """A size that cannot be read, or is none of 16m to 8g, is refused."""
    with pytest.raises(ValidationError):
        host(mem_limit=text)


@pytest.mark.parametrize(
    "text",
    ["1.0.0.0/8", "10.0.0.0/30", "128.0.0.0/3", "192.0.2.0/24", "223.255.255.0/24", "fd00::/126", "2001:db8::/32"],
)
def test_subnets_with_room(text: str) -> None:
    """A subnet has room for two hosts at least, and none of it is reserved."""
    assert str(subnet(text)) == text


@pytest.mark.parametrize("reserved", readers.RESERVED, ids=str)
def test_reserved_subnets(reserved: Subnet) -> None:
    """Neither a reserved subnet, nor a part of one, nor one that holds one is for hosts."""
    part = next(reserved.subnets(new_prefix=max(reserved.prefixlen, 28 if reserved.version == 4 else 64)))
    for text in {str(reserved), str(part), str(reserved.supernet())}:
        with pytest.raises(ValidationError):
            subnet(text)


@pytest.mark.parametrize("name", ["a", "A1", "a.b", "a-b.c", "010", "x" * 63, "a" * 60 + ".bcd"])
def test_host_names(name: str) -> None:
    """A host name is letters, digits, hyphens and dots, at most 64 for the kernel (hostname(7))."""
    assert host(hostname=name).hostname == name


@pytest.mark.parametrize("name", ["", "-a", "a-", ".", "a..b", "a_b", "ä", "a b", "a\n", "x" * 64, "a" * 60 + ".bcde"])
def test_what_is_no_host_name(name: str) -> None:
    """A name that RFC 1123 or the kernel does not know is refused."""
    with pytest.raises(ValidationError):
        host(hostname=name)


@pytest.mark.parametrize(
    "name", ["kernel.hostname", "net", "net.", "net..x", "net.ipv4/../../kernel.panic", "network.x", " net.x"]
)
def test_only_settings_of_the_network(name: str) -> None:
    """A setting is one of the host's own network: its name begins with net. and leads nowhere else."""
    with pytest.raises(ValidationError):
        host(sysctls={name: "1"})


def test_settings_in_both_forms() -> None:
    """What Compose allows as a mapping or as a list is the same in both forms."""
    assert host(environment={"A": "1", "B": ""}).environment == host(environment=["A=1", "B="]).environment
    assert host(sysctls={"net.x": "1"}).sysctls == host(sysctls=["net.x=1"]).sysctls
    assert host(extra_hosts={"a": "::1"}).extra_hosts == host(extra_hosts=["a:::1"]).extra_hosts
    assert host(extra_hosts=["a:[::1]"]).extra_hosts == host(extra_hosts=["a=::1"]).extra_hosts


def test_a_name_with_several_addresses() -> None:
    """A name has any number of addresses, as lines of a list or as a list of its own; they stay in their order."""
    lines = host(extra_hosts=["b:10.0.0.2", "a:::1", "b:::2", "b:10.0.0.1"]).extra_hosts
    assert [(name, str(address)) for name, address in lines] == [
        ("b", "10.0.0.2"),
        ("a", "::1"),
        ("b", "::2"),
        ("b", "10.0.0.1"),
    ]
    assert host(extra_hosts={"b": ["10.0.0.2", "::2"]}).extra_hosts == (lines[0], lines[2])


@pytest.mark.parametrize(
    ("text", "parts"), [("0%", 0), ("10%", 100_000), ("0.0001%", 1), ("2.5%", 25_000), ("100%", 1_000_000)]
)
def test_shares_of_packets(text: str, parts: int) -> None:
    """A share is read exactly, as parts of a million."""
    assert network(loss=text).loss == parts


@pytest.mark.parametrize("text", ["10", "-1%", "101%", "100.0001%", "1e1%", "%", "", "10 %", ".5%", "0.00001%", "٣%"])
def test_what_is_no_share(text: str) -> None:
    """A share is written in per cent, from 0 to 100, with at most four decimals."""
    with pytest.raises(ValidationError):
        network(loss=text)


@pytest.mark.parametrize(("text", "microseconds"), [("0ms", 0), ("1us", 1), ("50ms", 50_000), ("10s", 10_000_000)])
def test_times(text: str, microseconds: int) -> None:
    """A time is read exactly, as microseconds."""
    assert network(delay=text).delay == microseconds


@pytest.mark.parametrize("text", ["50", "-1ms", "11s", "1.5s", "1m", "50 ms", "ms", "", "10000001us"])
def test_what_is_no_time(text: str) -> None:
    """A time is a whole number with its unit, at most ten seconds."""
    with pytest.raises(ValidationError):
        network(delay=text)


def test_one_or_more() -> None:
    """Where a list is allowed, a single value is a list of one."""
    assert host(dns="10.0.0.1").dns == host(dns=["10.0.0.1"]).dns


def test_command_in_both_forms() -> None:
    """A command is a list of words, or one text that is taken apart as a shell would."""
    words = ["sh", "-c", "echo 'a  b'"]
    program: dict[str, object] = {"files": []}
    assert schema.ProgramPart.model_validate({**program, "run": words}).run == words
    assert schema.ProgramPart.model_validate({**program, "run": """sh -c "echo 'a  b'" """}).run == words
