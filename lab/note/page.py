"""Outcomes -> what a person or a script sees: text for a terminal, data for `--json`, one self-contained HTML page.

Pure, but for the template that it reads.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from rich.padding import Padding
from rich.table import Table as RichTable

from lab import pages, tables
from lab.note.claim import Claim, Outcome, Verdict
from lab.note.record import Remembered

Json = dict[str, Any]

NOT_SHOWN = "not shown yet"
OTHER_COLUMNS = 66
"""What the list's other columns take."""
LEAST_SENTENCE = 34
MINUTE, HOUR, DAY = 60, 3600, 86400


# ------------------------------------------------------------------------------------------ the list


def list_json(claims: Iterable[Claim], remembered: Mapping[str, Remembered]) -> list[Json]:
    """The claims and their last verdicts."""
    return [
        {
            **_claim_json(claim),
            "verdict": remembered[claim.id].verdict.value if claim.id in remembered else None,
            "shown": int(remembered[claim.id].when) if claim.id in remembered else None,
        }
        for claim in claims
    ]


def list_table(claims: Iterable[Claim], remembered: Mapping[str, Remembered], *, now: float, width: int) -> RichTable:
    """A row per claim, for a terminal of that many columns."""
    room = max(LEAST_SENTENCE, width - OTHER_COLUMNS)
    table = tables.table("", "CLAIM", "LAB", "STATE", "THE NOTE SAYS")
    for claim in claims:
        last = remembered.get(claim.id)
        state = f"{last.verdict} ({_ago(now - last.when)})" if last else NOT_SHOWN
        tables.row(table, claim.id, claim.lab, state, textwrap.shorten(claim.says, room, placeholder=" …"))
    return table


def _ago(seconds: float) -> str:
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= unit:
            return f"{seconds // unit:.0f} {name} ago"
    return "just now"


# ------------------------------------------------------------------------------------------ outcomes


def _claim_json(claim: Claim) -> Json:
    return {
        "claim": claim.id,
        "says": claim.says,
        "lab": claim.lab,
        "did": claim.did,
        "care": claim.care,
        "source": claim.source,
    }


def outcome_json(one: Outcome) -> Json:
    """An outcome with all of its evidence."""
    return {
        **_claim_json(one.claim),
        "verdict": one.verdict.value,
        "reason": one.reason,
        "seconds": round(one.seconds, 3),
        "evidence": [table.as_json() for table in one.tables],
        "checks": [
            {"what": check.what, "expected": check.expected, "observed": check.observed, "holds": check.holds}
            for check in one.checks
        ],
    }


def outcome_text(one: Outcome, *, width: int) -> list[str | Padding]:
    """An outcome for a terminal of that many columns: paragraphs and tables."""
    claim = one.claim
    parts: list[str | Padding] = [
        f"{claim.id}: {one.verdict}",
        _wrapped(_quoted(claim.says), width),
        _wrapped("Done: " + claim.did, width),
    ]
    for table in one.tables:
        if table.title:
            parts.append(f"  {table.title}:")
        parts.append(Padding(tables.evidence(table), (0, 0, 0, 2)))
    wrong = [check for check in one.checks if not check.holds]
    parts += [
        _wrapped(f"✗ {check.what}: expected {check.expected}, observed {check.observed}", width) for check in wrong
    ]
    if one.reason:
        parts.append(_wrapped(f"It could not be shown: {one.reason}", width))
    if one.checks:
        parts.append(f"  {len(one.checks) - len(wrong)} of {len(one.checks)} checks hold")
    if claim.care:
        parts.append(_wrapped("With care: " + claim.care, width))
    parts.append(_wrapped("See " + claim.source, width))
    return parts


def _quoted(says: str) -> str:
    """A sentence of the note in quotation marks; what it only implies is in parentheses already."""
    return says if says.startswith("(") else f"“{says}”"


def _wrapped(text: str, width: int) -> str:
    return textwrap.fill(
        " ".join(text.split()), width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False
    )


def summary(outcomes: Iterable[Outcome]) -> str:
    """How many of each verdict, in a line."""
    counts = Counter(one.verdict for one in outcomes)
    return " · ".join(f"{verdict}: {counts[verdict]}" for verdict in Verdict if counts[verdict])


# ------------------------------------------------------------------------------------------ the page


def html(outcomes: Iterable[Outcome], *, when: float) -> str:
    """One page that needs no other file and no script. Whatever a lab printed is text in it, never markup."""
    shown = list(outcomes)
    return pages.render(
        "lab.note",
        "page.html.j2",
        when=when,
        outcomes=shown,
        summary=summary(shown),
        css_class={
            Verdict.HOLDS: "good",
            Verdict.WITH_CARE: "warn",
            Verdict.DOES_NOT_HOLD: "bad",
            Verdict.ERROR: "error",
        },
    )
