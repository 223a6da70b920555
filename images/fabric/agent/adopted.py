"""What Docker puts into a host that lives on its networks, taken away; this runs beside that one host.

Docker's resolver listens in the host without being a process of it, answers by rules of its own, and is named in the
host's resolv.conf; addresses that Docker gave stand in its /etc/hosts.
"""

from __future__ import annotations

import ipaddress

from namespaces import CLONE_NEWNET, AgentError, Place, run_tool, setns

HOSTS, RESOLV_CONF = "/etc/hosts", "/etc/resolv.conf"


def adopt(place: Place, *, carriers: list[str], resolver: str, resolv_conf: str) -> None:
    """End the `resolver`, remove every rule, write /etc/resolv.conf, and take the `carriers`' addresses off /etc/hosts.

    Raises AgentError where this kernel does not let sockets be closed.
    """
    setns(place.net, CLONE_NEWNET)
    run_tool(["nft", "flush", "ruleset"])
    run_tool(["ss", "-K", "-H", "-n", "-a", "-t", "-u", "src", resolver], check=False)
    if left := run_tool(["ss", "-H", "-n", "-a", "-t", "-u", "src", resolver]).strip():
        raise AgentError(
            f"{place.name}: expected nothing to listen on {resolver}, observed {left}: "
            "sockets are closed only by a kernel with the option INET_DIAG_DESTROY"
        )
    # Both are one file here and there: who joins a host's network has its files in place of his own.
    subnets = [ipaddress.ip_network(one) for one in carriers]
    with open(HOSTS, encoding="utf-8") as file:
        kept = [line for line in file if not _is_of(subnets, line)]
    _rewrite(HOSTS, "".join(kept))
    _rewrite(RESOLV_CONF, resolv_conf)


def _is_of(subnets: list[ipaddress.IPv4Network | ipaddress.IPv6Network], line: str) -> bool:
    try:
        address = ipaddress.ip_address(line.split()[0])
    except (ValueError, IndexError):
        return False
    return any(address in subnet for subnet in subnets)


def _rewrite(path: str, text: str) -> None:
    run_tool(["mount", "-o", "remount,rw,bind", path])
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    finally:
        run_tool(["mount", "-o", "remount,ro,bind", path])
