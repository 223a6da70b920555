import sys

port = int(sys.argv[1])

# TODO: answer each client
