"""The network of an instance: bridges, links, addresses, rules; and what a host's network stack says of itself.

Scripts arrive as text for ip(8) and nft(8), already complete but for process ids; nothing is decided here.
"""

from __future__ import annotations

import base64
import os
import re
import socket
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import netlink
import offload
import owners
from known import Known
from namespaces import CLONE_NEWIPC, CLONE_NEWNET, AgentError, Place, pids_of, run_tool, setns, unshare

THREADS = 4
NAMED = "/run/netns/segments"
"""the namespace of the segments, where it is one of its own"""
MOST_DATAGRAM = 65535

IPC_TABLES = ("shm", "msg", "sem")
IPC_OPTIONS = {"shm": "--shmem-id", "msg": "--queue-id", "sem": "--semaphore-id"}
IPC_LIMITS = {"shmall": "1024", "msgmni": "8", "sem": "250 2000 32 8"}
"""Settings below kernel. (proc(5), "/proc/sys/kernel"). What lies in these tables fills a host's memory without
being any program's, so ending programs would not free it: 4 MiB of shared memory, a few queues and semaphores."""

WITH_PORTS = (socket.IPPROTO_TCP, socket.IPPROTO_UDP)
CACHED_ROUTES = "/proc/sys/net/ipv4/route/flush"
"""ip-route(8), `flush cache`: whatever is written there"""
CONNTRACK_COUNT = "net.netfilter.nf_conntrack_count"
IPV6_SETTINGS = "/proc/sys/net/ipv6"
"""is there if the kernel has IPv6"""

NOTHING: dict[str, Callable[[], bool]] = {
    "sockets": lambda: netlink.no_sockets(*WITH_PORTS) and netlink.no_raw_sockets(),
    "packet_sockets": netlink.no_packet_sockets,
    "conntrack": lambda: _read_sysctl(CONNTRACK_COUNT) == "0",
}
"""What tells, before a tool is started, that it would have nothing to say."""
LOOKS: dict[str, list[str]] = {
    # -H no header, -n numbers, -a listening too, -O one line each, -e uid and inode
    "sockets": ["ss", "-H", "-n", "-a", "-O", "-e", "-t", "-u", "-w"],
    "packet_sockets": ["ss", "-H", "-n", "-a", "-O", "-e", "-p", "-0"],
    "conntrack": ["conntrack", "-L", "-o", "extended"],
}
RULES = ["nft", "-s", "list", "ruleset"]
"""without what packets have counted"""
DYNAMIC = re.compile(r"^\s*(set|map|meter|flowtable) |@", re.MULTILINE)
"""what packets can fill, in the words of nft(8)"""
IP_LOOKS = {
    "addresses": "addr show",
    "routes": "route show table all",
    "policy": "rule show",
}


class Network:
    """Everything done inside network namespaces, by a few threads that each enter one after the other."""

    def __init__(self) -> None:
        self.outer = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        """this container's own namespace"""
        self.own = self.outer
        """the one that holds the segments; see `apart`"""
        self.threads = ThreadPoolExecutor(THREADS)
        self.known = Known()
        self.counting = threading.Lock()
        """held while counters are told or set to 0"""
        self.refused = ""
        """what nft(8) said of the segments' rules, where a kernel does not take them and the lab can do without"""

    def prepare(self, *, apart: bool) -> None:
        """Make /proc/sys writable here, and the segments' namespace deaf to IPv6: it only carries frames.

        Where this container has a network of its own, what programs of hosts send must not come into it: then the
        segments are `apart`, in a namespace without an address, which nobody listens in.
        """
        run_tool(["mount", "-o", "remount,rw,bind", "/proc/sys"])
        if apart:
            _write_sysctl("net.ipv4.ip_forward", "0")
            unshare(CLONE_NEWNET)
            self.own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            # By a name, for ip(8) here, and for whoever looks: ip -n segments link (ip-netns(8)).
            os.makedirs(os.path.dirname(NAMED), exist_ok=True)
            _write(NAMED, "")
            run_tool(["mount", "--bind", "/proc/self/ns/net", NAMED])
            _write_sysctl("net.ipv4.ip_forward", "0")
        for which in ("all", "default"):
            _write_sysctl(f"net.ipv6.conf.{which}.disable_ipv6", "1")

    def wire(
        self,
        places: dict[str, Place],
        *,
        before: dict[str, dict[str, str]],
        joints: str,
        links: str,
        segments: list[tuple[str, str]],
        rules_needed: bool,
        hosts: dict[str, list[tuple[str, Any]]],
    ) -> str:
        """Set sysctls `before` anything else, make `joints` out of this container's network and the `links`, then carry
        out the steps of the segments, here, and those of each host, in their order.

        A step is ("sysctl", {key: value}), ("ip", text for ip -batch), ("tc" or "bridge", the same),
        ("nft", text for nft -f) or ("ethtool", lines for ethtool(8)). If the segments' rules are not needed, they may
        be refused: what was said.
        """
        list(self.threads.map(self._limit_ipc, places.values()))
        list(self.threads.map(_hide_processes, places.values()))
        list(self.threads.map(lambda name: self._host_steps(places[name], [("sysctl", before[name])]), before))
        pids = {name: str(place.pid) for name, place in places.items()}
        text = re.sub(r"\{pid:([^}]+)\}", lambda found: pids[found[1]], links)
        if joints:
            self.threads.submit(self._steps, self.outer, [("ip", joints)]).result()
        self.threads.submit(self._steps, self.own, [("ip", text)]).result()
        for step in segments:
            try:
                self.threads.submit(self._steps, self.own, [step]).result()
            except AgentError as error:
                # A ruleset is taken as a whole or not at all (nft(8), -f): nothing is left to be removed.
                if rules_needed or step[0] != "nft":
                    raise
                self.refused = str(error)
        list(self.threads.map(lambda name: self._host_steps(places[name], hosts[name]), hosts))
        return self.refused

    def _limit_ipc(self, place: Place) -> None:
        setns(place.ipc, CLONE_NEWIPC)
        for key, value in IPC_LIMITS.items():
            _write(f"/proc/sys/kernel/{key}", value)

    def _host_steps(self, place: Place, steps: list[tuple[str, Any]]) -> None:
        try:
            self._steps(place.net, steps)
        except AgentError as error:
            raise AgentError(f"{place.name}: {error}") from error

    def _steps(self, namespace: int, steps: list[tuple[str, Any]]) -> None:
        setns(namespace, CLONE_NEWNET)
        for kind, what in steps:
            if kind == "sysctl":
                for key, value in what.items():
                    _write_sysctl(key, value)
            elif kind in ("ip", "tc", "bridge"):
                run_tool([kind, "-batch", "-"], text=what)
            elif kind == "nft":
                run_tool(["nft", "-f", "-"], text=what)
            elif kind == "ethtool":
                offload.switch(what)
            else:
                raise AgentError(f"unknown step {kind!r}")

    def own_addresses(self) -> str:
        """The addresses in this container's own network namespace, as text of ip(8) in JSON."""
        return self.threads.submit(self._look_at_own).result()

    def _look_at_own(self) -> str:
        setns(self.outer, CLONE_NEWNET)
        return run_tool(["ip", "-j", "addr", "show"])

    def segments(self) -> dict[str, str]:
        """What is carried out on the segments: their rules with what these have counted, and their queues.

        `refused` is why there are no rules, "" if there are.
        """
        return self.threads.submit(self._look_here).result()

    def _look_here(self) -> dict[str, str]:
        setns(self.own, CLONE_NEWNET)
        with self.counting:
            # While they are not set to 0, counters only grow, so that none was another one in between.
            rules = "" if self.refused else self.known.told("segments", netlink.counted, _counted_rules, keep=True)
        queues = run_tool(["tc", "-j", "qdisc", "show"]) if netlink.queues_of("netem") else "[]"
        return {"rules": rules, "queues": queues, "refused": self.refused}

    def count_anew(self) -> None:
        """Set every counter of the segments to 0."""
        if not self.refused:
            self.threads.submit(self._count_anew).result()

    def _count_anew(self) -> None:
        setns(self.own, CLONE_NEWNET)
        with self.counting:
            netlink.count_anew()

    def look(
        self,
        places: dict[str, Place],
        what: list[str],
        sysctls: list[str],
        own: Collection[int] = (),
        *,
        quiet: bool = False,
    ) -> dict[str, dict[str, str]]:
        """For every host the text of each thing asked for, without our `own` packet sockets, given by their inodes.

        `quiet` says that no program runs in any host, which could change something while it is looked at.
        """
        answers = self.threads.map(lambda place: self._look(place, what, sysctls, quiet), places.values())
        if own and "packet_sockets" in what:
            return {
                name: found | {"packet_sockets": _without(own, found["packet_sockets"])}
                for name, found in zip(places, answers, strict=True)
            }
        return dict(zip(places, answers, strict=True))

    def _look(self, place: Place, what: list[str], sysctls: list[str], quiet: bool) -> dict[str, str]:
        setns(place.net, CLONE_NEWNET)
        found = {name: _told(name) for name in what if name in LOOKS}
        if "owners" in what:
            found["owners"] = _owners(place)
        if "rules" in what:
            found["rules"] = self._rules(place)
        wanted = [name for name in what if name in IP_LOOKS]
        if wanted:
            tell = partial(_addresses, wanted)
            found |= self.known.told((place, *wanted), netlink.addresses, tell, keep=quiet)
        if "sysctls" in what:
            found["sysctls"] = "".join(f"{key} = {_read_sysctl(key)}\n" for key in sysctls)
        if "conntrack_count" in what:
            found["conntrack_count"] = _read_sysctl(CONNTRACK_COUNT)
        if "ipc" in what:
            setns(place.ipc, CLONE_NEWIPC)
            found["ipc"] = "\n".join(_ipc_objects())
        return found

    def _rules(self, place: Place) -> str:
        if netlink.no_rules():
            return ""
        text = self.known.told((place, "rules"), netlink.generation, partial(run_tool, RULES), keep=True)
        # Packets may have changed what is in a set since.
        return run_tool(RULES) if DYNAMIC.search(text) else text

    def query(self, queries: list[tuple[Place, str, int, bytes]], seconds: float) -> list[str | None]:
        """Send a UDP datagram from each host to an address and port; what came back of it in time, as base64.

        Only an answer from that very address and port counts, because the socket is connected (udp(7)).
        """
        return list(self.threads.map(lambda one: _query(*one, seconds=seconds), queries))

    def close_sockets(self, places: dict[str, Place], queues: list[tuple[str, str]]) -> None:
        """Close every socket, and empty what waits on segments by the steps of `queues`.

        That is done in all hosts before anything is forgotten: a socket that is closed still sends a packet, which
        would fill the tables of another host again. So would one that waits on a segment.
        """
        list(self.threads.map(self._close_sockets, places.values()))
        self.threads.submit(self._steps, self.own, queues).result()

    def forget(self, places: dict[str, Place], gateways: list[str]) -> None:
        """Empty every table that traffic fills."""
        list(self.threads.map(lambda place: self._forget(place, place.name in gateways), places.values()))

    def _close_sockets(self, place: Place) -> None:
        setns(place.net, CLONE_NEWNET)
        if not netlink.no_sockets(*WITH_PORTS):
            run_tool(["ss", "-K", "-H", "-n", "-a", "-t", "-u"], check=False)

    def _forget(self, place: Place, is_gateway: bool) -> None:
        setns(place.net, CLONE_NEWNET)
        try:
            netlink.forget_neighbours()
            netlink.forget_tcp_metrics()
            _write(CACHED_ROUTES, "-1")
            if is_gateway:
                netlink.forget_connections()
        except OSError as error:
            raise AgentError(f"{place.name}: what traffic has filled cannot be emptied: {error.strerror}") from error
        if os.path.isdir(IPV6_SETTINGS) and netlink.has_cached_routes6():
            # What was heard of smaller packets on a path (RFC 8201).
            run_tool(["ip", "-6", "route", "flush", "cache"])
        setns(place.ipc, CLONE_NEWIPC)
        left = [line.split() for line in _ipc_objects()]
        if left:
            # By their numbers: `ipcrm --all` passes over those that only their owner may read (ipc(2)).
            run_tool(["ipcrm", *(word for table, number in left for word in (IPC_OPTIONS[table], number))])


def _told(what: str) -> str:
    """What a tool tells of the namespace that this thread is in."""
    nothing = NOTHING.get(what)
    return "" if nothing is not None and nothing() else run_tool(LOOKS[what])


def _owners(place: Place) -> str:
    """The sockets of a host, each with the processes that hold it."""
    rows = _told("sockets")
    shown = owners.told(rows, pids_of(place)) if rows else rows
    return run_tool([*LOOKS["sockets"], "-p"]) if shown is None else shown


def _addresses(wanted: list[str]) -> dict[str, str]:
    # One process for all of it: starting one costs more than what it does.
    text = run_tool(["ip", "-j", "-batch", "-"], text="".join(f"{IP_LOOKS[name]}\n" for name in wanted))
    return dict(zip(wanted, text.split("\n"), strict=False))


def _counted_rules() -> str:
    return run_tool(["nft", "list", "ruleset"])


def _without(own: Collection[int], rows: str) -> str:
    """The rows of ss(8) that are not of our own sockets, told by this process and the inode.

    A program gives itself any name, but none with a `)` in it (see lab/observe/sockets.py): it cannot hide its row.
    """
    row = re.compile(rf'p_raw [^"]*users:\(\("[^)"]*",pid={os.getpid()},fd=\d+\)\) ino:(\d+) [^"]*')
    lines = ((row.fullmatch(line), line) for line in rows.split("\n"))
    return "\n".join(line for found, line in lines if found is None or int(found[1]) not in own)


def _query(place: Place, address: str, port: int, data: bytes, *, seconds: float) -> str | None:
    setns(place.net, CLONE_NEWNET)
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(seconds)
        try:
            asking.connect((address, port))
            asking.send(data)
            return base64.b64encode(asking.recv(MOST_DATAGRAM)).decode()
        except OSError:  # nobody listens there, there is no way to it, or it keeps silent
            return None


def _hide_processes(place: Place) -> None:
    """Programs see their own processes only (proc(5), hidepid): a trusted command's words may be what is asked."""
    run_tool(["nsenter", f"--mount=/proc/{place.pid}/ns/mnt", "--", "mount", "-o", "remount,hidepid=2", "/proc"])


def _ipc_objects() -> list[str]:
    lines = []
    for table in IPC_TABLES:
        with open(f"/proc/sysvipc/{table}", encoding="utf-8") as file:
            lines += [f"{table} {line.split()[1]}" for line in file.readlines()[1:]]
    return lines


def _path(key: str) -> str:
    """A setting's file. Raises AgentError for a name that leads out of net/: what lies there is the machine's."""
    # sysctl(8): dots separate, and a slash stands for a dot inside a name (an interface such as eth0.5).
    parts = key.translate(str.maketrans("./", "/.")).split("/")
    if parts[0] != "net" or {"", ".", ".."} & set(parts):
        raise AgentError(f"sysctl {key}: expected the name of a setting of the host's network")
    return "/proc/sys/" + "/".join(parts)


def _write_sysctl(key: str, value: str) -> None:
    if key.startswith("net.ipv6.") and not os.path.isdir(IPV6_SETTINGS):
        return  # a kernel without IPv6: what a lab needs of it is missed when the addresses are looked at
    try:
        _write(_path(key), value)
    except OSError as error:
        raise AgentError(f"sysctl {key} = {value}: {error.strerror}") from error


def _write(path: str, value: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(value)


def _read_sysctl(key: str) -> str:
    try:
        with open(_path(key), encoding="utf-8") as file:
            return " ".join(file.read().split())
    except OSError as error:
        return f"unreadable: {error.strerror}"
