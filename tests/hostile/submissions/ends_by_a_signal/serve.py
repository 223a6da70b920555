import os

os.kill(os.getpid(), 40)  # a real-time signal, which has no name
