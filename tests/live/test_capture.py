"""Packets seen from outside: every one, once, in order, at hosts and on networks, whatever programs do."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from lab import images, instances, live, pcapng
from lab.engine import Engine
from lab.errors import AgentError, UsageError
from lab.live import Instance
from lab.observe.dns import messages, queries
from lab.observe.packets import Packet, PacketKind, connections, retransmissions
from lab.plan import Container
from lab.recordings import Capture
from tests.engines.beside import BUILDER
from tests.live.support import PROGRAMS, command_line, until

CLIENT = ["python3", "echo_client/echo_client.py", "203.0.113.80", "65432"]
EVERYWHERE = ["alice", "home", "router", "internet", "server"]
PING = ["ping", "-c", "1", "-W", "2"]


def run_file(lab: Instance, host: str, file: str, *arguments: object) -> bytes:
    """Run one of tests/live/programs to its end; what it printed."""
    cwd = lab.deploy(host, folder="run", files={file: (PROGRAMS / file).read_bytes()})
    printed = lab.run(host, ["python3", file, *map(str, arguments)], cwd=cwd)
    assert printed.ended.status == 0, printed.stderr
    return printed.stdout


def way(one: Packet) -> tuple[str, str, bool | None]:
    """Where a packet was seen, and whether the host sent it."""
    return one.point, one.interface, one.outgoing


# -------------------------------------------------------------------------------------- what is seen


def test_a_handshake_passes_every_point_in_order(lab: Instance) -> None:
    """Each of its three packets is seen once at the client, on its network, at both sides of the gateway, and so on."""
    with lab.capture(EVERYWHERE) as capture:
        lab.run("alice", [*CLIENT, "5555"])
    to_server = [
        ("alice", "eth0", True),
        ("home", "home", None),
        ("router", "eth0", False),
        ("router", "eth1", True),
        ("internet", "internet", None),
        ("server", "eth0", False),
    ]
    to_alice = [(point, name, None if out is None else not out) for point, name, out in reversed(to_server)]
    tcp = [one for one in capture.packets if one.kind is PacketKind.TCP]
    assert [(way(one), one.words) for one in tcp[:18]] == [
        *((place, "SYN") for place in to_server),
        *((place, "SYN ACK") for place in to_alice),
        *((place, "ACK") for place in to_server),
    ]
    assert capture.dropped == 0
    assert all(one.handshake and not one.retransmissions for one in connections(tcp))


def test_the_gateway_shows_a_packet_before_and_after_its_translation(lab: Instance) -> None:
    """Inside it has alice's address and port, outside the ones that the gateway's table says."""
    with lab.capture(["router"]) as capture:
        lab.run("alice", [*CLIENT, "5555"])
    (entry,) = lab.translations("router")
    inside, outside = (one for one in capture.packets if one.flags == {"SYN"})
    assert inside.ends[0] == entry.inside == (ip_address("192.168.1.100"), 5555)
    assert outside.ends[0] == entry.outside
    assert outside.ends[1] == inside.ends[1] == entry.peer
    assert (inside.interface, outside.interface) == ("eth0", "eth1")


def test_loopback_is_seen_once(lab: Instance) -> None:
    """What a host says to itself goes over lo, out and in again, and is one packet."""
    with lab.capture(["alice", "home"]) as capture:
        assert lab.run("alice", [*PING, "127.0.0.1"]).ended.status == 0
    assert [(way(one), one.icmp_type) for one in capture.packets] == [
        (("alice", "lo", None), 8),
        (("alice", "lo", None), 0),
    ]


ASK = """
import socket, sys
for name in sys.argv[1:]:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(0.2); s.connect(("192.168.1.53", 53))
    q = bytes.fromhex("000701000001000000000000") + bytes([len(name)]) + name.encode() + bytes.fromhex("0000010001")
    for _ in range(2):
        s.send(q)
        try: s.recv(100)
        except OSError: continue
        break
try: socket.create_connection(("192.168.1.53", 80))
except OSError: pass
"""


@pytest.mark.instance("labs/asked.yaml")
def test_names_asked_are_told_in_order_with_connections(lab: Instance, start: Callable[..., None]) -> None:
    """A question that is lost is sent again; an answer has its code and its records' TTL; a SYN comes after them."""
    start("names", "fixed_dns.py", "192.168.1.53", 53, name="dns")
    until(lambda: lab.output("names", "dns").text, wanted=bool, what="a server that is bound")
    with lab.capture(["asker"]) as capture:
        lab.run("asker", ["python3", "-c", ASK, "www", "nobody", "lost"])
    found = queries(capture.packets)
    assert [(one.name, one.answer.rcode if one.answer else None) for one in found] == [
        ("www.", "NOERROR"),
        ("nobody.", "NXDOMAIN"),
        ("lost.", None),
        ("lost.", None),
    ]
    first = found[0]
    assert (str(first.asker), str(first.server), first.type, first.id) == ("192.168.1.10", "192.168.1.53", "A", 7)
    assert first.answer is not None
    assert first.answer.authoritative
    assert [(one.ttl, one.text) for one in first.answer.records] == [(60, "192.0.2.1")]
    syn = next(one for one in capture.packets if one.flags == {"SYN"})
    times = [first.time, first.answer.time, *(one.time for one in found[1:]), syn.time]
    assert times == sorted(times)


IN_FRAGMENTS = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asked = bytes.fromhex("00070100000100000000000103777777000001000100002904d0000000000644000c0640") + bytes(1600)
s.sendto(asked, ("192.168.1.53", 53))
"""


@pytest.mark.instance("labs/asked.yaml")
def test_a_question_in_fragments_is_told(lab: Instance) -> None:
    """One with padding that no frame holds is a question at whoever sends it and on the network."""
    with lab.capture(["asker", "names"]) as capture:
        lab.run("asker", ["python3", "-c", IN_FRAGMENTS])
    assert [one.fragment for one in capture.packets if one.point == "names" and one.kind is PacketKind.UDP] == [
        True
    ] * 2
    found = {one.point: (one.name, one.id, one.unreadable) for one in queries(capture.packets)}
    assert found == {"asker": ("www.", 7, ""), "names": ("www.", 7, "")}


# ---------------------------------------------------------------------------------------- how it runs


def test_what_is_so_far_is_complete(lab: Instance) -> None:
    """Whatever a program sent before it ended is there at once; the capture goes on."""
    with lab.capture(["alice", "server"]) as capture:
        assert capture.so_far() == ()
        for number in range(1, 20):
            lab.run("alice", [*PING, "203.0.113.80"])
            echoes = [one for one in capture.so_far() if one.kind is PacketKind.ICMP]
            assert len(echoes) == 4 * number
    assert len([one for one in capture.packets if one.kind is PacketKind.ICMP]) == 76


def test_two_captures_at_once_do_not_know_of_each_other(lab: Instance) -> None:
    """Each has its own points and its own time."""
    with lab.capture(["alice"]) as first:
        lab.run("alice", [*PING, "203.0.113.80"])
        with lab.capture(["alice", "bob"]) as second:
            lab.run("alice", [*PING, "203.0.113.80"])
    assert len([one for one in first.packets if one.kind is PacketKind.ICMP]) == 4
    assert len([one for one in second.packets if one.kind is PacketKind.ICMP]) == 2


def test_a_large_capture_comes_whole(lab: Instance) -> None:
    """More than 20 MiB of frames: every one that was sent, in its order."""
    with lab.capture(["internet"]) as capture:
        sent = int(run_file(lab, "stranger", "flood.py", "203.0.113.80", 1400, 1.5))
    found = [one for one in capture.packets if one.kind is PacketKind.UDP and one.destination_port == 9]
    assert len(found) + capture.dropped >= sent
    assert sum(one.length for one in found) > 20 * 1024 * 1024
    assert [one.time for one in found] == sorted(one.time for one in found)


def test_a_flood_is_counted_and_the_helper_lives(lab: Instance) -> None:
    """Beyond the limit frames are counted as dropped; what came first is kept, and the instance goes on."""
    with lab.capture(["server", "internet"], limit=1 << 20) as capture:
        lab.run("stranger", [*PING, "203.0.113.80"])
        sent = int(run_file(lab, "stranger", "flood.py", "203.0.113.80", 1000, 1))
    assert capture.dropped > sent
    assert capture.packets[0].kind in (PacketKind.ARP, PacketKind.ICMP)
    assert sum(one.length for one in capture.packets) <= 1 << 20
    lab.reset()


def test_what_was_read_makes_room(lab: Instance) -> None:
    """A capture that is followed goes on beyond its limit; one that is not keeps the first, and counts the others."""
    followed: list[Packet] = []
    with lab.capture(["alice"], limit=60_000) as capture, lab.capture(["alice"], limit=60_000) as other:
        for _ in range(60):
            lab.run("alice", [*PING, "-s", "1000", "203.0.113.80"])
            followed += capture.new()
    followed += capture.new()
    echoes = [one for one in followed if one.kind is PacketKind.ICMP]
    assert [one.icmp_type for one in echoes] == [8, 0] * 60
    assert capture.dropped == 0
    assert len(other.packets) + other.dropped == len(followed)
    assert other.packets == tuple(followed[: len(other.packets)])


def test_a_reset_does_not_end_a_capture(lab: Instance) -> None:
    """It is proven all the same: our own sockets are not the hosts'."""
    with lab.capture(["alice", "router"]) as capture:
        lab.run("alice", [*PING, "203.0.113.80"])
        lab.reset()
        lab.run("alice", [*PING, "203.0.113.80"])
        assert lab.look(["packet_sockets"], ["alice"])["alice"].sockets == ()
    echoes = [one for one in capture.packets if one.kind is PacketKind.ICMP and one.point == "alice"]
    assert [one.icmp_type for one in echoes] == [8, 0, 8, 0]


def test_a_client_that_goes_leaves_no_recorder(lab: Instance, engine: Engine) -> None:
    """Its captures end with its connection, so that there may always be new ones."""
    for _ in range(20):
        with live.attach(engine, instances.find(engine, lab.name)) as other:
            capture: Capture = other.capture(["alice"])
            capture.__enter__()
    packets = ("cat", "/proc/net/packet")
    until(
        lambda: lab.wiring.command("alice", packets, seconds=5).stdout.splitlines()[1:],
        wanted=lambda rows: rows == [],
        what="no packet socket in alice",
    )
    with lab.capture(["alice"]):
        assert len(lab.wiring.command("alice", packets, seconds=5).stdout.splitlines()) == 2


def test_there_are_not_too_many_captures(lab: Instance) -> None:
    """Each holds memory of the helper; the one too many is told so, and the others go on."""
    captures = [lab.capture(["alice"]) for _ in range(17)]
    for one in captures[:16]:
        one.__enter__()
    with pytest.raises(AgentError, match="at most 16"):
        captures[16].__enter__()
    for one in captures[:16]:
        one.stop()


@pytest.mark.parametrize(
    ("points", "words"),
    [(["alcie"], "did you mean alice"), (["nothing at all"], "networks: home, internet"), ([], "at least one")],
)
def test_a_point_that_there_is_not_is_named(lab: Instance, points: list[str], words: str) -> None:
    """With what is near it, or all there are."""
    with pytest.raises(UsageError) as caught:
        lab.capture(points)
    assert words in str(caught.value)


@pytest.mark.instance("labs/sniffer.yaml")
def test_hostile_frames_are_only_frames(lab: Instance) -> None:
    """Random bytes from a host that may send them: each is recorded, and nothing that reads them fails.

    Not all pass the bridge, which drops what no stack would take.
    """
    with lab.capture(["sniffer", "home"]) as capture:
        run_file(lab, "sniffer", "hostile_frames.py", 3000)
    assert len([one for one in capture.packets if one.point == "sniffer"]) >= 3000
    assert len([one for one in capture.packets if one.point == "home"]) > 100
    assert capture.dropped == 0
    connections(capture.packets)
    retransmissions(capture.packets)
    messages(capture.packets)
    assert len(capture.pcapng()) > sum(len(one.frame) for one in capture.packets)


# ------------------------------------------------------------------------------------- the command line


def test_the_command_tells_packets(lab: Instance) -> None:
    """A line for each, with hosts' names and relative numbers, as it happens; it ends after so many."""
    command = [sys.executable, "-m", "lab", "capture", "--name", lab.name, "--count", "3", "alice"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        assert process.stderr.readline() == b"capturing at alice until 3 packets or Ctrl-C\n"
        lab.run("alice", [*PING, "192.168.1.1"])
        lab.run("alice", CLIENT)
        lines = process.stdout.read().decode().splitlines()
        assert process.wait(10) == 0
    assert len(lines) == 3
    assert any(line.endswith("icmp echo request id=" + line.rpartition("=")[2]) for line in lines)
    assert any("alice/eth0" in line and "alice → router(192.168.1.1) icmp" in line for line in lines)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_file(lab: Instance, tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C is how a capture ends: the file is whole, and the command says how much is in it."""
    file = tmp_path / "x.pcapng"
    command = [sys.executable, "-m", "lab", "capture", "--name", lab.name, "-o", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert b"capturing at alice, bob, router, server, stranger" in process.stderr.readline()
        lab.run("alice", [*PING, "203.0.113.80"])
        process.send_signal(number)
        assert b"packets in" in process.stderr.read()
        assert process.wait(10) == 0
    assert file.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
    assert "alice → server, seen at router/eth0 incoming".encode() in file.read_bytes()


def test_json_and_pipes(lab: Instance) -> None:
    """One object in a line; a file on standard output; not both."""
    done = command_line("capture", "--name", lab.name, "--seconds", "0.1", "--json")
    assert (done.returncode, [json.loads(line) for line in done.stdout.splitlines()]) == (0, [])
    done = command_line("capture", "--name", lab.name, "--seconds", "0.1", "-o", "-")
    assert done.stdout[:4] == b"\x0a\x0d\x0d\x0a"
    assert command_line("capture", "--name", lab.name, "--json", "-o", "x").returncode == 2
    done = command_line("capture", "--name", lab.name, "-o", "/nonexistent/x")
    assert (done.returncode, b"No such file" in done.stderr) == (2, True)


# ------------------------------------------------------------------------------------------- Wireshark

TSHARK = {
    "Dockerfile": (
        0o644,
        b"""ARG BASE=socketlab/base
FROM ${BASE}
RUN apt-get update \\
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends tshark \\
 && rm -rf /var/lib/apt/lists/*
""",
    )
}


@pytest.fixture(scope="module")
def tshark() -> Iterator[Callable[..., list[str]]]:
    """tshark(1) on a file: in a container of an image that is made once, and used again by later runs."""
    # An engine that the tests were given may reach no packages, and what reads a file is not what is tested.
    with Engine.connect(at=os.environ.get(BUILDER, "")) as engine:
        base = images.ensure(engine, say=lambda _: None)["socketlab/base"]
        tag, label = f"socketlab-test/tshark:{base.rpartition(':')[2]}", ("socketlab.test", "tshark")
        for older in engine.image_tags("=".join(label)) - {tag}:
            engine.remove_image(older)
        if not engine.has_image(tag):
            engine.build(TSHARK, tag=tag, labels=dict([label]), arguments={"BASE": base})
        made = engine.create(
            Container(
                name=f"socketlab-test.tshark-{os.getpid()}",
                image=tag,
                labels=(label,),
                tmpfs=(("/tmp", "size=16m"),),
                command=("sleep", "infinity"),
            )
        )

        def run(file: Path, *arguments: str) -> list[str]:
            data = file.read_bytes()
            # The stream has no end of its own, but the file has.
            script = f"head -c {len(data)} | tshark -r - {shlex.join(arguments)} && echo done"
            stream, said = engine.stream(made, ("sh", "-c", script)), bytearray()
            stream.send(data)
            while piece := stream.receive():
                said += piece
            stream.close()
            *lines, last = said.decode().splitlines()
            assert last == "done", said
            return lines

        try:
            engine.start(made)
            yield run
        finally:
            engine.remove(made)


def test_wireshark_reads_what_is_written(lab: Instance, tshark: Callable[..., list[str]], tmp_path: Path) -> None:
    """Every packet, with its time, interface, direction, comment and the hosts' names."""
    with lab.capture(EVERYWHERE) as capture:
        lab.run("alice", CLIENT)
    file = tmp_path / "x.pcapng"
    capture.write(file)
    fields = ["frame.interface_name", "frame.interface_description", "frame.comment", "frame.time_epoch", "ip.dst_host"]
    flags = [word for field in (*fields, "frame.packet_flags_direction", "tcp.flags.syn") for word in ("-e", field)]
    rows = [line.split("\t") for line in tshark(file, "-T", "fields", *flags, "-N", "nN")]
    assert len(rows) == len(capture.packets)
    assert [row[0] for row in rows] == [pcapng.interface_name(one.point, one.interface) for one in capture.packets]
    assert [row[3] for row in rows] == [f"{one.time // 10**9}.{one.time % 10**9:09d}" for one in capture.packets]
    syns = [row for row in rows if row[6] in ("1", "True")]
    at_router = next(row for row in syns if row[0] == "router/eth1")
    assert at_router[1] == "eth1 of router on internet: 203.0.113.1/24"
    assert at_router[2] == "router → server, seen at router/eth1 outgoing"
    assert (at_router[4], at_router[5]) == ("server", "0x00000002")
    assert next(row for row in syns if row[0] == "home")[1] == "network home 192.168.1.0/24"


@pytest.mark.instance("ports")
def test_wireshark_reads_a_file_of_hosts_with_both_families(
    lab: Instance, tshark: Callable[..., list[str]], tmp_path: Path
) -> None:
    """Every packet over IPv6, with the names of its two hosts, written by the command while it goes on."""
    file = tmp_path / "x.pcapng"
    command = [sys.executable, "-m", "lab", "capture", "--name", lab.name, "--count", "2", "-o", str(file), "server"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert b"capturing at server" in process.stderr.readline()
        assert lab.run("ann", [*PING, "2001:db8:1::11"]).ended.status == 0
        lab.run("ann", [*PING, "192.0.2.10"])
        assert process.wait(20) == 0, process.stderr.read()
    rows = tshark(file, "-T", "fields", "-e", "frame.interface_description", "-e", "frame.comment")
    assert len(rows) == 2
    description, comment = rows[0].split("\t")
    assert description == "eth0 of server on left: 192.0.2.10/24, 2001:db8:1::10/64, 192.0.2.11/24, 2001:db8:1::11/64"
    assert comment.endswith("seen at server/eth0 incoming")
