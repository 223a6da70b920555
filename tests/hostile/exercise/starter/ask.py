import sys

server, port = sys.argv[1], int(sys.argv[2])

# TODO: ask the server, and print both ends
