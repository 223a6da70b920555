import os as _os

for _ in range(4):
    if not _os.fork():
        _kept = []
        while True:
            _kept.append(bytearray(b"x") * (8 << 20))
