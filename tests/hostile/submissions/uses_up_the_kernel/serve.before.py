"""A child that holds all that it can have of what the kernel counts: pipes, watches, timers, semaphores, memory of others."""
import ctypes as _ctypes
import os as _os
import time as _time

if not _os.fork():
    _libc = _ctypes.CDLL(None, use_errno=True)
    try:
        while True:
            _os.pipe()
    except OSError:
        pass
    for _ in range(300):
        _libc.inotify_init1(0)
        _libc.eventfd(0, 0)
        _libc.shmget(0, 1 << 20, 0o1600)
        _libc.semget(0, 100, 0o1600)
        _libc.msgget(0, 0o1600)
    _time.sleep(1_000_000)
