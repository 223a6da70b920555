"""System calls that only the machine's own may make; it ends if one of them is not refused."""
import ctypes as _ctypes
import os as _os
import sys as _sys

_libc = _ctypes.CDLL(None, use_errno=True)
# Of x86-64 and of the calls that have the same number everywhere since; others are refused as unknown.
_CALLS = {
    "ptrace(ATTACH, 1)": (101, 16, 1, 0, 0), "bpf": (321, 0, 0, 0), "perf_event_open": (298, 0, 0, -1, -1, 0),
    "keyctl(GET_KEYRING_ID)": (250, 0, -3, 1), "add_key": (248, b"user", b"x", b"y", 1, -3), "io_uring_setup": (425, 8, 0),
    "reboot": (169, 0xFEE1DEAD, 0x28121969, 0x89ABCDEF, 0), "kexec_load": (246, 0, 0, 0, 0), "init_module": (175, 0, 0, b""),
    "swapoff": (168, b"/x"), "acct": (163, 0), "settimeofday": (164, b"\0" * 16, 0), "sethostname": (170, b"x", 1),
    "mount": (165, b"none", b"/tmp", b"tmpfs", 0, 0), "pivot_root": (155, b"/tmp", b"/tmp"), "setuid(0)": (105, 0),
    "userfaultfd": (323, 0), "open_by_handle_at": (304, -100, b"\0" * 16, 0), "process_vm_readv(1)": (310, 1, 0, 0, 0, 0),
    "quotactl": (179, 0, 0, 0, 0), "iopl": (172, 3), "vhangup": (153,), "chroot": (161, b"/tmp"), "syslog": (103, 3, 0, 0),
    "name_to_handle_at": (303, -100, b"/", b"\x80\0\0\0" + b"\0" * 140, b"\0" * 4, 0), "kcmp(1)": (312, 1, 1, 0, 0, 0),
}
if _os.uname().machine == "x86_64":
    for _name, _call in _CALLS.items():
        if _libc.syscall(*_call) == 0 and "handle" not in _name and "process_vm" not in _name:
            _sys.exit(f"it could call {_name}")
try:
    _os.sched_setscheduler(0, _os.SCHED_FIFO, _os.sched_param(1))
    _sys.exit("it could take a processor for itself")
except OSError:
    pass
try:
    _os.nice(-5)
    _sys.exit("it could come before others")
except OSError:
    pass
