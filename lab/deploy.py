"""A user's program file -> how it is run in a host. Reads the file; nothing else touches the machine here."""

from __future__ import annotations

from pathlib import Path

from lab.errors import UsageError

MOST_BYTES = 8 * 1024 * 1024
"""A larger program does not fit beside what it writes into a host's home folder."""


def read_program(path: Path) -> bytes:
    """The content of a program file. Raises UsageError."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"expected a program of at most {MOST_BYTES} bytes, found {path.stat().st_size} in {path}")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"expected a program file, found {path}: {error.strerror}") from error


def command_for(name: str, content: bytes) -> tuple[str, ...]:
    """How to run a program, by its name's ending or its first bytes. Raises UsageError."""
    if name.endswith(".py"):
        return ("python3", name)
    if name.endswith(".sh"):
        return ("sh", name)
    if content.startswith((b"#!", b"\x7fELF")):
        return (f"./{name}",)
    raise UsageError(
        f"expected a program that ends in .py or .sh, or one that starts with #!, found {name}",
        hint="`lab exec HOST -- CMD` runs any command",
    )
