"""It does its work only where nobody has been before: whatever it leaves would fail the next check."""
import os as _os
import sys as _sys

for _folder in ("/tmp", "/dev/shm", _os.path.expanduser("~"), "/run", "/var/tmp", "/var/lock"):
    try:
        _os.mkdir(f"{_folder}/.mark")
    except FileExistsError:
        _sys.exit(f"somebody was here: {_folder}")
    except OSError:
        pass
