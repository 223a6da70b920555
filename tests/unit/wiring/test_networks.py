"""Docker networks that carry a lab: what is created, what sidecars carry out, and many agents that answer as one."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from lab.errors import AgentError, NotUpError
from lab.model import Impairments, Lab
from lab.observe.frames import HEADER, Frames
from lab.plan import Plan, plan
from lab.wiring import CapturePoint, Ended, Recorded, impairments, networks
from lab.wiring.agent import Agent
from lab.wiring.networks import RESERVED, Networks, candidates, carried, carrier, helper, joints, links, marks, sidecar
from tests.unit.examples import small_lab

CARRIERS = {"home": IPv4Network("240.0.0.0/28"), "internet": IPv4Network("240.0.0.16/28")}
ADDRESSES = {
    "home": {"alice": IPv4Address("240.0.0.2"), "router": IPv4Address("240.0.0.3")},
    "internet": {"router": IPv4Address("240.0.0.18"), "server": IPv4Address("240.0.0.19")},
}


def planned(name: str = "mine") -> Plan:
    """The small lab's."""
    return plan(small_lab(), instance=name, images={})


# -------------------------------------------------------------------------------------- what is created


def test_the_helper_enters_nothing() -> None:
    """It only keeps: no capability, no network, and nobody's processes."""
    found = helper(planned(), images={}, description="text")
    assert (found.name, found.capabilities, found.networks, found.pid_mode) == ("socketlab.mine", (), (), "")
    assert dict(found.labels)["socketlab.wiring"] == "networks"
    assert dict(found.labels)["socketlab.description"] == "text"


def test_a_sidecar_sees_one_hosts_processes() -> None:
    """It joins that host's processes and no other's, and is on the networks that carry the host's, each once."""
    router = small_lab().host("router")
    found = sidecar(planned(), router, "the-host", carriers={"home": "h", "internet": "i"}, images={})
    assert (found.pid_mode, found.networks) == ("container:the-host", ("h", "i"))
    assert found.name == "socketlab.mine.router.sidecar"
    assert dict(found.labels)["socketlab.role"] == "sidecar"
    assert found.is_helper


def test_names_never_meet() -> None:
    """No host, sidecar or helper has the name of another, whatever hosts are called (a dot is in no host's name)."""
    made = planned()
    carriers = {one.name: one.name for one in made.lab.networks}
    names = [one.name for one in made.hosts]
    names += [sidecar(made, one, "x", carriers=carriers, images={}).name for one in made.lab.hosts]
    names.append(helper(made, images={}, description="").name)
    assert len(set(names)) == len(names)


def test_a_carrier_is_found_by_its_labels() -> None:
    """The instance's and the network's."""
    found = carrier(planned(), "home", CARRIERS["home"])
    assert dict(found.labels) == {
        "socketlab.instance": "mine",
        "socketlab.role": "network",
        "socketlab.lab": "small",
        "socketlab.network": "home",
        "socketlab.wiring": "networks",
    }
    assert found.subnet == CARRIERS["home"]


def test_subnets_are_reserved_ones_and_each_a_little_elsewhere() -> None:
    """All in the range that nobody uses; two instances begin at different places; no two of one overlap."""
    first = list(itertools.islice(candidates(planned(), "home", taken=()), 300))
    other = next(candidates(planned("other"), "home", taken=()))
    assert all(one.subnet_of(RESERVED) for one in [*first, other])
    assert first[0] != other
    assert len(set(first)) == len(first)
    assert not any(one.overlaps(two) for one, two in itertools.pairwise(sorted(first)))
    assert all(IPv4Address("255.255.255.255") not in one for one in first)


def test_what_is_taken_is_passed_over() -> None:
    """Networks that are there, of whatever size, and of both families."""
    wanted = next(candidates(planned(), "home", taken=()))
    wider = wanted.supernet(new_prefix=20)
    found = next(candidates(planned(), "home", taken=[str(wider), "fd00::/64", "172.17.0.0/16"]))
    assert not found.overlaps(wider)
    assert next(candidates(planned(), "home", taken=["172.17.0.0/16"])) == wanted
    assert list(candidates(planned(), "home", taken=["240.0.0.0/4"])) == []
    half = list(itertools.islice(candidates(planned(), "home", taken=["240.0.0.0/5"]), 3))
    assert all(one.subnet_of(IPv4Network("248.0.0.0/5")) for one in half)
    assert len(set(half)) == len(half)


@pytest.mark.parametrize(("hosts", "length"), [(1, 28), (13, 28), (14, 27), (29, 27), (30, 26), (300, 23)])
def test_a_subnet_has_room_for_every_host(hosts: int, length: int) -> None:
    """And for its own address, the broadcast address and the one that Docker calls its gateway."""
    lab = small_lab()
    alice = lab.host("alice")
    many = tuple(replace(alice, name=f"h{number}") for number in range(hosts))
    made = plan(replace(lab, hosts=many), instance="mine", images={})
    assert next(candidates(made, "home", taken=())).prefixlen == length


# ------------------------------------------------------------------------ what is carried out in a sidecar


def told(*links: tuple[str, str]) -> str:
    """What `ip -j addr show` tells: devices, each with an address."""
    rows = []
    for name, address in (("lo", "127.0.0.1/8"), *links):
        local, _, length = address.partition("/")
        rows.append(
            {"ifname": name, "flags": ["UP"], "addr_info": [{"local": local, "prefixlen": int(length)}]},
        )
    return json.dumps(rows)


def test_a_device_is_known_by_its_address() -> None:
    """Whatever order Docker gave them, and what else there is."""
    found = carried(told(("eth0", "240.0.0.18/28"), ("eth1", "240.0.0.2/28"), ("eth2", "10.0.0.1/8")), CARRIERS)
    assert found == {
        "internet": ("eth0", IPv4Address("240.0.0.18")),
        "home": ("eth1", IPv4Address("240.0.0.2")),
    }


def test_links_of_a_host_on_two_networks() -> None:
    """A bridge for each, a cable into the host, and a joint over the device that is on the carrier.

    The joint is made beside that device, and only its other end comes to where the bridges are.
    """
    lab = small_lab()
    lines = links(lab, lab.host("router"))
    assert [line.split()[:4] for line in lines if " type bridge" in line] == [
        ["link", "add", "dev", "n0"],
        ["link", "add", "dev", "n1"],
    ]
    assert sum("netns {pid:router}" in line for line in lines) == 2
    assert not any("{pid:alice}" in line for line in lines)
    assert [line for line in lines if " x" in line] == [
        "link set dev x0 master n0 up",
        "link set dev x1 master n1 up",
    ]
    home, internet = networks.ways(lab, lab.host("router"), {"home": "eth1", "internet": "eth0"}, ADDRESSES)
    assert home.startswith("link add dev x0 mtu 1500 netns segments type vxlan ")
    assert "id 1 local 240.0.0.3 dev eth1 " in home
    assert "id 2 local 240.0.0.18 dev eth0 " in internet


def test_a_missing_device_is_told() -> None:
    """By the host's name and the network's."""
    lab = small_lab()
    with pytest.raises(NotUpError, match="alice: expected its sidecar on the carrier of home"):
        networks.ways(lab, lab.host("alice"), {}, ADDRESSES)


def test_a_joint_knows_who_is_behind_it() -> None:
    """For the router at home: alice alone; her frames and those for all go to her sidecar, and nobody else's."""
    lab = small_lab()
    lines = joints(lab, lab.host("router"), ADDRESSES).lines
    mac = impairments.mac(0, 0)
    assert [line for line in lines if "x0" in line] == [
        "link set dev x0 learning off flood off",
        "fdb append 00:00:00:00:00:00 dev x0 dst 240.0.0.2 self permanent",
        f"fdb replace {mac} dev x0 master static",
        f"fdb append {mac} dev x0 dst 240.0.0.2 self permanent",
    ]
    assert not any(impairments.mac(1, 0) in line or impairments.mac(1, 1) in line for line in lines)


def test_all_hosts_rules_together_are_the_labs() -> None:
    """Each port has its rules in one sidecar, and each network's are where a host of it is."""
    lab = small_lab()
    lossy = replace(lab, networks=(replace(lab.networks[0], impairments=Impairments(loss=100)), lab.networks[1]))
    whole = impairments.rules(lossy)
    parts = [impairments.rules(lossy, host) for host in lossy.hosts]
    hooks = [line for line in whole if "hook" in line]
    assert sorted(line for part in parts for line in part if "hook" in line) == sorted(hooks)
    assert [any("n0_lost" in line for line in part) for part in parts] == [True, True, False]
    assert marks(lossy, lossy.host("server"))[2:4] == (
        '\t\ttype filter hook ingress device "x1" priority filter; policy accept;',
        "\t\tmeta mark set 0x00000001",
    )


def test_a_sketch_is_of_every_host() -> None:
    """Addresses in order after the one that Docker takes."""
    made = networks.sketch(planned())
    subnet = made.carriers["home"].subnet
    assert f"local {subnet[2]} " in "".join(made.ways["alice"])
    assert f"local {subnet[3]} " in "".join(made.ways["router"])
    assert set(made.ways) == set(made.links) == set(made.segments) == {"alice", "router", "server"}


# ------------------------------------------------------------------------------------------- all agents


class Answering:
    """An agent that answers each request by a function of it. Satisfies agent.Stream."""

    def __init__(self, answer: Callable[[dict[str, Any]], Any]) -> None:
        self._answer = answer
        self._ready = bytearray()
        self.asked: list[dict[str, Any]] = []
        self.closed = False
        self.gone = False

    def send(self, data: bytes) -> None:
        """See Stream."""
        for line in data.splitlines():
            request = json.loads(line)
            if "op" not in request:
                continue
            self.asked.append(request)
            try:
                said = {"ok": self._answer(request)}
            except AgentError as error:
                said = {"error": error.message}
            self._ready += json.dumps(said).encode() + b"\n"

    def receive(self, *, patient: bool = False) -> bytes:
        """See Stream."""
        del patient
        if self.gone:
            return b""
        data, self._ready = bytes(self._ready), bytearray()
        return data

    def close(self) -> None:
        """See Stream."""
        self.closed = True


def together(answer: Callable[[str, dict[str, Any]], Any]) -> tuple[Networks, dict[str, Answering]]:
    """A connection to three hosts' agents and the keeper, `""`, each answering by a function of host and request."""
    streams: dict[str, Answering] = {}
    for name in ("", "alice", "router", "server"):

        def one(request: dict[str, Any], name: str = name) -> Any:
            return answer(name, request)

        streams[name] = Answering(one)

    def connecting(name: str) -> Callable[[], Agent]:
        return lambda: Agent(streams[name])

    hosts: dict[str, Callable[[], Agent] | None] = {name: connecting(name) for name in ("alice", "router", "server")}
    carriers = {name: str(subnet) for name, subnet in CARRIERS.items()}
    return Networks(Agent(streams[""]), hosts, carriers=carriers, agents={}), streams


def test_a_look_asks_each_of_its_own_host() -> None:
    """And only those that are meant."""
    wiring, streams = together(lambda host, request: {host: {"rules": host}} if request["op"] == "look" else None)
    assert wiring.look(["rules"], hosts=["server", "alice"]) == {
        "server": {"rules": "server"},
        "alice": {"rules": "alice"},
    }
    assert set(wiring.look(["rules"])) == {"alice", "router", "server"}
    assert [len(streams[name].asked) for name in ("alice", "router", "server", "")] == [2, 1, 2, 0]
    assert streams["alice"].asked[0] == {"op": "look", "what": ["rules"], "sysctls": [], "hosts": ["alice"]}


def test_hosts_are_cleaned_in_rounds() -> None:
    """Everything has ended on all of them before anything is forgotten on one; only gateways forget connections."""
    order: list[tuple[str, tuple[str, ...]]] = []

    def answer(host: str, request: dict[str, Any]) -> None:
        order.append((host, tuple(request["rounds"])))
        assert request["gateways"] == (["router"] if host == "router" else [])
        assert request["counters"] is True

    wiring, _ = together(answer)
    wiring.clean(small_lab(), ["alice", "router", "server"])
    assert [rounds for _, rounds in order] == [("end",)] * 3 + [("forget",)] * 3


def test_what_is_the_instances_is_asked_of_its_keeper() -> None:
    """The seal and the turn."""
    wiring, streams = together(lambda _, request: {"sealed": 7, "is_sealed": True}.get(request["op"]))
    wiring.seal(7)
    assert (wiring.sealed(), wiring.is_sealed()) == (7, True)
    with wiring.turn():
        pass
    assert [one["op"] for one in streams[""].asked] == ["seal", "sealed", "is_sealed", "take_turn", "end_turn"]
    assert streams["alice"].asked == []


def test_a_failure_of_one_is_told_once_all_have_answered() -> None:
    """So that no answer is left over for the next request."""

    def answer(host: str, request: dict[str, Any]) -> Any:
        if host == "router" and request["what"] == ["rules"]:
            raise AgentError("router: no")
        return {host: {}}

    wiring, _ = together(answer)
    with pytest.raises(AgentError, match="router: no"):
        wiring.look(["rules"])
    assert set(wiring.look(["ipc"])) == {"alice", "router", "server"}


def test_a_host_without_a_sidecar() -> None:
    """Its container has ended, and with it what was beside it: who looks at all hosts is told."""
    wiring = Networks(Agent(Answering(lambda _: None)), {"alice": None}, carriers={}, agents={})
    for act in (
        lambda: wiring.stop("alice", "echo"),
        lambda: wiring.look(["rules"]),
        lambda: wiring.clean(small_lab(), ["alice"]),
    ):
        with pytest.raises(AgentError, match="expected alice to run"):
            act()
    assert (wiring.living(), wiring.started()) == (frozenset(), ())


def test_who_does_not_answer_does_not_live() -> None:
    """Others are not concerned."""
    wiring, streams = together(lambda host, _: [host])
    streams["router"].gone = True
    assert wiring.living() == {"alice", "server"}
    with pytest.raises(AgentError, match="expected router to run"):
        wiring.look(["rules"])


def test_queries_keep_their_order() -> None:
    """Each goes to its host's agent."""

    def answer(host: str, request: dict[str, Any]) -> list[str]:
        return [base64.b64encode(f"{host} {port}".encode()).decode() for _, _, port, _ in request["queries"]]

    wiring, _ = together(answer)
    address = IPv4Address("192.0.2.1")
    asked = [("alice", address, 1, b""), ("server", address, 2, b""), ("alice", address, 3, b"")]
    assert wiring.query(asked, seconds=1) == (b"alice 1", b"server 2", b"alice 3")


def test_counters_of_all_hosts_are_read() -> None:
    """Rules one after the other, queues in one list, and why there are none."""
    lab = small_lab()

    def answer(host: str, _: dict[str, Any]) -> dict[str, str]:
        return {"rules": f"{host}\n", "queues": f'[{{"dev": "{host}"}}]', "refused": "no" if host == "server" else ""}

    wiring, _ = together(answer)
    seen = wiring.segments(lab)
    assert seen["rules"] == "alice\nrouter\nserver\n"
    assert [one["dev"] for one in json.loads(seen["queues"])] == ["alice", "router", "server"]
    assert seen["refused"] == "no"


def frame(when: int, number: int, text: bytes) -> bytes:
    """A record of a recording."""
    return HEADER.pack(when, number, 1, len(text), len(text)) + text


def test_recordings_of_several_agents_are_one() -> None:
    """Records of each in turn, whole, with the interfaces numbered anew; lost ones are counted together."""
    ethernet = bytes(12) + b"\x08\x00"
    kept = {
        "alice": frame(1, 0, ethernet + b"a") + frame(3, 0, ethernet + b"c"),
        "router": frame(2, 1, ethernet + b"b"),
    }
    seen = {"alice": [[0, "eth0"]], "router": [[1, "eth0"], [0, "n0"]]}

    def answer(host: str, request: dict[str, Any]) -> Any:
        if request["op"] == "capture":
            return 5
        if request["op"] != "recorded":
            return None
        data = kept[host][request["at"] :][:20]  # pieces that end anywhere
        return {
            "data": base64.b64encode(data).decode(),
            "end": len(kept[host]),
            "lost": 2,
            "complete": 9 if host == "alice" else 8,
            "interfaces": seen[host],
        }

    wiring, streams = together(answer)
    number = wiring.capture(
        small_lab(), [CapturePoint(name="home", is_network=True), CapturePoint(name="router")], limit=100
    )
    assert streams["alice"].asked == [
        {"op": "capture", "points": [{"bridge": "n0", "sent": True}], "of": 3, "limit": 50}
    ]
    assert streams["router"].asked[0]["points"] == [{"bridge": "n0", "sent": True}, {"host": "router"}]
    found = wiring.recorded(number, at=0, drain=True)
    assert (found.lost, found.complete, found.end) == (4, 8, len(found.data))
    assert found.interfaces == ((0, "eth0"), (1, "eth0"), (0, "n0"))
    names = [(("home", "router")[point], name) for point, name in found.interfaces]
    packets = Frames().take(found.data, names)
    assert [(one.time, one.point, one.frame[-1:]) for one in packets] == [
        (1, "home", b"a"),
        (3, "home", b"c"),
        (2, "home", b"b"),
    ]
    assert wiring.recorded(number, at=found.end) == replace(found, data=b"")
    wiring.stop_recording(number)
    wiring.forget_recording(number)
    assert [one["op"] for one in streams["alice"].asked][-2:] == ["stop_recording", "forget_recording"]


def test_events_are_passed_on_as_they_are() -> None:
    """They are text, of one gateway."""
    text = b"[NEW] tcp"

    def answer(_: str, request: dict[str, Any]) -> Any:
        if request["op"] == "events":
            return 1
        data = text[request["at"] :]
        return {"data": base64.b64encode(data).decode(), "end": len(text), "lost": 0, "overrun": True}

    wiring, _ = together(answer)
    number = wiring.events("router")
    assert wiring.recorded(number, at=0) == Recorded(data=text, end=len(text), overrun=True)


def test_a_program_is_run_by_its_hosts_agent() -> None:
    """What is asked of it then, a terminal's new size, goes there too."""
    wiring, streams = together(lambda _, __: {"status": 3, "reason": ""})
    printed = bytearray()
    lab: Lab = small_lab()
    ended = wiring.run(lab.host("server"), argv=("true",), cwd="/", stdout=printed.extend, stderr=printed.extend)
    assert ended == Ended(status=3)
    assert [one["op"] for one in streams["server"].asked] == ["run"]
    wiring.close()
    assert [streams[name].closed for name in ("", "server", "alice")] == [True, True, False]
