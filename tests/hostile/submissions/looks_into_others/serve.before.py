"""Other processes' memory and descriptors, its first process' above all; it ends if it can have any of it."""

import ctypes as _ctypes
import os as _os
import sys as _sys

_libc = _ctypes.CDLL(None, use_errno=True)
_CALLS = {"process_vm_readv": 310, "ptrace": 101, "pidfd_getfd": 438, "kcmp": 312, "process_madvise": 440}
for _name in ("mem", "environ", "maps", "cwd", "root", "exe", "fd/0", "ns/net", "ns/mnt", "ns/pid", "stack", "syscall"):
    try:
        open(f"/proc/1/{_name}", "rb").read(1)
        _sys.exit(f"not refused: /proc/1/{_name}")
    except OSError:
        pass
_piece, _there = (_ctypes.c_ulong * 2)(_ctypes.addressof(_ctypes.create_string_buffer(8)), 8), (_ctypes.c_ulong * 2)(4096, 8)
if _os.uname().machine == "x86_64":
    for _name, _number in _CALLS.items():
        if _libc.syscall(_number, 1, _piece, 1, _there, 1, 0) >= 0:
            _sys.exit(f"not refused: {_name}")
    if _libc.syscall(_CALLS["ptrace"], 16, 1, 0, 0) >= 0:  # PTRACE_ATTACH
        _sys.exit("not refused: ptrace")
