import signal as _signal

for _number in _signal.valid_signals() - {_signal.SIGKILL, _signal.SIGSTOP}:
    _signal.signal(_number, _signal.SIG_IGN)
_signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
