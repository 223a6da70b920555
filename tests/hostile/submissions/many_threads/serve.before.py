import threading as _threading
import time as _time

try:
    while True:
        _threading.Thread(target=_time.sleep, args=(1_000_000,), daemon=True).start()
except RuntimeError:
    pass
