"""As many busy processes as it can have, and no server."""
import os

for _ in range(5):
    os.fork()
while True:
    pass
