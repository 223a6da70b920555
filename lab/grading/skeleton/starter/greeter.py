"""Greet each client: python3 greeter.py PORT WORD."""

import socket
import sys

port = int(sys.argv[1])
word = sys.argv[2]

# TODO: listen at that port, and send each client the line `hello WORD`
