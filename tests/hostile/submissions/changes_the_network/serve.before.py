"""Addresses, routes, neighbours, rules, settings, names and namespaces; it ends if it can change any of them."""
import ctypes as _ctypes
import fcntl as _fcntl
import os as _os
import socket as _socket
import struct as _struct
import subprocess as _subprocess
import sys as _sys

_COMMANDS = [
    "ip address add 203.0.113.99/24 dev eth0", "ip address del 203.0.113.80/24 dev eth0", "ip link set eth0 down",
    "ip route add default via 203.0.113.1", "ip neighbour replace 203.0.113.1 lladdr 02:00:00:00:00:09 dev eth0",
    "ip link add name d0 type dummy", "ip netns add x", "hostname other", "nft add table ip x", "tc qdisc add dev eth0 root tbf rate 1kbit burst 1k latency 1s",
    "sysctl -w net.ipv4.ip_forward=1", "mount -t tmpfs none /mnt", "umount /tmp", "ss -K dst 203.0.113.99",
]
for _command in _COMMANDS:
    try:
        _done = _subprocess.run(_command.split(), stdout=_subprocess.DEVNULL, stderr=_subprocess.DEVNULL)
    except OSError:
        continue
    # `ss -K` says nothing of what it is refused.
    if _done.returncode == 0 and "ss -K" not in _command:
        _sys.exit(f"it could: {_command}")
for _file in ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv4/ip_local_port_range", "/proc/sys/kernel/core_pattern", "/sys/class/net/eth0/mtu", "/etc/hosts", "/etc/resolv.conf", "/proc/sysrq-trigger"):
    try:
        _os.close(_os.open(_file, _os.O_WRONLY))
    except OSError:
        continue
    _sys.exit(f"it could write {_file}")
_libc = _ctypes.CDLL(None, use_errno=True)
for _flag in (0x40000000, 0x00020000, 0x10000000, 0x02000000, 0x08000000, 0x04000000, 0x20000000):
    if _libc.unshare(_flag) == 0:
        _sys.exit(f"it could unshare {_flag:#x}")
for _name in _os.listdir("/proc/1/ns") if _os.access("/proc/1/ns", _os.R_OK) else []:
    try:
        if _libc.setns(_os.open(f"/proc/1/ns/{_name}", _os.O_RDONLY), 0) == 0:
            _sys.exit(f"it could enter {_name}")
    except OSError:
        pass
with _socket.socket() as _one:
    try:
        _fcntl.ioctl(_one, 0x8916, _struct.pack("16sH2s4s8s", b"eth0", _socket.AF_INET, b"", _socket.inet_aton("203.0.113.99"), b""))
    except OSError:
        pass
    else:
        _sys.exit("it could change its address by ioctl")
