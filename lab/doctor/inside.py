"""What is looked at inside a throw-away container: given as text to the Python there, which has nothing of ours.

It prints one JSON object. Everything that it makes is in the container's own network namespace, and ends with it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

SECONDS = 20
SEARCHED = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}

# linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h
NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST_DUMP = 0x301
NLMSG_ERROR = 2
NLMSG_HEADER = struct.Struct("=IHHII")
INET_DIAG_REQUEST = struct.Struct("=BBBxI48x")
EVERY_STATE = 0xFFFFFFFF

CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER"),
    *("SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE"),
    *("SYS_PACCT", "SYS_ADMIN"),
)
"""by their numbers (linux/capability.h), as far as any lab needs them"""


def tool(*argv: str, text: str = "") -> None:
    """Run one of the image's programs. Raises OSError with what it said."""
    done = subprocess.run(argv, input=text.encode(), capture_output=True, timeout=SECONDS, env=SEARCHED, check=False)
    if done.returncode:
        said = [line.strip() for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
        raise OSError(f"{argv[0]}: {said[0] if said else f'exit status {done.returncode}'}")


def nft(family: str, chain: str) -> None:
    """Carry out a ruleset of one chain, in a table of its own."""
    table = f"{family} doctor"
    tool("nft", "-f", "-", text=f"table {table} {{ chain one {{\n{chain}\n}}\n}}\ndelete table {table}\n")


def pidfd() -> None:
    """Hold a process."""
    os.close(os.pidfd_open(os.getpid()))


def links() -> None:
    """A bridge, and a cable to it."""
    tool("ip", "link", "add", "dev", "bridge0", "type", "bridge", "mcast_snooping", "0")
    tool("ip", "link", "add", "dev", "cable0", "master", "bridge0", "type", "veth", "peer", "name", "cable1")


def vxlan() -> None:
    """A way for frames over a network of datagrams."""
    tool("ip", "link", "add", "dev", "joint0", "type", "vxlan", "id", "1", "local", "127.0.0.1", "dstport", "4789")


def nat() -> None:
    """What a gateway does, in both directions."""
    nft("ip", "type nat hook postrouting priority srcnat\nmeta l4proto tcp snat to 192.0.2.1:40000-40999 fully-random")
    nft("ip", "type nat hook postrouting priority srcnat\nmasquerade")
    nft("ip", "type nat hook prerouting priority dstnat\ntcp dport 80 dnat to 192.0.2.2:8080")
    nft("ip", "type filter hook forward priority filter\nct state established,related accept\nct status dnat accept")


def conntrack() -> None:
    """Read the table of connections."""
    tool("conntrack", "-L")


def events() -> None:
    """Whether the table tells of its changes."""
    if not Path("/proc/sys/net/netfilter/nf_conntrack_events").exists():
        raise OSError("no net.netfilter.nf_conntrack_events")


def ingress() -> None:
    """Count where packets come in."""
    nft("netdev", 'type filter hook ingress device "lo" priority filter\ncounter')


def numgen() -> None:
    """Lose packets at random."""
    nft("ip", "type filter hook input priority filter\nnumgen random mod 1000000 < 1 drop")


def netem() -> None:
    """Delay packets."""
    tool("tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1us")
    tool("tc", "qdisc", "del", "dev", "lo", "root")


def sock_diag() -> None:
    """Ask the kernel for its TCP and UDP sockets, as ss(8) does before it falls back on /proc."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as asking:
        asking.settimeout(SECONDS)
        for protocol in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
            body = INET_DIAG_REQUEST.pack(socket.AF_INET, protocol, 0, EVERY_STATE)
            size = NLMSG_HEADER.size + len(body)
            asking.send(NLMSG_HEADER.pack(size, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST_DUMP, 1, 0) + body)
            answer = asking.recv(65536)
            if NLMSG_HEADER.unpack_from(answer)[1] == NLMSG_ERROR:
                (number,) = struct.unpack_from("=i", answer, NLMSG_HEADER.size)
                raise OSError(-number, os.strerror(-number))


def sock_destroy() -> None:
    """Close a connection from outside, and see whether its program hears of it (tcp(7), ECONNABORTED)."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as client:
            tool("ss", "-K", "-H", "-n", "-t", "dst", "127.0.0.1", "dport", "=", f":{port}")
            if client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != errno.ECONNABORTED:
                raise OSError("ss -K left a connection open")


def packet() -> None:
    """Hear every frame."""
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()


def ipv6() -> None:
    """A socket and rules of IPv6."""
    socket.socket(socket.AF_INET6, socket.SOCK_STREAM).close()
    if not Path("/proc/sys/net/ipv6").is_dir():
        raise OSError("no net.ipv6")
    nft("ip6", "type nat hook postrouting priority srcnat\nsnat to 2001:db8::1")


FEATURES: dict[str, Callable[[], None]] = {
    "pidfd": pidfd,
    "links": links,
    "vxlan": vxlan,
    "nat": nat,
    "conntrack": conntrack,
    "conntrack-events": events,
    "ingress": ingress,
    "numgen": numgen,
    "netem": netem,
    "sock-diag": sock_diag,
    "sock-destroy": sock_destroy,
    "packet": packet,
    "ipv6": ipv6,
}


def said_of(feature: Callable[[], None]) -> str:
    """What an attempt failed with; "" if it succeeded."""
    try:
        feature()
    except OSError as error:
        return str(error.strerror or error) or type(error).__name__
    except (subprocess.SubprocessError, AttributeError) as error:
        return str(error)
    return ""


def read(path: str) -> str:
    """A file of the kernel's, "" if there is none."""
    with contextlib.suppress(OSError):
        return Path(path).read_text(encoding="utf-8", errors="replace")
    return ""


def held() -> list[str]:
    """The capabilities that this process has (proc(5), CapEff)."""
    found = re.search(r"^CapEff:\s*([0-9a-f]+)", read("/proc/self/status"), re.MULTILINE)
    bits = int(found[1], 16) if found else 0
    return [name for number, name in enumerate(CAPABILITIES) if bits >> number & 1]


def is_read_only(folder: str) -> bool:
    """Whether the folder's file system takes no writing (statvfs(3))."""
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def room(folder: str) -> int:
    """How many bytes a folder can hold if it is a file system of its own, else 0."""
    if Path(folder).stat().st_dev == Path("/").stat().st_dev:
        return 0
    found = os.statvfs(folder)
    return found.f_blocks * found.f_frsize


def main() -> None:
    """Look at everything, and tell."""
    available = re.search(r"^MemAvailable:\s*(\d+) kB", read("/proc/meminfo"), re.MULTILINE)
    below = os.statvfs("/")
    found = {
        "capabilities": held(),
        "seccomp": re.search(r"^Seccomp:\s*2", read("/proc/self/status"), re.MULTILINE) is not None,
        "label": read("/proc/self/attr/current").strip("\0\n "),
        "remapped": read("/proc/self/uid_map").split()[:2] != ["0", "0"],
        "root_read_only": is_read_only("/"),
        "tmpfs": room("/run"),
        "disk_free": below.f_bavail * below.f_frsize,
        "memory_available": int(available[1]) * 1024 if available else 0,
        "features": {name: said_of(feature) for name, feature in FEATURES.items()},
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
