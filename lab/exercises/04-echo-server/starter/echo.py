"""Send back whatever a client sends, to many clients at once.

    python3 echo.py HOST PORT
"""

import socket
import sys

host = sys.argv[1]
port = int(sys.argv[2])

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
    # TODO: bind, listen, and serve each client that comes
    pass
