"""Settings by name: a name is all that a lab file says of where its text is written."""

from __future__ import annotations

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
