"""A record for GitHub Actions: the summary of a job, and annotations. Pure.

Source: GitHub, "Workflow commands for GitHub Actions". A summary of more than 1 MiB is thrown away as a whole, and of
each kind of annotation a step may have 10.
"""

from __future__ import annotations

from dataclasses import replace

from lab.evidence import Table
from lab.grading.record import Record, State, Verdict
from lab.grading.reports import plain, words
from lab.grading.reports.markdown import escaped, fenced, fitted, row

MOST_BYTES = 1000 * 1024
"""Of a step's summary, with all that is in it already. GitHub takes 1024 KiB."""
MOST_ROWS, MOST_CELL = 60, 500
"""Of a table of what was seen."""
MOST_ANNOTATIONS = 9
"""And one for the rest."""
MARKS = {State.PASSED: "✅", State.FAILED: "❌", State.BLOCKED: "⏸️", State.ERROR: "⚠️"}


def summary(record: Record, *, room: int = MOST_BYTES) -> str:
    """The record as Markdown for a job's page: the score, a table of the checks, and what is to be told of each.

    It has at most `room` bytes of UTF-8. What has no room is left out and counted.
    """
    told = [part for one in record.verdicts if one.state is not State.PASSED for part in _told(one)]
    return fitted(_head(record), [*map(_row, record.verdicts), *told], room=room)


def commands(record: Record) -> list[str]:
    """The workflow commands that make a job's annotations, a line each.

    An error for each check that has failed, and a warning for each that could not be carried out, which is not the
    submission's fault. What is blocked has its cause among them.
    """
    if not record.verdicts:
        return [command("warning", title=record.title, message=words.NO_CHECKS)]
    found = [one for one in record.verdicts if one.state in (State.FAILED, State.ERROR)]
    shown, more = found[:MOST_ANNOTATIONS], len(found) - MOST_ANNOTATIONS
    told = [_annotation(one) for one in shown]
    if more > 0:
        told.append(command("warning", title=record.title, message=f"{more} more: the job's summary has all of them"))
    return told


def _head(record: Record) -> str:
    parts = [words.counts(record), f"exercise {escaped(plain.short(record.exercise))}"]
    parts += [f"variant {escaped(plain.short(record.variant))}"] if record.variant else []
    why = words.why_no_score(record)
    title = f"## {escaped(plain.short(record.title))}: {words.score(record)}\n\n{' · '.join(parts)}\n"
    reason = f"\n**{why}**\n" if why else ""
    columns = f"\n{row('', 'check', 'points')}{row('---', '---', '---:')}" if record.verdicts else ""
    return f"{title}{reason}{columns}"


def _row(verdict: Verdict) -> str:
    check = f"{escaped(plain.short(verdict.check.title))} <code>{escaped(plain.short(verdict.check.id))}</code>"
    return row(f"{MARKS[verdict.state]} {verdict.state.value}", check, words.points(verdict))


def _told(verdict: Verdict) -> list[str]:
    """What is to be told of a check, and each table of what was seen."""
    name = f"{verdict.state.value}: {escaped(plain.short(verdict.check.title))}"
    details = [line for name, text in words.details(verdict) for line in _detail(name, words.bounded(text))]
    return [f"\n### {name}\n\n{fenced(details)}", *map(_seen, verdict.evidence)]


def _detail(name: str, text: list[str]) -> list[str]:
    first, *others = text
    return [f"{name:<9}  {first}", *(f"{'':<9}  {line}" for line in others)]


def _seen(table: Table) -> str:
    title = escaped(plain.short(table.title)) or "what was seen"
    rows = plain.table(replace(table.bounded(rows=MOST_ROWS, characters=MOST_CELL), title=""))
    return f"\n<details><summary>{title}</summary>\n\n{fenced(rows)}\n</details>\n"


def _annotation(verdict: Verdict) -> str:
    kind = "error" if verdict.state is State.FAILED else "warning"
    title = f"{words.points(verdict)} {verdict.check.title}"
    return command(kind, title=title, message=words.sentence(verdict))


def command(kind: str, *, title: str, message: str) -> str:
    """A line that GitHub's runner takes for a command. Nothing in it ends the line, or the property."""
    return f"::{kind} title={_property(plain.short(title))}::{_data(message)}"


def _data(text: str) -> str:
    # The sign that escapes is escaped first.
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
