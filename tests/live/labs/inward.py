"""A server that listens where only its own host can reach it, and gives up after a moment."""

import socket
import time

with socket.create_server(("127.0.0.1", 8000)):
    time.sleep(1)
raise SystemExit("nobody came")
