"""A batch as one page for a browser, with links to each submission's. Pure, but for the template that it reads."""

from __future__ import annotations

from urllib.parse import quote

from lab import pages
from lab.grading.batch.reports.data import page_file
from lab.grading.batch.reports.terminal import broke, counts
from lab.grading.batch.results import Batch
from lab.grading.record import State
from lab.grading.reports import words
from lab.grading.reports.page import CSS_CLASSES


def html(batch: Batch, *, when: float) -> str:
    """One page that needs no script. Whatever a submission is called is text in it, never markup.

    `when` is when the page was made, in seconds since 1970.
    """
    return pages.render(
        "lab.grading.batch.reports",
        "overview.html.j2",
        when=when,
        batch=batch,
        counts=counts(batch),
        most=max(batch.distribution, default=0) or 1,
        broke=broke,
        states=tuple(State),
        css_class=CSS_CLASSES,
        score=words.score,
        page=lambda id_: quote(page_file(id_)),
    )
