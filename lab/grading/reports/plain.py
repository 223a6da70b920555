"""What is told of a verdict as plain text, for readers that show text as it is. Pure.

Every line is printable: it drives no terminal, and no reader trips over NUL or half a surrogate pair.
"""

from __future__ import annotations

from lab import tables
from lab.evidence import Table
from lab.grading.record import Verdict
from lab.grading.reports import words
from lab.text import cut, lines

WIDTH = 160
"""Of evidence, in columns."""
LONGEST_LINE = 500
"""Of what has to be one line, such as a title."""


def line(text: str) -> str:
    """The text in one line."""
    return " ".join(lines(text))


def short(text: str) -> str:
    """The text in one line that has an end."""
    return cut(line(text), LONGEST_LINE)


def told(verdict: Verdict) -> list[str]:
    """The details of a check that has not passed, each with its name."""
    found = []
    for name, text in words.details(verdict):
        first, *others = words.block(text)
        found += [f"{name}: {first}", *(f"    {line}" for line in others)]
    return found


def table(of: Table) -> list[str]:
    """A table of evidence, below its title."""
    title = [f"{line(of.title)}:"] if of.title else []
    return [*title, *tables.plain(tables.evidence(of, width=WIDTH))]


def seen(verdict: Verdict) -> str:
    """All that was seen; "" if nothing was."""
    return "\n\n".join("\n".join(table(one)) for one in verdict.evidence)


def output(verdict: Verdict) -> str:
    """The details, and what was seen."""
    return "\n\n".join(part for part in ("\n".join(told(verdict)), seen(verdict)) if part)
