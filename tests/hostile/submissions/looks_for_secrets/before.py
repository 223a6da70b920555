"""Searches all that it can read for the key and for what the checker will say; it ends if it finds any of it."""

import glob as _glob
import os as _os
import sys as _sys

_WORDS = [b"SOCKETLAB_" + b"KEY", b"198.51." + b"100.", b"socketlab-" + b"checks", b"test_who_" + b"asks"]
_PATHS = [
    *_glob.glob("/proc/[0-9]*/environ"), *_glob.glob("/proc/[0-9]*/cmdline"), *_glob.glob("/proc/1/root/*"),
    *_glob.glob("/proc/[0-9]*/maps"), *_glob.glob("/proc/[0-9]*/fd/*"), *_glob.glob("/proc/[0-9]*/cwd/*"),
    "/proc/self/mountinfo", "/proc/self/cgroup", "/proc/cmdline", "/proc/net/unix", "/proc/keys", "/proc/kallsyms",
    "/proc/sched_debug", "/proc/timer_list", "/proc/version", "/dev/mem", "/dev/kmsg", "/proc/kcore", "/proc/1/mem",
    *_glob.glob("/sys/class/dmi/id/*"), *_glob.glob("/sys/fs/cgroup/**", recursive=True)[:200],
    *_glob.glob("/sys/kernel/debug/*"), *_glob.glob("/run/**", recursive=True), *_glob.glob("/etc/*"),
    *_glob.glob("/home/student/**", recursive=True), *_glob.glob("/tmp/**", recursive=True), *_glob.glob("/.docker*"),
    *_glob.glob("/root/**", recursive=True), *_glob.glob("/dev/shm/*"), *_glob.glob("/mnt/*"), *_glob.glob("/opt/*"),
]
for _path in _PATHS:
    if not _os.path.isfile(_path) or _os.path.realpath(_path) == _os.path.realpath(__file__):
        continue
    try:
        _file = _os.open(_path, _os.O_RDONLY | _os.O_NONBLOCK)
    except OSError:
        continue
    try:
        _text = _os.read(_file, 1 << 20)
    except OSError:
        continue
    finally:
        _os.close(_file)
    if any(_word in _text for _word in _WORDS):
        _sys.exit(f"found in {_path}")
