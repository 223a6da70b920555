import os as _os

try:
    while True:
        if not _os.fork():
            _os._exit(0)  # and nobody waits for it
except OSError:
    pass
