"""Its own `ss` says that something listens."""

import os
import sys
import time

folder = os.path.expanduser("~/bin")
os.makedirs(folder)
for name in ("ss", "ip", "python3", "sh", "cat"):
    with open(f"{folder}/{name}", "w") as file:
        file.write(f"#!/bin/sh\necho 'LISTEN 0 5 0.0.0.0:{sys.argv[1]} 0.0.0.0:* users:((\"python3\",pid=9,fd=3))'\n")
    os.chmod(f"{folder}/{name}", 0o755)
os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"
time.sleep(1_000_000)
