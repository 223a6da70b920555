"""A record as one page for a browser. Pure, but for the template that it reads."""

from __future__ import annotations

from lab import pages
from lab.grading.record import Record, State
from lab.grading.reports import words

CSS_CLASSES = {State.PASSED: "good", State.FAILED: "bad", State.BLOCKED: "warn", State.ERROR: "error"}


def html(record: Record, *, when: float) -> str:
    """One page that needs no other file and no script. Whatever a program printed is text in it, never markup.

    `when` is when the page was made, in seconds since 1970.
    """
    return pages.render(
        "lab.grading.reports",
        "page.html.j2",
        when=when,
        record=record,
        score=words.score(record),
        counts=words.counts(record),
        why_no_score=words.why_no_score(record),
        points=words.points,
        details=words.details,
        block=words.block,
        css_class=CSS_CLASSES,
    )
