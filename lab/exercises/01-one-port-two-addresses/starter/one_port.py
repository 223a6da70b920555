import sys

port = int(sys.argv[1])
addresses = sys.argv[2:]
