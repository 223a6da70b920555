"""Tables as people see them, and dictionaries as scripts get them. The keys of the latter are an interface."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from lab.instances import Member, Running
from lab.observe import HostView, Kind, Process, translations
from lab.plan import Plan, plan
from lab.segments import Packets, Segment
from lab.show import (
    images_table,
    labs_json,
    labs_table,
    nat_json,
    nat_table,
    plan_commands,
    plan_json,
    plan_table,
    segments_json,
    segments_table,
    sockets_json,
    sockets_table,
    status_json,
    status_table,
)
from lab.wiring import Started
from lab.wiring.fabric import helper
from tests.unit.examples import connected, listening, rich_lab, small_lab

GOLDEN = Path(__file__).parent / "show_data"
IMAGES = {"socketlab/host": "socketlab/host:0123456789ab", "socketlab/gateway": "socketlab/gateway:ba9876543210"}


def rendered(value: RenderableType, *, terminal: bool = False) -> str:
    """What reaches a terminal, or a file, that is 200 columns wide; spaces at the ends of lines left out."""
    out = io.StringIO()
    console = Console(
        file=out, width=200, highlight=False, force_terminal=terminal, color_system=None, legacy_windows=False
    )
    console.print(value)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def check(text: str, name: str) -> None:
    """Compare with the expected text of that name; SOCKETLAB_UPDATE_GOLDEN=1 writes it anew."""
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("SOCKETLAB_UPDATE_GOLDEN") == "1":
        path.write_text(text)
    assert text == path.read_text()


def keys(value: Any) -> Any:
    """The shape of a JSON value: keys, and for lists the one shape that all items have."""
    if isinstance(value, dict):
        return {key: keys(one) for key, one in value.items()}
    if isinstance(value, list):
        shapes = [keys(one) for one in value]
        assert all(shape == shapes[0] for shape in shapes)
        return shapes[:1]
    return ...


def planned() -> Plan:
    """The plan of the lab that has everything."""
    return plan(rich_lab(), instance="mine", images=IMAGES)


NAT_TEXT = """\
ipv4     2 tcp      6 431888 ESTABLISHED src=192.168.1.100 dst=203.0.113.80 sport=5555 dport=65432 \
src=203.0.113.80 dst=203.0.113.1 sport=65432 dport=40930 [ASSURED] mark=0 use=1
ipv4     2 udp      17 14 src=192.168.1.101 dst=203.0.113.80 sport=51392 dport=53 [UNREPLIED] \
src=203.0.113.80 dst=203.0.113.1 sport=53 dport=40865 mark=0 use=1
ipv6     10 tcp      6 99 SYN_SENT src=fd00:1::100 dst=fd00:2::80 sport=5555 dport=80 [UNREPLIED] \
src=fd00:2::80 dst=fd00:1::100 sport=80 dport=5555 mark=0 use=1
"""
TABLES = {"router": translations(NAT_TEXT), "empty": ()}
VIEWS = {
    "alice": HostView(sockets=(connected(("192.168.1.100", 5555), ("203.0.113.80", 65432)),)),
    "server": HostView(
        sockets=(
            listening("203.0.113.80", 65432, name="python3"),
            listening(None, 53, kind=Kind.UDP, name="dns"),
            replace(listening("::", 80), v6only=True, processes=()),
        )
    ),
}
UP = Running(
    name="mine",
    lab="small",
    created=1700000000,
    helper=Member(id="f", host="", state="running"),
    hosts=tuple(Member(id=name, host=name, state="running") for name in ("alice", "router", "server")),
    expected=3,
    description="x",
    wiring="fabric",
)
STARTED = (
    Started(host="server", program="echo", pid=7, end=""),
    Started(host="server", program="once", pid=9, end="exit status 1"),
)


# ------------------------------------------------------------------------------------------------ JSON


def test_labs_as_json() -> None:
    """One item a lab; the problem is "" for one that can be used."""
    assert labs_json([("nat", "Two hosts", ""), ("bad", "", "line 1")]) == [
        {"lab": "nat", "title": "Two hosts", "problem": ""},
        {"lab": "bad", "title": "", "problem": "line 1"},
    ]


ADDRESSES = ("192.168.1.7", "192.168.1.8", "[fd00:1::7]")
HELPER = helper(planned(), images={}, description="")


def test_a_plan_as_json() -> None:
    """What will be created, down to the lines that are carried out."""
    found = plan_json(planned(), HELPER)
    assert set(found) == {"instance", "lab", "containers", "helper", "wiring", "links", "segments"}
    assert found["helper"]["name"] == "socketlab.mine"
    assert "SYS_ADMIN" in found["helper"]["capabilities"]
    for container in found["containers"]:
        assert set(container) == {
            "name", "host", "image", "capabilities", "memory_bytes", "pids", "before", "steps", "programs", "services",
        }  # fmt: skip
        assert keys(container["steps"]) == [{"kind": ..., "lines": [...]}]
    assert found["containers"][0]["programs"] == [
        {
            "name": "tool",
            "files": ["empty", "binary", "text"],
            "run": ["./binary", "", "two words"],
            "ready": ["udp/53", "tcp/[fd00:1::7]:8080"],
        }
    ]
    assert [(one["name"], one["listens"]) for one in found["containers"][0]["services"]] == [
        ("nsd", [f"{protocol}/{address}:53" for address in ADDRESSES for protocol in ("udp", "tcp")]),
        ("unbound", [f"{protocol}/{address}:53" for address in ADDRESSES for protocol in ("udp", "tcp")]),
        ("nscd", []),
    ]
    assert found["containers"][0]["name"] == "socketlab.mine.everything"


def test_a_plan_on_docker_networks() -> None:
    """The networks with the subnets that would be asked for first, and what each host's sidecar carries out."""
    found = plan_json(planned(), HELPER, on_networks=True)
    assert set(found) == {"instance", "lab", "containers", "helper", "wiring", "networks", "sidecars"}
    assert [one["network"] for one in found["networks"]] == [one.name for one in planned().lab.networks]
    assert [one["host"] for one in found["sidecars"]] == [one.name for one in planned().lab.hosts]
    assert all(set(one) == {"host", "ways", "links", "segments"} for one in found["sidecars"])
    text = plan_commands(planned(), on_networks=True)
    for one in found["networks"]:
        assert f"--subnet {one['subnet']} " in text
    for sidecar in found["sidecars"]:
        assert f"# in the sidecar of {sidecar['host']}\n" in text
        assert all(f"ip {line}\n" in text for line in sidecar["links"])
    assert "# in the fabric" not in text


def test_an_instance_as_json() -> None:
    """Its hosts, their addresses and programs, and whether it is whole."""
    found = status_json(UP, small_lab(), STARTED, came_up=True)
    assert {key: found[key] for key in found if key != "hosts"} == {
        "instance": "mine",
        "lab": "small",
        "state": "up",
        "why": "",
        "created": 1700000000,
        "wiring": "fabric",
    }
    assert found["hosts"][1] == {
        "host": "router",
        "state": "running",
        "addresses": ["192.168.1.1/24", "203.0.113.1/24"],
        "programs": [],
    }
    assert found["hosts"][2]["programs"] == [
        {"program": "echo", "pid": 7, "ended": ""},
        {"program": "once", "pid": 9, "ended": "exit status 1"},
    ]


@pytest.mark.parametrize(
    "found",
    [
        replace(UP, helper=None),
        replace(UP, helper=Member(id="f", host="", state="exited")),
        replace(UP, hosts=(*UP.hosts[:2], Member(id="s", host="server", state="exited"))),
        replace(UP, hosts=UP.hosts[:2]),
    ],
)
def test_an_instance_that_lacks_something_is_broken(found: Running) -> None:
    """Without its helper, or with a host that does not run, an instance is not up."""
    assert status_json(found, small_lab(), (), came_up=True)["state"] == "broken"


def test_an_instance_that_did_not_come_up_yet_is_starting() -> None:
    """All of it runs, but not everything was observed."""
    assert status_json(UP, small_lab(), (), came_up=False)["state"] == "starting"


def test_a_host_that_is_gone_is_shown_as_missing() -> None:
    """It is a host of the lab, whatever the engine has of it."""
    found = status_json(replace(UP, hosts=UP.hosts[:2]), small_lab(), (), came_up=True)
    assert [(host["host"], host["state"]) for host in found["hosts"]] == [
        ("alice", "running"),
        ("router", "running"),
        ("server", "missing"),
    ]


def test_an_instance_without_description_is_broken() -> None:
    """Nothing is known of its addresses, and it is shown all the same."""
    found = status_json(UP, None, (), came_up=True)
    assert found["state"] == "broken"
    assert [host["addresses"] for host in found["hosts"]] == [[], [], []]


def test_sockets_as_json() -> None:
    """An address is a text or null for the wildcard of both families; a peer's too."""
    found = sockets_json(VIEWS)
    assert found[0] == {
        "host": "alice",
        "protocol": "tcp",
        "state": "ESTAB",
        "local_address": "192.168.1.100",
        "local_port": 5555,
        "remote_address": "203.0.113.80",
        "remote_port": 65432,
        "uid": 1000,
        "v6only": None,
        "processes": [],
    }
    assert (found[2]["host"], found[2]["protocol"], found[2]["local_address"]) == ("server", "udp", None)
    assert found[2]["processes"] == [{"name": "dns", "pid": 7}]
    assert found[3]["v6only"] is True


def test_translations_as_json() -> None:
    """Inside, outside and peer of every entry, in plain values; a gateway without entries has none."""
    assert nat_json(TABLES)[0] == {
        "gateway": "router",
        "protocol": "tcp",
        "direction": "out",
        "inside_address": "192.168.1.100",
        "inside_port": 5555,
        "outside_address": "203.0.113.1",
        "outside_port": 40930,
        "peer_address": "203.0.113.80",
        "peer_port": 65432,
        "state": "ESTABLISHED",
        "seconds_left": 431888,
        "source_translated": True,
        "destination_translated": False,
    }
    assert [entry["protocol"] for entry in nat_json(TABLES)] == ["tcp", "udp", "tcp"]


SEGMENTS = (
    Segment(
        network=rich_lab().networks[0],
        hosts=("everything", "gateway"),
        counts=(Packets(tcp=5, udp=3), Packets(other=1)),
    ),
    Segment(network=rich_lab().networks[1], hosts=("gateway",), counts=(Packets(), Packets())),
)


def test_segments_that_are_not_counted() -> None:
    """Nothing is said of packets: a nought would be a claim."""
    (uncounted,) = (replace(SEGMENTS[0], counts=None),)
    (found,) = segments_json([uncounted])
    assert (found["passed"], found["lost"]) == (None, None)
    assert "not counted" in rendered(segments_table([uncounted]))


def test_segments_as_json() -> None:
    """Shares are fractions, times are seconds, packets are told by protocol."""
    assert segments_json(SEGMENTS)[0] == {
        "network": "both",
        "subnets": ["192.168.1.0/24", "fd00:1::/64"],
        "hosts": ["everything", "gateway"],
        "loss": 0.025,
        "delay": 0.05,
        "reorder": 0.05,
        "passed": {"tcp": 5, "udp": 3, "other": 0},
        "lost": {"tcp": 0, "udp": 0, "other": 1},
    }


def test_all_of_it_is_json() -> None:
    """No value that json does not know, and plain text where the program has enumerations."""
    values = [
        plan_json(planned(), HELPER),
        status_json(UP, small_lab(), STARTED, came_up=True),
        sockets_json(VIEWS),
        nat_json(TABLES),
    ]
    assert json.loads(json.dumps(values)) == values


# ---------------------------------------------------------------------------------------------- tables


def test_the_table_of_translations() -> None:
    """As `lab nat` prints it."""
    check(rendered(nat_table(TABLES)), "nat")


def test_the_table_of_an_instance() -> None:
    """As `lab status` prints it."""
    check(rendered(status_table(status_json(UP, small_lab(), STARTED, came_up=True))), "status")


def test_the_table_of_sockets() -> None:
    """As `lab sockets` prints it; a socket that waits has no peer to show."""
    check(rendered(sockets_table(VIEWS)), "sockets")


def test_a_table_ends_where_nobody_would_read_on() -> None:
    """A program can make a hundred thousand sockets, or translations; how many are not shown is."""
    socket, entry = VIEWS["alice"].sockets[0], next(iter(TABLES.values()))[0]
    sockets = rendered(sockets_table({"alice": HostView(sockets=(socket,) * 1234)}))
    translations = rendered(nat_table({"router": (entry,) * 200_000}))
    assert [len(text.splitlines()) for text in (sockets, translations)] == [1002, 1002]
    assert "234 more; --json has all" in sockets
    assert "199000 more; --json has all" in translations


def test_the_table_of_segments() -> None:
    """As `lab segments` prints it: a good wire has no impairments."""
    check(rendered(segments_table(SEGMENTS)), "segments")
    many = replace(SEGMENTS[0], hosts=tuple(f"h{number}" for number in range(9)))
    assert "h6, h7, …" in rendered(segments_table([many]))


def test_the_table_of_a_plan() -> None:
    """As `lab plan` prints it."""
    check(rendered(plan_table(planned())), "plan")


def test_the_commands_of_a_plan() -> None:
    """As `lab plan --commands` prints them: what a reader could type is what is carried out."""
    check(plan_commands(plan(small_lab(), instance="mine", images=IMAGES)) + "\n", "commands")


def test_the_table_of_labs_shows_a_problem_in_place_of_a_title() -> None:
    """A lab file that cannot be used is listed with the reason."""
    text = rendered(labs_table([("nat", "Two hosts", ""), ("bad", "A title", "bad.yaml:1:1: no")]))
    assert text.splitlines() == ["LAB  WHAT IT SHOWS", "nat  Two hosts", "bad  bad.yaml:1:1: no"]


def test_the_table_of_images() -> None:
    """What labs use now comes first, built or not; then what older content has left."""
    current = ["socketlab/base:1", "socketlab/host:2"]
    text = rendered(images_table(current, ["socketlab/host:latest", "socketlab/base:1", "socketlab/base:0"]))
    assert [line.split(None, 1) for line in text.splitlines()] == [
        ["IMAGE", "STATE"],
        ["socketlab/base:1", "built"],
        ["socketlab/host:2", "will be built when it is needed"],
        ["socketlab/base:0", "of older content"],
        ["socketlab/host:latest", "the name without a hash"],
    ]


# ------------------------------------------------------------------------- what a lab must not be able to do

HOSTILE = "\x1b[2J\x1b]0;title\x07\r\n\x9b31m\u202e\udcff"
MARKUP = "[bold red]x[/] [link=http://x]y[/link] :bomb: \\[b] [/] \\"


def with_name(name: str) -> dict[str, HostView]:
    """A socket whose process has that name."""
    return {"alice": HostView(sockets=(replace(listening("0.0.0.0", 80), processes=(Process(name=name, pid=1),)),))}


def test_no_control_character_reaches_the_terminal() -> None:
    """A process that is called like a terminal's command is shown with a sign in place of each of them."""
    text = rendered(sockets_table(with_name(f"a{HOSTILE}b")), terminal=True)
    shown = text.splitlines()[-1]
    assert shown.isprintable()
    assert shown.endswith("a�[2J�]0;title���" + "�31m��b")
    assert len(text.splitlines()) == 2


def test_markup_from_a_lab_is_shown_as_it_is() -> None:
    """Brackets, backslashes and emoji codes in a process' name are letters like others, on a terminal too."""
    for terminal in (False, True):
        shown = rendered(sockets_table(with_name(MARKUP)), terminal=terminal).splitlines()[-1]
        assert shown.endswith(MARKUP)


def test_no_table_lets_a_lab_drive_the_terminal() -> None:
    """Every text that comes from a lab, an instance or a program, in every table: nothing but what prints."""
    evil = f"{MARKUP}{HOSTILE}"
    host = replace(small_lab().hosts[0], image=evil)
    lab = replace(small_lab(), title=evil, hosts=(host,))
    status = status_json(
        replace(UP, name=evil, lab=evil, hosts=(Member(id="a", host="alice", state=evil),)),
        None,
        (Started(host="alice", program=evil, pid=1, end=evil),),
        came_up=False,
    )
    entry = replace(TABLES["router"][0], protocol=evil, state=evil)
    tables = [
        labs_table([(evil, evil, ""), (evil, "", evil)]),
        plan_table(plan(lab, instance="mine", images={})),
        status_table(status),
        sockets_table({evil: with_name(evil)["alice"]}),
        nat_table({evil: (entry,)}),
    ]
    for table in tables:
        text = rendered(table, terminal=True)
        assert "💣" not in text
        assert all(line.isprintable() for line in text.split("\n")), text


def test_showing_labs_needs_no_engine() -> None:
    """The Docker client takes longer to load than a list of labs to make."""
    program = "import sys, lab.show, lab.labfiles; print('docker' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
