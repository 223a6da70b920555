"""What is created for a lab, and how a lab travels in a label."""

from __future__ import annotations

import base64
import dataclasses
import itertools
import zlib
from pathlib import Path

import pytest

from lab import labfiles
from lab.errors import InstanceError
from lab.model import Lab
from lab.plan import Container, container_name, describe, environment, plan, undescribe
from tests.unit.examples import alice, rich_lab, small_lab

GOLDEN = Path(__file__).parent / "plan_data" / "nat.txt"
IMAGES = {"socketlab/host": "socketlab/host:0123456789ab", "socketlab/gateway": "socketlab/gateway:ba9876543210"}


def printed(container: Container) -> str:
    """A container, one field a line, those left out that have their default."""
    lines = [container.name]
    for field in dataclasses.fields(container):
        value = getattr(container, field.name)
        if field.name == "name" or value == field.default:
            continue
        pairs = value if isinstance(value, tuple) else (value,)
        lines += [f"  {field.name} {' = '.join(one) if isinstance(one, tuple) else one}" for one in pairs]
    return "\n".join(lines) + "\n"


def test_the_plan_of_the_nat_lab() -> None:
    """Which containers, holding what: five hosts, each without a network of Docker's and with no more power than
    its first process needs. A change of plan_data/nat.txt is a change of what every user gets."""
    planned = plan(labfiles.load("nat"), instance="mine", images=IMAGES)
    assert "\n".join(printed(container) for container in planned.hosts) == GOLDEN.read_text()


def test_a_plan_keeps_lab_and_instance() -> None:
    """What a wiring makes links from is the lab itself."""
    planned = plan(small_lab(), instance="mine", images=IMAGES)
    assert (planned.instance, planned.lab) == ("mine", small_lab())


def test_everything_that_a_lab_file_says_of_a_host_reaches_its_container() -> None:
    """Names, limits, capabilities and resolvers; an image that is not one of ours is taken as it is called."""
    found = plan(rich_lab(), instance="mine", images=IMAGES).hosts[0]
    assert (found.image, found.hostname) == ("debian:bookworm-slim", "all")
    assert (found.memory, found.pids, found.cpus) == (64 * 1024 * 1024, 32, 0.5)
    assert found.capabilities == ("SETUID", "SETGID", "SETPCAP", "KILL", "NET_RAW", "NET_BIND_SERVICE")
    assert found.command == ("NET_RAW",), "what its programs may have, and its daemon's port is not among it"
    assert (found.dns, found.dns_search) == (("192.168.1.1", "fd00:1::1"), ("home.example",))
    assert found.dns_options == ("timeout:1",)
    assert found.extra_hosts == (("router.home", "192.168.1.1"), ("router.home", "fd00:1::1"))


def test_a_capability_is_named_once() -> None:
    """Also if a lab asks for one that every host has."""
    lab = dataclasses.replace(small_lab(), hosts=(dataclasses.replace(alice(), capabilities=("KILL", "NET_RAW")),))
    (found,) = plan(lab, instance="mine", images=IMAGES).hosts
    assert found.capabilities == ("SETUID", "SETGID", "SETPCAP", "KILL", "NET_RAW")


def test_no_host_sees_the_machine() -> None:
    """Only a wiring's helper does; and no host has a network but the lab's."""
    for container in (
        *plan(rich_lab(), instance="a", images={}).hosts,
        *plan(small_lab(), instance="a", images={}).hosts,
    ):
        assert not container.is_helper
        assert container.networks == ()


def test_two_instances_never_share_a_name() -> None:
    """Whatever instances and hosts are called: no container of one has the name of a container of another."""
    words = ("a", "b", "a-b", "a_b", "b-a", "a-", "a_", "aa")
    names = [container_name(instance) for instance in words]
    names += [container_name(instance, host) for instance, host in itertools.product(words, words)]
    assert len(set(names)) == len(names) == len(words) + len(words) ** 2


def test_two_instances_of_one_lab_differ_in_names_and_labels_alone() -> None:
    """They have the same addresses, images and limits."""
    one, other = (plan(small_lab(), instance=name, images=IMAGES) for name in ("one", "other"))
    assert not {c.name for c in one.hosts} & {c.name for c in other.hosts}
    assert not {dict(c.labels)["socketlab.instance"] for c in one.hosts} & {"other"}
    same = [dataclasses.replace(c, name="", labels=()) for c in one.hosts]
    assert same == [dataclasses.replace(c, name="", labels=()) for c in other.hosts]


def test_a_hosts_environment_goes_over_ours() -> None:
    """A lab may add variables and change those that every program has."""
    host = dataclasses.replace(alice(), environment=(("LANG", "de_DE.UTF-8"), ("GREETING", "hi")))
    found = environment(host)
    assert (found["LANG"], found["GREETING"], found["HOME"]) == ("de_DE.UTF-8", "hi", "/home/student")
    assert environment(alice())["LANG"] == "C.UTF-8"


# ----------------------------------------------------------------------------------------- description


@pytest.mark.parametrize("lab", [small_lab(), rich_lab(), labfiles.load("nat")], ids=["small", "rich", "nat"])
def test_a_description_gives_the_same_lab_again(lab: Lab) -> None:
    """Every field of the model, addresses of both families, empty and binary files."""
    assert undescribe(describe(lab)) == lab


def test_the_rich_lab_leaves_no_field_at_its_default() -> None:
    """Else the round trip above would not see a field that is lost."""
    everything = rich_lab().host("everything")
    for field in dataclasses.fields(everything):
        if field.name != "nat" and field.default is not dataclasses.MISSING:
            assert getattr(everything, field.name) != field.default, field.name
    nat = rich_lab().host("gateway").nat
    assert nat is not None
    assert nat.forwards
    assert nat.hairpin
    assert nat.timeouts


def test_a_description_is_fit_for_a_label() -> None:
    """Plain ASCII in one line, shorter than what it describes."""
    text = describe(labfiles.load("nat"))
    assert text.isascii()
    assert text.isprintable()
    assert len(text) < 4000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        "ä",
        "=" * 8,
        base64.b64encode(b"not compressed").decode(),
        base64.b64encode(zlib.compress(b"not json")).decode(),
        base64.b64encode(zlib.compress(b"[]")).decode(),
        base64.b64encode(zlib.compress(b'[{"name": "nat"}]')).decode(),
        base64.b64encode(zlib.compress(b'{"name": "nat"}')).decode(),
        describe(small_lab())[:-16],
    ],
)
def test_what_is_no_description_of_ours_is_an_error(text: str) -> None:
    """An instance of another version, or a label of somebody else's, is no lab; and the way out is named."""
    with pytest.raises(InstanceError) as caught:
        undescribe(text)
    assert "lab down" in caught.value.hint
