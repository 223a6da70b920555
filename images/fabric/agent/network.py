"""The network of an instance: bridges, links, addresses, rules; and what a host's network stack says of itself.

Scripts arrive as text for ip(8) and nft(8), already complete but for process ids; nothing is decided here.
"""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor

from namespaces import CLONE_NEWIPC, CLONE_NEWNET, AgentError, Place, run_tool, setns

THREADS = 4

IPC_TABLES = ("shm", "msg", "sem")

LOOKS: dict[str, list[str]] = {
    # -H no header, -n numbers, -a listening too, -O one line each, -e uid and inode
    "sockets": ["ss", "-H", "-n", "-a", "-O", "-e", "-t", "-u", "-w"],
    "owners": ["ss", "-H", "-n", "-a", "-O", "-e", "-p", "-t", "-u", "-w"],
    "packet_sockets": ["ss", "-H", "-n", "-a", "-O", "-0"],
    "rules": ["nft", "-s", "list", "ruleset"],
    "conntrack": ["conntrack", "-L", "-o", "extended"],
}
IP_LOOKS = {
    "addresses": "addr show",
    "links": "link show",
    "routes": "route show table all",
    "routes6": "-6 route show table all",
    "neighbours": "neigh show",
    "policy": "rule show",
}


class Network:
    """Everything done inside network namespaces, by a few threads that each enter one after the other."""

    def __init__(self) -> None:
        self.own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.threads = ThreadPoolExecutor(THREADS)

    def prepare(self) -> None:
        """Make /proc/sys writable here, and this namespace deaf to IPv6: it only carries frames."""
        run_tool(["mount", "-o", "remount,rw,bind", "/proc/sys"])
        for which in ("all", "default"):
            _write_sysctl(f"net.ipv6.conf.{which}.disable_ipv6", "1")

    def wire(
        self,
        places: dict[str, Place],
        *,
        fabric: str,
        hosts: dict[str, dict[str, str]],
        before: dict[str, dict[str, str]],
        after: dict[str, dict[str, str]],
    ) -> None:
        """Carry out scripts: `before` sysctls, the links, then per host its `ip` and `nft` text and `after`."""
        list(self.threads.map(lambda name: self._sysctls(places[name], before[name]), before))
        pids = {name: str(place.pid) for name, place in places.items()}
        text = re.sub(r"\{pid:([^}]+)\}", lambda found: pids[found[1]], fabric)
        self.threads.submit(self._batch, self.own, text).result()
        list(self.threads.map(lambda name: self._set_up(places[name], hosts[name], after.get(name, {})), hosts))

    def _set_up(self, place: Place, scripts: dict[str, str], sysctls: dict[str, str]) -> None:
        try:
            setns(place.net, CLONE_NEWNET)
            run_tool(["ip", "-batch", "-"], text=scripts["ip"])
            for key, value in sysctls.items():
                _write_sysctl(key, value)
            if scripts.get("routes"):
                run_tool(["ip", "-batch", "-"], text=scripts["routes"])
            if scripts.get("nft"):
                run_tool(["nft", "-f", "-"], text=scripts["nft"])
        except AgentError as error:
            raise AgentError(f"{place.name}: {error}") from error

    def _batch(self, descriptor: int, text: str) -> None:
        setns(descriptor, CLONE_NEWNET)
        run_tool(["ip", "-batch", "-"], text=text)

    def _sysctls(self, place: Place, values: dict[str, str]) -> None:
        setns(place.net, CLONE_NEWNET)
        for key, value in values.items():
            try:
                _write_sysctl(key, value)
            except AgentError as error:
                raise AgentError(f"{place.name}: {error}") from error

    def look(self, places: dict[str, Place], what: list[str], sysctls: list[str]) -> dict[str, dict[str, str]]:
        """For every host the text of each thing asked for."""
        answers = self.threads.map(lambda place: self._look(place, what, sysctls), places.values())
        return dict(zip(places, answers, strict=True))

    def _look(self, place: Place, what: list[str], sysctls: list[str]) -> dict[str, str]:
        setns(place.net, CLONE_NEWNET)
        found = {name: run_tool(LOOKS[name]) for name in what if name in LOOKS}
        wanted = [name for name in what if name in IP_LOOKS]
        if wanted:
            # One process for all of it: starting one costs more than what it does.
            text = run_tool(["ip", "-j", "-batch", "-"], text="".join(f"{IP_LOOKS[name]}\n" for name in wanted))
            found |= dict(zip(wanted, text.split("\n"), strict=False))
        if "sysctls" in what:
            found["sysctls"] = "".join(f"{key} = {_read_sysctl(key)}\n" for key in sysctls)
        if "ipc" in what:
            setns(place.ipc, CLONE_NEWIPC)
            found["ipc"] = "\n".join(_ipc_objects())
        return found

    def command(self, place: Place, argv: list[str]) -> list[str]:
        """Nothing to prepare for a plain network command: the argv that enters the host's network by itself."""
        return ["nsenter", f"--net=/proc/{place.pid}/ns/net", "--", *argv]

    def forget(self, places: dict[str, Place], gateways: list[str]) -> None:
        """Close every socket and empty every table that traffic fills: neighbours, metrics, routes, conntrack."""
        list(self.threads.map(lambda place: self._forget(place, place.name in gateways), places.values()))

    def _forget(self, place: Place, is_gateway: bool) -> None:
        setns(place.net, CLONE_NEWNET)
        run_tool(["ss", "-K", "-H", "-n", "-a", "-t", "-u"], check=False)
        run_tool(["ip", "-force", "-batch", "-"], text="neigh flush all\ntcp_metrics flush all\nroute flush cache\n")
        if is_gateway:
            run_tool(["conntrack", "-F"])
        setns(place.ipc, CLONE_NEWIPC)
        if any(line for line in _ipc_objects()):
            run_tool(["ipcrm", "--all"])


def _ipc_objects() -> list[str]:
    lines = []
    for table in IPC_TABLES:
        with open(f"/proc/sysvipc/{table}", encoding="utf-8") as file:
            lines += [f"{table} {line.split()[1]}" for line in file.readlines()[1:]]
    return lines


def _path(key: str) -> str:
    # sysctl(8): dots separate, and a slash stands for a dot inside a name (an interface such as eth0.5).
    return "/proc/sys/" + key.translate(str.maketrans("./", "/."))


def _write_sysctl(key: str, value: str) -> None:
    try:
        with open(_path(key), "w", encoding="utf-8") as file:
            file.write(value)
    except OSError as error:
        raise AgentError(f"sysctl {key} = {value}: {error.strerror}") from error


def _read_sysctl(key: str) -> str:
    try:
        with open(_path(key), encoding="utf-8") as file:
            return " ".join(file.read().split())
    except OSError as error:
        return f"unreadable: {error.strerror}"
