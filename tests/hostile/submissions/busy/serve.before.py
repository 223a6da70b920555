import os as _os
import threading as _threading

if not _os.fork():
    for _ in range(6):
        _os.fork()  # 64 processes, as far as there may be so many
    _threading.Thread(target=lambda: [None for _ in iter(int, 1)]).start()
    while True:
        pass
