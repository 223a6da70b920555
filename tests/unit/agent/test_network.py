"""Settings by name: a name is all that a lab file says of where its text is written."""

from __future__ import annotations

import os

import network
import pytest
from namespaces import AgentError


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
