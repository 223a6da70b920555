"""The command line as a program: its commands in the order of `lab --help`, signals, messages, exit codes."""

from __future__ import annotations

from lab import early  # noqa: F401

# isort: split
import contextlib
import errno
import os
import signal
import sys
import threading
import time
from typing import Annotated, NoReturn

import typer
from typer import Abort, Exit

from lab import __version__, console
from lab.cli import act, exercise, grading, life, look, note, prepare
from lab.cli.common import app
from lab.errors import LabError, UsageError
from lab.undisturbed import INTERRUPTIONS

INTERRUPTED = 130
AGAIN_SECONDS = 1.0
LATER_SECONDS = 0.02
"""When a signal comes again whose exception was dropped: by then Python is where it can raise one."""

ORDER = [module.__name__ for module in (prepare, life, look, act, note, exercise, grading)]
"""in which `lab --help` tells of the commands, and of those in one module as they stand there"""
app.registered_commands.sort(key=lambda one: ORDER.index(one.callback.__module__ if one.callback else ""))


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"socketlab {__version__}\n")
        raise Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Show the version and end.")
    ] = False,
) -> None:
    """Labs of several hosts, for seeing how sockets, ports, NAT and names really work."""


def _say_no_more() -> None:
    """Drop what is still to be written on standard output, which else would fail again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Interruption:
    """A signal becomes an exception, so that what was begun is cleaned up.

    The same one again at once is not a second wish: timeout(1) sends it to the program and to its process group.
    """

    def __init__(self) -> None:
        self.last = float("-inf")

    def __call__(self, number: int, _: object) -> None:
        before, self.last = self.last, time.monotonic()
        if self.last - before < AGAIN_SECONDS:
            return
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + number)  # as a shell tells it


def _comes_again(dropped: sys.UnraisableHookArgs) -> None:
    """Where no exception can be raised – in a finalizer, in a callback of C – a signal is lost (sys.unraisablehook)."""
    error = dropped.exc_value
    number = signal.SIGINT if isinstance(error, KeyboardInterrupt) else 0
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        number = error.code - 128
    interruption = signal.getsignal(number) if number in INTERRUPTIONS else None
    if not isinstance(interruption, _Interruption):
        sys.__unraisablehook__(dropped)
        return
    interruption.last = float("-inf")
    main_thread = threading.main_thread().ident or 0
    later = threading.Timer(LATER_SECONDS, signal.pthread_kill, (main_thread, number))
    later.daemon = True
    later.start()


def _end_at_once(code: int) -> NoReturn:
    """End, while the exception that an interruption became is still held, with all that its traceback refers to.

    It may have come when a library had just taken a lock, which finalizers would wait for, for ever.
    """
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def main() -> None:
    """Run the command line and exit; a user's mistake is a message, never a traceback."""
    console.prepare()
    sys.unraisablehook = _comes_again
    for number in INTERRUPTIONS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup(1), and a shell's `&`
            signal.signal(number, _Interruption())
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:
        message = error.format_message()
        extra = "unexpected extra argument" in message
        help_text = "`lab --help` and `lab COMMAND --help` say what there is"
        of_note = extra and getattr(getattr(error, "ctx", None), "info_name", "") == "note"
        hint = (
            "one claim at a time, or --all" if of_note else "an instance is named with --name" if extra else help_text
        )
        sys.stderr.write(message + "\n" if message.startswith("Usage:") else f"lab: {message}\nhint: {hint}\n")
        code = UsageError.exit_code
    except LabError as error:
        console.tell(error)
        code = error.exit_code
    except (KeyboardInterrupt, Abort):
        with contextlib.suppress(OSError):
            sys.stderr.write("interrupted\n")
        _end_at_once(INTERRUPTED)
    except SystemExit as ended:
        _end_at_once(int(ended.code or 0))
    except Exit as error:
        code = error.exit_code
    except BrokenPipeError:
        # Whoever read our output went away; nothing more can be said to them.
        _say_no_more()
        code = 141
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _say_no_more()
        sys.stderr.write("lab: there is no room for what is to be written\n")
        code = LabError.exit_code
    for number in INTERRUPTIONS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)  # there is nothing left to clean up
    sys.exit(code or 0)


if __name__ == "__main__":
    main()
