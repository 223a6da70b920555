"""Imported before all else by the command line: until that is ready to clean up, Ctrl-C ends it without a word.

Python would tell of what it was just importing. Nothing else may live here, nor be imported.
"""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where it is ignored: nohup(1), a shell's `&`
    signal.signal(signal.SIGINT, signal.SIG_DFL)
