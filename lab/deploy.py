"""A user's program file -> how it is run in a host. Reads the file; nothing else touches the machine here."""

from __future__ import annotations

from pathlib import Path

from lab.errors import UsageError

MOST_BYTES = 8 * 1024 * 1024
"""A larger program does not fit beside what it writes into a host's home folder."""


def read_program(path: Path) -> bytes:
    """The content of a program file. Raises UsageError."""
    try:
        with path.open("rb") as file:
            # A device or a pipe has no size that could be asked for.
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"expected a program file, found {path}: {error.strerror}") from error
    if len(content) > MOST_BYTES:
        raise UsageError(f"expected a program of at most {MOST_BYTES} bytes, found more in {path}")
    return content


def command_for(name: str, content: bytes) -> tuple[str, ...]:
    """How to run a program, by its name's ending or its first bytes. Raises UsageError."""
    script = f"./{name}" if name.startswith("-") else name  # else an interpreter would take it for an option
    if name.endswith(".py"):
        return ("python3", script)
    if name.endswith(".sh"):
        return ("sh", script)
    if content.startswith((b"#!", b"\x7fELF")):
        return (f"./{name}",)
    raise UsageError(
        f"expected a program that ends in .py or .sh, or one that starts with #!, found {name}",
        hint="`lab exec HOST -- CMD` runs any command",
    )
