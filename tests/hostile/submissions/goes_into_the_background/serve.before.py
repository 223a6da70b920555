import os as _os
import socket as _socket
import sys as _sys
import time as _time

if _os.fork():
    while True:  # until its grandchild listens
        try:
            _socket.create_connection(("127.0.0.1", int(_sys.argv[1]))).close()
            _os._exit(0)
        except OSError:
            _time.sleep(0.01)
_os.setsid()
if _os.fork():
    _os._exit(0)
