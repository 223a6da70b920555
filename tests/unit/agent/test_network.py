"""Settings by name: a name is all that a lab file says of where its text is written."""

from __future__ import annotations

import os

import netlink
import network
import pytest
from namespaces import AgentError, Place


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward"),
        ("net.ipv4.conf.eth0/5.rp_filter", "/proc/sys/net/ipv4/conf/eth0.5/rp_filter"),
    ],
)
def test_a_setting_is_a_file_below_net(key: str, path: str) -> None:
    """Dots separate, and a slash is a dot inside a name (sysctl(8))."""
    assert network._path(key) == path


@pytest.mark.parametrize("key", ["net.//.vm.swappiness", "net.ipv4.//.//.kernel.panic", "net./.core", "vm.swappiness"])
def test_no_name_leads_out_of_the_network(key: str) -> None:
    """Two slashes stand for `..`, and beside net/ lie the settings of the whole machine."""
    with pytest.raises(AgentError, match="expected the name of a setting of the host's network"):
        network._path(key)


def test_only_our_own_packet_sockets_are_left_out() -> None:
    """Told by this process and the inode: neither another's row nor a name that looks like ours is hidden."""
    me = os.getpid()
    row = 'p_raw UNCONN 0      0      *:eth0 *    users:(("{name}",pid={pid},fd=7)) ino:{inode} sk:1 cgroup:/ <->'
    ours = row.format(name="python3", pid=me, inode=44)
    others = [
        row.format(name="python3", pid=me, inode=45),
        row.format(name="python3", pid=me + 1, inode=44),
        row.format(name=f'a",pid={me},f', pid=9, inode=44),
        row.format(name="a ino:44 sk:1", pid=9, inode=46),
    ]
    assert network._without({44}, "\n".join([*others[:2], ours, *others[2:], ""])) == "\n".join([*others, ""])


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A kernel that takes no rules at a port: nft(8) fails with its words, and everything else succeeds."""
    ran: list[list[str]] = []

    def run_tool(argv: list[str], *, text: str = "", check: bool = True) -> str:
        del check
        ran.append([*argv, text])
        if argv[0] == "nft":
            raise AgentError(f"{' '.join(argv)}: /dev/stdin:3:8-11: Error: Could not process rule: Not supported")
        return ""

    monkeypatch.setattr(network, "run_tool", run_tool)
    monkeypatch.setattr(network, "setns", lambda *_: None)
    return ran


SEGMENTS = [("nft", "table netdev t {}\n"), ("tc", "qdisc add\n")]


def test_rules_that_only_count_may_be_refused(refusing: list[list[str]]) -> None:
    """All else is carried out, why there are no rules is said, and nobody asks for them or their counters again."""
    found = network.Network()
    refused = found.wire({}, before={}, joints="", links="", segments=SEGMENTS, rules_needed=False, hosts={})
    assert "Error: Could not process rule" in refused
    assert refusing[-1] == ["tc", "-batch", "-", "qdisc add\n"]
    assert found.segments() == {"rules": "", "queues": "[]", "refused": refused}
    found.count_anew()
    assert [one[0] for one in refusing].count("nft") == 1


def test_rules_that_lose_packets_may_not_be_refused(refusing: list[list[str]]) -> None:
    """A lab that declares loss does not come up without it."""
    with pytest.raises(AgentError, match=r"^nft -f -: .*Error: Could not process rule"):
        network.Network().wire({}, before={}, joints="", links="", segments=SEGMENTS, rules_needed=True, hosts={})
    assert refusing[-1][0] == "nft"


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("table ip nat {\n\tchain a {\n\t\tdnat to tcp dport map { 80 : 1.2.3.4 }\n\t}\n}\n", 1),
        ("table ip nat {\n\tset seen {\n\t\ttype ipv4_addr\n\t}\n}\n", 4),
        ("table ip nat {\n\tchain a {\n\t\tadd @seen { ip saddr }\n\t}\n}\n", 4),
    ],
)
def test_rules_that_packets_can_fill_are_told_anew(monkeypatch: pytest.MonkeyPatch, text: str, runs: int) -> None:
    """As long as nobody changes the ruleset all others are told once."""
    ran: list[list[str]] = []
    monkeypatch.setattr(netlink, "no_rules", lambda: False)
    monkeypatch.setattr(netlink, "generation", lambda: b"1")

    def run_tool(argv: list[str]) -> str:
        ran.append(argv)
        return text

    monkeypatch.setattr(network, "run_tool", run_tool)
    found = network.Network()
    place = Place(name="gw", container="c", pid=1, process=-1, net=-1, ipc=-1, pid_namespace=0)
    assert [found._rules(place) for _ in range(3)] == [text] * 3
    assert len(ran) == runs


@pytest.mark.parametrize("count", ["0", "3", "unreadable: No such file or directory"])
def test_a_tool_runs_unless_there_is_nothing(monkeypatch: pytest.MonkeyPatch, count: str) -> None:
    """What cannot be read is no nothing."""
    monkeypatch.setattr(network, "_read_sysctl", lambda _: count)
    monkeypatch.setattr(network, "run_tool", lambda argv: argv[0])
    assert network._told("conntrack") == ("" if count == "0" else "conntrack")
