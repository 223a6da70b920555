"""Segments: packets are lost as often as declared, counted once, and as long as a wire's."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from functools import partial

import pytest

from lab import images, instances, labfiles, live
from lab.engine import Engine
from lab.errors import NotPristineError, NotUpError
from lab.live import Instance
from lab.segments import Packets, Segment
from lab.wiring import impairments
from tests.live.support import LABS, PROGRAMS, command_line, said_by_helper, until

FAMILIES = {4: "192.0.2.80", 6: "2001:db8:1::80"}
MANY = 4000

BLAST = """
import socket, sys
address, count = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(count):
    s.sendto(b"x", (address, 9000))
"""
COUNT = """
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
s.bind(("::", 9000))
print("ready", flush=True)
seen = 0
while True:
    s.recv(16)
    seen += 1
    print(seen, flush=True)
"""
TRANSFER = """
import hashlib, socket, struct, sys
role, address = sys.argv[1:3]
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
if role == "receive":
    s.bind((address, 9001))
    s.listen()
    print("ready", flush=True)
    c, _ = s.accept()
    digest = hashlib.sha256()
    while data := c.recv(65536):
        digest.update(data)
    print(digest.hexdigest(), flush=True)
else:
    data = bytes(range(256)) * 1024
    s.connect((address, 9001))
    s.sendall(data)
    s.shutdown(socket.SHUT_WR)
    s.recv(1)
    # struct tcp_info of linux/tcp.h: tcpi_total_retrans
    print(hashlib.sha256(data).hexdigest(), struct.unpack_from("I", s.getsockopt(socket.IPPROTO_TCP, 11, 104), 100)[0])
"""


def segment(lab: Instance, name: str) -> Segment:
    """One network as it is now."""
    return next(one for one in lab.segments() if one.network.name == name)


@pytest.mark.instance("lossy")
@pytest.mark.parametrize("family", FAMILIES)
def test_one_datagram_in_ten_is_lost_and_every_one_is_counted_once(lab: Instance, family: int) -> None:
    """Of so many datagrams each has passed or is lost; the receiver got exactly those that have passed.

    The bounds are six standard deviations away.
    """
    lab.start("server", ["python3", "-c", COUNT], name="count")
    until(lambda: lab.output("server", "count").text, wanted=lambda text: b"ready" in text, what="a receiver")
    for _ in range(8):  # in pieces that fit into a queue of the kernel
        lab.run("alice", ["python3", "-c", BLAST, FAMILIES[family], str(MANY // 8)])
    seen = segment(lab, "wire")
    assert seen.passed.udp + seen.lost.udp == MANY
    assert MANY * 0.1 - 6 * 19 < seen.lost.udp < MANY * 0.1 + 6 * 19
    assert (seen.passed.tcp, seen.passed.other, seen.lost.tcp, seen.lost.other) == (0, 0, 0, 0)
    until(
        lambda: lab.output("server", "count").text.split()[-1],
        wanted=lambda last: int(last) == seen.passed.udp,
        what=f"{seen.passed.udp} datagrams",
    )


@pytest.mark.instance("lossy")
@pytest.mark.parametrize("family", FAMILIES)
def test_both_directions_lose_and_neighbours_are_found(lab: Instance, family: int) -> None:
    """An answer is lost as a question is: of n pings about 0.9 × 0.9 come back. No neighbour is ever unreachable."""
    text = lab.run("alice", ["ping", "-q", "-c", "1000", "-i", "0.002", FAMILIES[family]], seconds=60).stdout.decode()
    found = re.search(r"(\d+) packets transmitted, (\d+) received", text)
    assert found is not None, text
    assert (int(found[1]), "errors" in text) == (1000, False)
    assert 1000 * 0.81 - 6 * 12.4 < int(found[2]) < 1000 * 0.81 + 6 * 12.4
    seen = segment(lab, "wire")
    # Whether a question was lost or its answer: each lost packet is one that did not come back, and no other is.
    assert int(found[2]) == 1000 - seen.lost.other


@pytest.mark.instance("lossy")
@pytest.mark.parametrize("family", FAMILIES)
def test_tcp_arrives_whole_and_counts_what_it_sent_again(lab: Instance, family: int) -> None:
    """Bytes arrive as they were sent; what was lost was sent again, and never as one frame of many packets."""
    lab.start("server", ["python3", "-c", TRANSFER, "receive", FAMILIES[family]], name="receive")
    until(lambda: lab.output("server", "receive").text, wanted=lambda text: b"ready" in text, what="a receiver")
    words = lab.run("alice", ["python3", "-c", TRANSFER, "send", FAMILIES[family]], seconds=60).stdout.split()
    digest, again = words[0], int(words[1])
    until(lambda: lab.output("server", "receive").text, wanted=lambda text: digest in text, what="the same bytes")
    seen = segment(lab, "wire")
    least = 256 * 1024 // 1460  # segments of an Ethernet's MTU
    assert seen.passed.tcp > least
    assert seen.lost.tcp > 0
    # After a time-out TCP sends again what has arrived too (RFC 9293, 3.8.1): as many as it says, each a packet of
    # its own beside those that are sent for the first time.
    assert 0 < again <= seen.passed.tcp + seen.lost.tcp - least


@pytest.mark.instance("ports")
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_no_frame_is_longer_than_a_wires(lab: Instance, protocol: str) -> None:
    """A large write of TCP, and forty datagrams in one call (udp(7), UDP_SEGMENT), are as many packets as they need."""
    script = {
        "tcp": """
import socket
a = socket.socket()
a.connect(("192.0.2.10", 9001))
a.sendall(bytes(1 << 20))
a.shutdown(socket.SHUT_WR)
a.recv(1)
""",
        "udp": """
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("192.0.2.10", 9001))
s.sendmsg([bytes(1000) * 40], [(17, 103, struct.pack("H", 1000))])
""",
    }[protocol]
    if protocol == "tcp":
        lab.start("server", ["python3", "-c", TRANSFER, "receive", "192.0.2.10"], name="receive")
        until(lambda: lab.output("server", "receive").text, wanted=lambda text: b"ready" in text, what="a receiver")
    assert lab.run("ann", ["python3", "-c", script]).ended.status == 0
    passed = segment(lab, "left").passed
    if protocol == "tcp":
        assert passed.tcp >= (1 << 20) // 1460
    else:
        assert passed.udp == 40


@pytest.mark.instance("labs/all-is-lost.yaml")
def test_everything_may_be_lost(lab: Instance) -> None:
    """At 100 % nothing passes; the network beside it loses nothing."""
    assert lab.run("alice", ["ping", "-q", "-c", "5", "-i", "0.01", "-W", "1", "192.0.2.80"]).ended.status == 1
    assert lab.run("alice", ["ping", "-q", "-c", "5", "-i", "0.01", "-W", "1", "198.51.100.80"]).ended.status == 0
    assert segment(lab, "bad").lost == Packets(other=5)
    assert segment(lab, "bad").passed == Packets()
    assert segment(lab, "good").passed == Packets(other=10)


@pytest.mark.instance("labs/past-loss.yaml")
def test_no_odd_frame_passes_uncounted(lab: Instance) -> None:
    """Ethertypes that are not IP's, tags, and what only begins like ARP or neighbour discovery: lost and counted.

    On the network beside it all of them arrive; and where all is lost neighbours are found nevertheless.
    """
    content = (PROGRAMS / "odd_frames.py").read_bytes()
    for host in ("maker", "hearer"):
        cwd = lab.deploy(host, folder="odd", files={"odd_frames.py": content})
    for interface, network in (("eth0", "bad"), ("eth1", "good")):
        lab.start("hearer", ["python3", "odd_frames.py", "hear", interface], name=network, cwd=cwd)
        until(partial(lab.output, "hearer", network), wanted=lambda said: bool(said.text), what="somebody who hears")
        sent = int(lab.run("maker", ["python3", "odd_frames.py", "send", interface], cwd=cwd).stdout)
    until(
        lambda: lab.output("hearer", "good").text.split(),
        wanted=lambda words: len(words) == 1 + sent,
        what="every frame on the good network",
    )
    assert lab.output("hearer", "bad").text == b"ready\n"
    assert (segment(lab, "bad").lost, segment(lab, "bad").passed) == (Packets(other=sent), Packets())
    assert segment(lab, "good").passed == Packets(other=sent)
    for address in ("192.0.2.80", "2001:db8:1::80"):
        lab.run("maker", ["ping", "-q", "-c", "1", "-W", "1", address])
        found = lab.run("maker", ["ip", "neighbour", "show", address]).stdout
        assert b"lladdr" in found, found
    assert segment(lab, "bad").lost == Packets(other=sent + 2)


SECRET = """
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind((sys.argv[1], 3))
print("ready", flush=True)
while True:
    data, address = s.recvfrom(2000)
    if b"a word" in data and address[2] != socket.PACKET_OUTGOING: print("heard", address[2], flush=True)
"""


@pytest.mark.instance("labs/past-loss.yaml")
def test_nobody_gets_what_is_for_another(lab: Instance) -> None:
    """A host that sent in another's name, and in hundreds more, still hears what is for itself only.

    The bridges have learned nothing.
    """
    before = forwarding(lab)
    content = (PROGRAMS / "named_as_others.py").read_bytes()
    cwd = lab.deploy("maker", folder="named", files={"named_as_others.py": content})
    server = lab.wiring.command("hearer", ("cat", "/sys/class/net/eth1/address"), seconds=5).stdout.decode().strip()
    assert lab.run("maker", ["python3", "named_as_others.py", "eth1", server], cwd=cwd).ended.status == 0
    assert forwarding(lab) == before
    assert len([line for line in before if "static" in line]) == 6
    for host in ("maker", "hearer"):
        lab.start(host, ["python3", "-c", SECRET, "eth1"], name="secret")
        until(partial(lab.output, host, "secret"), wanted=lambda said: bool(said.text), what="somebody who hears")
    ask = "import socket; socket.socket(socket.AF_INET, 2).sendto(b'a word', ('198.51.100.80', 9))"
    assert lab.run("third", ["python3", "-c", ask]).ended.status == 0
    until(
        partial(lab.output, "hearer", "secret"), wanted=lambda said: said.text == b"ready\nheard 0\n", what="the word"
    )
    tell = ask.replace("198.51.100.80", "198.51.100.10")
    assert lab.run("third", ["python3", "-c", tell]).ended.status == 0
    until(
        partial(lab.output, "maker", "secret"),
        wanted=lambda said: said.text == b"ready\nheard 0\n",
        what="its word",
    )


def forwarding(lab: Instance) -> list[str]:
    """What the bridges of an instance know (bridge(8))."""
    return sorted(said_by_helper(lab, "bridge", "fdb", "show").decode().splitlines())


@pytest.mark.instance("lossy")
def test_a_reset_counts_anew(lab: Instance) -> None:
    """After a reset nothing was counted; a reset of some hosts leaves what all have sent."""
    lab.run("alice", ["ping", "-q", "-c", "50", "-i", "0.002", "192.0.2.80"])
    before = segment(lab, "wire")
    assert before.passed.other > 0
    lab.reset(["alice"])
    assert segment(lab, "wire").passed.other >= before.passed.other
    lab.reset()
    assert segment(lab, "wire").passed == segment(lab, "wire").lost == Packets()


@pytest.mark.instance("lossy")
def test_a_reset_that_finds_other_rules_is_not_proven(lab: Instance, fabric: Callable[[str], None]) -> None:
    """Rules that somebody changed in the helper are told; once they are as they were, a reset can be proven again."""
    fabric("flush chain netdev socketlab n0")
    try:
        with pytest.raises(NotPristineError, match="the segments: "):
            lab.reset()
    finally:
        fabric("\n".join(("flush ruleset", *impairments.rules(lab.lab))))
    lab.reset()


@pytest.fixture
def fabric(lab: Instance) -> Callable[[str], None]:
    """Run nft(8) with some lines in the instance's helper, as only whoever has the engine can."""

    def run(lines: str) -> None:
        assert said_by_helper(lab, "sh", "-c", f"nft -f - <<'END'\n{lines}\nEND\necho done") == b"done\n"

    return run


def test_a_delay_is_there_or_told_of(engine: Engine, refs: dict[str, str]) -> None:
    """With netem the lab comes up and is slow; without, the message names the key and the module, and nothing is left.

    Which of the two a machine is, is seen by trying.
    """
    name = f"test-delay-{os.getpid()}"
    described = labfiles.load(str(LABS / "slow.yaml"))
    failed: NotUpError | None = None
    try:
        with live.up(engine, described, name=name, images=refs, say=lambda _: None) as lab:
            text = lab.run("alice", ["ping", "-q", "-c", "3", "-i", "0.1", "192.0.2.80"]).stdout.decode()
            found = re.search(r"rtt min/avg/max/mdev = [0-9.]+/([0-9.]+)/", text)
            assert found is not None
            assert float(found[1]) >= 90  # fifty milliseconds each way, but for what overtakes
            lab.reset()
        instances.down(engine, name)
    except NotUpError as error:
        failed = error
    assert not [one for one in instances.running(engine) if one.name == name]
    if failed is not None:
        assert "networks.wire.x-lab.delay: expected a kernel that delays" in failed.message
        assert "sch_netem" in failed.message
        assert "modprobe sch_netem" in failed.hint


@pytest.fixture
def refs(engine: Engine) -> dict[str, str]:
    """The images of today."""
    return images.ensure(engine, say=lambda _: None)


def test_a_kernel_that_refuses_the_rules(engine: Engine, refs: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A lab that loses nothing comes up and is reset without counters, and says so; one that does is told the key.

    The kernel at hand has the hook. A name that there is not is refused by nft(8) as a hook that is missing is.
    """
    monkeypatch.setattr(impairments, "HOOK", "nowhere")
    name, told = f"test-refused-{os.getpid()}", list[str]()
    try:
        with live.up(engine, labfiles.load("nat"), name=name, images=refs, say=told.append) as lab:
            assert any("not counted" in one and "NETFILTER_INGRESS" in one and "Error:" in one for one in told)
            lab.run("alice", ["ping", "-c", "1", "203.0.113.80"])
            assert {one.counts for one in lab.segments()} == {None}
            lab.reset()
            lab.reset(["alice"])
        assert command_line("segments", "--name", name).stdout.decode().count("not counted") == 4
        with pytest.raises(NotUpError, match=r"^networks\.wire\.x-lab\.loss: .*NFT_NUMGEN, observed: Error: "):
            live.up(engine, labfiles.load("lossy"), name=f"{name}-lossy", images=refs, say=lambda _: None)
    finally:
        instances.down(engine, name)
    assert not [one for one in instances.running(engine) if one.name.startswith(name)]


@pytest.mark.instance("lossy")
def test_the_command(lab: Instance) -> None:
    """`lab segments` shows every network, as a table or as JSON."""
    done = command_line("segments", "--name", lab.name, "--json")
    (found,) = json.loads(done.stdout)
    assert (found["network"], found["hosts"], found["loss"]) == ("wire", ["alice", "server"], 0.1)
    assert found["passed"] == {"tcp": 0, "udp": 0, "other": 0}
    table = command_line("segments", "--name", lab.name).stdout.decode()
    assert "loss 10%" in table
