"""A batch for GitHub Actions: the summary of a job, and annotations. Pure. See lab/grading/reports/github.py."""

from __future__ import annotations

from lab.grading.batch.reports.terminal import broke, counts
from lab.grading.batch.results import Batch, CheckCount, Result
from lab.grading.record import State
from lab.grading.reports import plain, words
from lab.grading.reports.github import MARKS, MOST_ANNOTATIONS, MOST_BYTES, command
from lab.grading.reports.markdown import escaped, fitted, row


def summary(batch: Batch, *, room: int = MOST_BYTES) -> str:
    """The batch as Markdown for a job's page: what it is together, each check, and a row for each submission.

    It has at most `room` bytes of UTF-8. What has no room is left out and counted.
    """
    head = f"## {escaped(plain.short(batch.title))}\n\n{counts(batch)} · exercise {escaped(batch.exercise)}\n"
    columns = ("check", *(f"{MARKS[state]} {state}" for state in State), "where it broke")
    checks = [row(*columns), row("---", *("---:" for _ in State), "---"), *map(_check, batch.check_counts)]
    submissions = [row("submission", "", "points", "checks"), row("---", "---", "---:", "---")]
    return fitted(
        "".join([head, "\n", *checks, "\n", *submissions]), [_submission(one) for one in batch.results], room=room
    )


def _check(count: CheckCount) -> str:
    title = f"{escaped(plain.short(count.check.title))} <code>{escaped(count.check.id)}</code>"
    return row(title, *(str(count.states.get(state, 0)) for state in State), escaped(broke(count)))


def _submission(result: Result) -> str:
    record = result.record
    score = "–" if record.score is None else f"{record.score}/{record.most}"
    failed = ", ".join(
        f"{MARKS[one.state]} {escaped(one.check.id)}" for one in record.verdicts if one.state is not State.PASSED
    )
    return row(escaped(plain.short(result.id)), f"{MARKS[record.state]} {record.state}", score, failed)


def commands(batch: Batch) -> list[str]:
    """Workflow commands: a warning for each submission that has no score. That others have fewer points is no fault."""
    found = batch.without_score
    told = [command("warning", title=f"{one.id} has no score", message=_why(one)) for one in found[:MOST_ANNOTATIONS]]
    more = len(found) - MOST_ANNOTATIONS
    if more > 0:
        told.append(command("warning", title=batch.title, message=f"{more} more have no score: see the job's summary"))
    return told


def _why(result: Result) -> str:
    error = next((one for one in result.record.verdicts if one.state is State.ERROR), None)
    return words.sentence(error) if error else words.NO_CHECKS
