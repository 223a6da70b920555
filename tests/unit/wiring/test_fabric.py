"""The fabric: the text of an instance's links, and the conversation with its agent."""

from __future__ import annotations

import base64
import json
import queue
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from lab import labfiles
from lab.errors import AgentError, InstanceError, NotUpError
from lab.model import Impairments, Lab
from lab.plan import environment, plan
from lab.services import ENVIRONMENT, Service
from lab.wiring import CapturePoint, CommandResult, Ended, Output, Recorded, Started, Terminal, Wiring, impairments
from lab.wiring.fabric import Fabric, helper, known, links, segment_steps
from lab.wiring.impairments import mac
from tests.unit.examples import alice, rich_lab, router, server, small_lab

# ----------------------------------------------------------------------------------------------- links


def test_the_links_of_the_nat_lab() -> None:
    """A bridge per network, and a veth pair per interface: one end on the bridge, the other in the host."""
    assert links(labfiles.load("nat")) == (
        "link add dev n0 type bridge mcast_snooping 0",
        "link set dev n0 alias home up",
        "link add dev n1 type bridge mcast_snooping 0",
        "link set dev n1 alias internet up",
        "link add dev h0i0 master n0 up type veth peer name eth0 address 02:00:00:00:01:00 netns {pid:alice}",
        "link add dev h1i0 master n0 up type veth peer name eth0 address 02:00:00:00:02:00 netns {pid:bob}",
        "link add dev h2i0 master n0 up type veth peer name eth0 address 02:00:00:00:03:00 netns {pid:router}",
        "link add dev h2i1 master n1 up type veth peer name eth1 address 02:00:00:00:03:01 netns {pid:router}",
        "link add dev h3i0 master n1 up type veth peer name eth0 address 02:00:00:00:04:00 netns {pid:server}",
        "link add dev h4i0 master n1 up type veth peer name eth0 address 02:00:00:00:05:00 netns {pid:stranger}",
    )


def test_a_bridge_learns_nothing_and_knows_everything() -> None:
    """Each port's hardware address is told once, and none is learned from a frame."""
    lines = known(small_lab()).lines
    assert lines[:2] == (
        "link set dev h0i0 learning off flood off",
        "fdb replace 02:00:00:00:01:00 dev h0i0 master static",
    )
    assert len(lines) == 2 * sum(len(host.interfaces) for host in small_lab().hosts)


def test_hardware_addresses_never_meet() -> None:
    """65,535 hosts have as many addresses, and so have 256 interfaces of the first and of the last."""
    hosts = range(65535)
    addresses = {mac(host, 0) for host in hosts} | {mac(host, one) for host in (0, 65534) for one in range(1, 256)}
    assert len(addresses) == 65535 + 2 * 255
    assert all(re.fullmatch(r"02:00:00(:[0-9a-f]{2}){3}", one) for one in addresses)


def test_hardware_addresses_are_locally_administered_and_of_one_interface() -> None:
    """The second lowest bit of the first byte is set, the lowest is not (IEEE 802c)."""
    assert int(mac(3, 1).split(":")[0], 16) & 0b11 == 0b10
    assert mac(254, 0) == "02:00:00:00:ff:00"
    assert mac(255, 3) == "02:00:00:01:00:03"


def test_the_helper_carries_the_lab_and_is_the_lock() -> None:
    """Its name is the instance's alone; the description is in a label; it has few capabilities and no network."""
    planned = plan(small_lab(), instance="mine", images={})
    found = helper(planned, images={"socketlab/fabric": "socketlab/fabric:0123"}, description="text")
    assert (found.name, found.image, found.networks) == ("socketlab.mine", "socketlab/fabric:0123", ())
    assert found.name not in {host.name for host in planned.hosts}
    assert dict(found.labels) == {
        "socketlab.instance": "mine",
        "socketlab.role": "fabric",
        "socketlab.lab": "small",
        "socketlab.wiring": "fabric",
        "socketlab.hosts": "3",
        "socketlab.description": "text",
    }
    assert found.is_helper
    assert found.pid_mode == "host"
    assert {"SYS_MODULE", "SYS_RAWIO", "MKNOD"}.isdisjoint(found.capabilities)


# -------------------------------------------------------------------------------------- the conversation


class FakeStream:
    """An agent that has its answers ready, in the pieces in which they arrive. Satisfies fabric.Stream."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)
        self.sent: queue.Queue[bytes] = queue.Queue()
        self.closed = False

    def send(self, data: bytes) -> None:
        """See Stream."""
        self.sent.put(data)

    def receive(self, *, patient: bool = False) -> bytes:
        """See Stream."""
        del patient
        return self.pieces.pop(0) if self.pieces else b""

    def close(self) -> None:
        """See Stream."""
        self.closed = True

    def said(self) -> Any:
        """The next line that was sent; waits for one that a thread is about to send."""
        data = self.sent.get(timeout=10)
        assert data.endswith(b"\n")
        assert data.count(b"\n") == 1
        return json.loads(data)


def line(**values: object) -> bytes:
    """An answer."""
    return json.dumps(values).encode() + b"\n"


def coded(data: bytes) -> str:
    """Bytes as they travel."""
    return base64.b64encode(data).decode()


def delayed_lab() -> Lab:
    """The small lab with a slow network."""
    lab = small_lab()
    slow = replace(lab.networks[0], impairments=Impairments(delay=50_000))
    return replace(lab, networks=(slow, *lab.networks[1:]))


OK = line(ok=None)

DAEMON = Service(name="d", argv=("d", "-x"), files=(("d.conf", "ä"),), folder="/run/d")

REQUESTS: dict[str, tuple[Callable[[Wiring], object], dict[str, object]]] = {
    "find": (
        lambda wiring: wiring.find({"alice": "c0ffee"}),
        {"op": "find", "containers": {"alice": "c0ffee"}},
    ),
    "look at all": (
        lambda wiring: wiring.look(["sockets"]),
        {"op": "look", "what": ["sockets"], "hosts": None, "sysctls": []},
    ),
    "look at some": (
        lambda wiring: wiring.look(("rules", "sysctls"), hosts={"alice": 1}, sysctls=("a.b",)),
        {"op": "look", "what": ["rules", "sysctls"], "hosts": ["alice"], "sysctls": ["a.b"]},
    ),
    "look at none": (
        lambda wiring: wiring.look(["sockets"], hosts=[]),
        {"op": "look", "what": ["sockets"], "hosts": [], "sysctls": []},
    ),
    "clean": (
        lambda wiring: wiring.clean(small_lab(), ("alice", "router")),
        {"op": "clean", "hosts": ["alice", "router"], "gateways": ["router"], "queues": [], "counters": False},
    ),
    "clean all": (
        lambda wiring: wiring.clean(delayed_lab(), ("alice", "router", "server")),
        {
            "op": "clean",
            "hosts": ["alice", "router", "server"],
            "gateways": ["router"],
            "queues": [["tc", impairments.emptied(delayed_lab())["home"].text]],
            "counters": True,
        },
    ),
    "segments": (lambda wiring: wiring.segments(small_lab()), {"op": "segments"}),
    "deploy": (
        lambda wiring: wiring.deploy(
            "alice", folder="p", files={"a.py": b"\xff\0", "b": b"#!/bin/sh\n", "c": b"\x7fELF"}
        ),
        {
            "op": "deploy",
            "host": "alice",
            "folder": "p",
            "files": [
                ["a.py", coded(b"\xff\0"), 0o644],
                ["b", coded(b"#!/bin/sh\n"), 0o755],
                ["c", coded(b"\x7fELF"), 0o755],
            ],
        },
    ),
    "start": (
        lambda wiring: wiring.start(server(), program="echo", argv=("a", "b c"), cwd="/tmp"),
        {
            "op": "start",
            "host": "server",
            "program": "echo",
            "argv": ["a", "b c"],
            "environment": environment(server()),
            "cwd": "/tmp",
        },
    ),
    "stop a recording": (lambda wiring: wiring.stop_recording(3), {"op": "stop_recording", "recording": 3}),
    "forget a recording": (lambda wiring: wiring.forget_recording(3), {"op": "forget_recording", "recording": 3}),
    "serve": (
        lambda wiring: wiring.serve(
            "ns", Service(name="d", argv=("d", "-x"), files=(("d.conf", "ä"),), folder="/run/d")
        ),
        {
            "op": "serve",
            "host": "ns",
            "service": "d",
            "folder": "services/d",
            "files": [["d.conf", coded("ä".encode())]],
            "owned": {"services/d/state": 0o700, "d": 0o755},
            "argv": ["d", "-x"],
            "environment": ENVIRONMENT,
        },
    ),
    "seal": (lambda wiring: wiring.seal({"alice": ["a"]}), {"op": "seal", "value": {"alice": ["a"]}}),
    "sealed": (lambda wiring: wiring.sealed(), {"op": "sealed"}),
    "whether it is sealed": (lambda wiring: wiring.is_sealed(), {"op": "is_sealed"}),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_is_one_line(name: str) -> None:
    """Every operation says exactly this to the agent, and nothing more."""
    ask, expected = REQUESTS[name]
    stream = FakeStream(OK)
    ask(Fabric(stream))
    assert stream.said() == expected
    assert stream.sent.empty()


def test_wiring_sends_settings_links_and_steps() -> None:
    """Settings as pairs, everything else as the text for its tool; steps in their order."""
    stream = FakeStream(line(ok=""))
    lab = rich_lab()
    Fabric(stream).wire(plan(lab, instance="mine", images={}))
    said = stream.said()
    assert set(said) == {"op", "before", "joints", "links", "segments", "rules_needed", "hosts"}
    assert said["joints"] == ""
    assert said["rules_needed"] is True
    assert said["op"] == "wire"
    assert said["links"].splitlines() == list(links(lab))
    assert said["before"]["everything"]["net.ipv4.ip_forward"] == "0"
    assert said["before"]["gateway"]["net.ipv4.ip_forward"] == "1"
    assert said["segments"] == [[step.kind, step.text] for step in segment_steps(lab)]
    assert [kind for kind, _ in said["hosts"]["gateway"]] == ["ethtool", "sysctl", "ip", "nft", "sysctl"]
    assert said["hosts"]["everything"][1] == ["sysctl", {"net.ipv6.conf.eth0.disable_ipv6": "0"}]
    assert said["hosts"]["everything"][2][1].endswith("route add default via fd00:1::1\n")


UNKNOWN = "tc -batch -: Error: Specified qdisc kind is unknown.\nCommand failed -:1"


def test_a_kernel_that_delays_nothing_is_told_with_the_key() -> None:
    """Where netem is missing: which key wants it, what is missing, and what to do."""
    with pytest.raises(NotUpError) as caught:
        Fabric(FakeStream(line(error=UNKNOWN))).wire(plan(delayed_lab(), instance="mine", images={}))
    assert str(caught.value).startswith("networks.home.x-lab.delay: expected a kernel that delays packets")
    assert "module sch_netem, observed: Error: Specified qdisc kind is unknown.\nhint: " in str(caught.value)
    assert "modprobe sch_netem" in caught.value.hint


COMPLAINT = "/dev/stdin:39:8-11: Error: Could not process rule: Operation not supported"
REFUSED = f"nft -f -: {COMPLAINT}\n\tchain h0i0 {{\n\t      ^^^^\n{COMPLAINT}"


def test_a_kernel_that_loses_nothing_is_told_with_the_key() -> None:
    """Which key wants it, which options are missing, the first complaint only, and what to do."""
    lab = small_lab()
    lossy = replace(lab, networks=(replace(lab.networks[0], impairments=Impairments(loss=10)), *lab.networks[1:]))
    stream = FakeStream(line(error=REFUSED))
    with pytest.raises(NotUpError) as caught:
        Fabric(stream).wire(plan(lossy, instance="mine", images={}))
    assert stream.said()["rules_needed"] is True
    assert caught.value.message == (
        "networks.home.x-lab.loss: expected a kernel that loses packets at the ports of a bridge by nft(8), "
        "its options NF_TABLES_NETDEV and NETFILTER_INGRESS and NFT_NUMGEN, "
        "observed: Error: Could not process rule: Operation not supported"
    )
    assert "leave out `loss`" in caught.value.hint


def test_a_lab_that_loses_nothing_does_without_rules() -> None:
    """What was refused is given, in one line; "" where the rules are there."""
    planned = plan(small_lab(), instance="mine", images={})
    stream = FakeStream(line(ok=REFUSED), line(ok=""))
    wired = Fabric(stream)
    assert wired.wire(planned) == "Error: Could not process rule: Operation not supported"
    assert stream.said()["rules_needed"] is False
    assert wired.wire(planned) == ""


def test_any_other_failure_to_wire_stays_what_it_is() -> None:
    """Only what tc(8) says is about a delay, and only in a lab that has one."""
    for lab, said in ((delayed_lab(), "ip -batch -: no"), (small_lab(), UNKNOWN)):
        with pytest.raises(AgentError, match=said.splitlines()[0][-8:]):
            Fabric(FakeStream(line(error=said))).wire(plan(lab, instance="mine", images={}))


def test_answers_become_values() -> None:
    """What the agent says in JSON and base64 comes out typed."""
    stream = FakeStream(
        line(ok=[{"host": "server", "program": "echo", "pid": 7, "end": ""}]),
        line(ok={"output": coded(b"\xffhello"), "dropped": 3, "end": "exit status 0"}),
        line(ok={"status": 1, "stdout": coded(b"out"), "stderr": coded(b"\xfe")}),
        line(ok={"alice": {"rules": ""}}),
        line(ok={"alice": ["a"]}),
    )
    fabric = Fabric(stream)
    assert fabric.started() == (Started(host="server", program="echo", pid=7, end=""),)
    assert fabric.output("server", "echo") == Output(text=b"\xffhello", dropped=3, end="exit status 0")
    done = fabric.command("alice", ("ping", "-c1"), seconds=5, stdin=b"in")
    assert done == CommandResult(status=1, stdout=b"out", stderr=b"\xfe")
    assert fabric.look(["rules"]) == {"alice": {"rules": ""}}
    assert fabric.sealed() == {"alice": ["a"]}
    said = [stream.said() for _ in range(5)]
    assert said[2] == {
        "op": "command",
        "host": "alice",
        "argv": ["ping", "-c1"],
        "seconds": 5,
        "limit": 1 << 20,
        "input": coded(b"in"),
    }


def test_recordings_have_numbers_and_are_read_in_pieces() -> None:
    """A network is recorded at its bridge; a piece says what is known beside it."""
    stream = FakeStream(
        line(ok=5),
        line(ok={"data": coded(b"\xff"), "end": 4, "lost": 2, "complete": 9, "interfaces": [[0, "eth0"]]}),
        line(ok=6),
        line(ok={"data": "", "end": 0, "lost": 0, "overrun": True, "ended": False}),
    )
    fabric, lab = Fabric(stream), labfiles.load("nat")
    points = [CapturePoint(name="alice"), CapturePoint(name="internet", is_network=True)]
    assert fabric.capture(lab, points, limit=10) == 5
    piece = Recorded(data=b"\xff", end=4, lost=2, complete=9, interfaces=((0, "eth0"),))
    assert fabric.recorded(5, at=3, drain=True) == piece
    assert fabric.events("router") == 6
    assert fabric.recorded(6, at=0) == Recorded(data=b"", overrun=True)
    assert [stream.said() for _ in range(4)] == [
        {"op": "capture", "points": [{"host": "alice"}, {"bridge": "n1"}], "limit": 10},
        {"op": "recorded", "recording": 5, "at": 3, "drain": True},
        {"op": "events", "host": "router"},
        {"op": "recorded", "recording": 6, "at": 0, "drain": False},
    ]


def test_a_query_is_a_datagram_from_a_host() -> None:
    """Several at once; what did not come back is None."""
    stream = FakeStream(line(ok=[coded(b"\xff"), None]))
    asked = [("alice", ip_address("192.0.2.1"), 53, b"q"), ("bob", ip_address("2001:db8::1"), 5353, b"")]
    assert Fabric(stream).query(asked, seconds=2) == (b"\xff", None)
    assert stream.said() == {
        "op": "query",
        "queries": [["alice", "192.0.2.1", 53, coded(b"q")], ["bob", "2001:db8::1", 5353, ""]],
        "seconds": 2,
    }


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_answers_may_come_in_any_pieces(size: int) -> None:
    """A line may be split anywhere, and a piece may hold the end of one answer and the beginning of the next."""
    text = line(ok={"alice": {"rules": "ä\n"}}) + line(ok="second")
    stream = FakeStream(*(text[start : start + size] for start in range(0, len(text), size)))
    fabric = Fabric(stream)
    assert fabric.look(["rules"]) == {"alice": {"rules": "ä\n"}}
    assert fabric.sealed() == "second"


def test_an_error_is_in_the_agents_words() -> None:
    """And the conversation goes on after it."""
    fabric = Fabric(FakeStream(line(error="alice: not wired"), line(ok=7)))
    with pytest.raises(AgentError, match=r"^alice: not wired$"):
        fabric.look(["rules"])
    assert fabric.sealed() == 7


@pytest.mark.parametrize("pieces", [(), (b'{"ok": ',)])
def test_the_end_of_the_connection_is_the_instances_end(pieces: tuple[bytes, ...]) -> None:
    """Before an answer or in the midst of one; the way out is named."""
    with pytest.raises(InstanceError) as caught:
        Fabric(FakeStream(*pieces)).sealed()
    assert "lab reset" in caught.value.hint


def test_an_answer_that_nobody_heard_is_not_the_next_ones() -> None:
    """What is interrupted, or waits too long, leaves a connection that says nothing more."""

    class Interrupted(FakeStream):
        def receive(self, *, patient: bool = False) -> bytes:
            """The first is interrupted."""
            if not self.interrupted:
                self.interrupted = True
                raise TimeoutError
            return super().receive(patient=patient)

        interrupted = False

    wiring = Fabric(Interrupted(b'{"ok": {"of": "the first"}}\n{"ok": {"of": "the second"}}\n'))
    with pytest.raises(TimeoutError):
        wiring.sealed()
    with pytest.raises(InstanceError, match="its last request was broken off"):
        wiring.sealed()


def test_closing_hangs_up() -> None:
    """The stream is closed, and nothing is said."""
    stream = FakeStream()
    Fabric(stream).close()
    assert stream.closed
    assert stream.sent.empty()


# ----------------------------------------------------------------------------------- foreground programs


def run(
    stream: FakeStream,
    *,
    stdin: Callable[[], bytes | None] | None = None,
    limit: int | None = None,
    terminal: Terminal | None = None,
) -> tuple[Ended, list[tuple[str, bytes]]]:
    """Run a program at alice; how it ended and what it printed, in the order in which it came."""
    printed: list[tuple[str, bytes]] = []
    ended = Fabric(stream).run(
        alice(),
        argv=("cat",),
        cwd="/tmp",
        stdin=stdin,
        stdout=lambda data: printed.append(("stdout", data)),
        stderr=lambda data: printed.append(("stderr", data)),
        seconds=5,
        limit=limit,
        terminal=terminal,
    )
    return ended, printed


def test_output_comes_before_the_end() -> None:
    """Pieces of both streams, in the order in which they came, then the exit status."""
    stream = FakeStream(
        line(stdout=coded(b"a\xff")),
        line(stderr=coded(b"b")) + line(stdout=coded(b"c")),
        line(ok={"status": 3, "reason": ""}),
    )
    ended, printed = run(stream)
    assert ended == Ended(status=3)
    assert printed == [("stdout", b"a\xff"), ("stderr", b"b"), ("stdout", b"c")]


def test_a_program_that_was_ended_says_why() -> None:
    """An exit status alone does not tell a timeout from a program that ends with 124."""
    ended, _ = run(FakeStream(line(ok={"status": 124, "reason": "timeout"})))
    assert ended == Ended(status=124, reason="timeout")


def test_a_program_that_cannot_be_started_is_an_error() -> None:
    """In the agent's words."""
    with pytest.raises(AgentError, match="cannot start"):
        run(FakeStream(line(error="alice: cannot start cat: Permission denied")))


def test_a_connection_that_ends_while_a_program_runs() -> None:
    """What came until then was passed on; the rest is lost, and that is said."""
    with pytest.raises(InstanceError):
        run(FakeStream(line(stdout=coded(b"a"))))


def test_without_input_the_programs_input_is_at_its_end() -> None:
    """The request, and then the end of its input."""
    stream = FakeStream(line(ok={"status": 0, "reason": ""}))
    run(stream, limit=10)
    assert stream.said() == {
        "op": "run",
        "host": "alice",
        "argv": ["cat"],
        "environment": environment(alice()),
        "cwd": "/tmp",
        "seconds": 5,
        "limit": 10,
        "terminal": None,
    }
    assert stream.said() == {"stdin": ""}
    assert stream.sent.empty()


def test_a_program_in_a_terminal_knows_its_size_and_kind() -> None:
    """The size goes with the request and with each change; the kind is in the program's environment."""
    stream = FakeStream(line(ok={"status": 0, "reason": ""}))
    run(stream, terminal=Terminal(lines=24, columns=80, kind="xterm"))
    request = stream.said()
    assert request["terminal"] == [24, 80]
    assert request["environment"] == environment(alice()) | {"TERM": "xterm"}
    assert stream.said() == {"stdin": ""}
    Fabric(stream).resize(Terminal(lines=40, columns=120, kind="xterm"))
    assert stream.said() == {"size": [40, 120]}


def given(pieces: Iterable[bytes | None]) -> Callable[[], bytes | None]:
    """Input that comes in these pieces; asking for more than that is an error."""
    return iter(pieces).__next__


@pytest.mark.parametrize("last", [b"", None])
def test_input_is_passed_on_to_its_end(last: bytes | None) -> None:
    """Piece by piece, and then its end, whichever way that is told; nothing is asked for after it."""
    stream = FakeStream(line(ok={"status": 0, "reason": ""}))
    run(stream, stdin=given([b"one\n", b"\0\xff", last]))
    assert stream.said()["op"] == "run"
    assert [stream.said() for _ in range(3)] == [{"stdin": coded(b"one\n")}, {"stdin": coded(b"\0\xff")}, {"stdin": ""}]


def test_a_router_gets_the_environment_of_its_own() -> None:
    """A program's environment is that of the host it runs in."""
    stream = FakeStream(OK)
    Fabric(stream).start(router(), program="p", argv=("a",), cwd="/")
    assert stream.said()["environment"] == environment(router())
