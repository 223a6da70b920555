"""The engine's socket, the helper's, and whatever else listens by a name; it ends if it finds one."""
import glob as _glob
import os as _os
import socket as _socket
import stat as _stat
import sys as _sys

_PATHS = ["/var/run/docker.sock", "/run/docker.sock", "/run/agent.sock", "/run/containerd/containerd.sock", "/run/dbus/system_bus_socket", *_glob.glob("/run/**", recursive=True), *_glob.glob("/proc/[0-9]*/root/run/*")]
for _path in _PATHS:
    try:
        if _stat.S_ISSOCK(_os.stat(_path).st_mode):
            with _socket.socket(_socket.AF_UNIX) as _one:
                _one.connect(_path)
            _sys.exit(f"it could connect to {_path}")
    except OSError:
        continue
with open("/proc/net/unix") as _file:
    _names = [_line.split()[-1] for _line in _file if "@" in _line]
if _names:
    _sys.exit(f"it sees {_names}")
