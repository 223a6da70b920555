"""Its children end and begin faster than anybody can look."""
import os

while True:
    try:
        if os.fork():
            os._exit(0)
    except OSError:
        pass
