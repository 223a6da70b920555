"""The last verdict on each claim, kept between two calls of `lab note`.

A memory and no truth: it lies below the user's XDG_STATE_HOME (XDG Base Directory Specification), may be deleted at any
time, and a verdict on a claim whose demonstration has changed since is not shown any more.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.note.claim import Claim, Outcome, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Remembered:
    """A verdict, and when it was given, in seconds since 1970."""

    verdict: Verdict
    when: float


def path(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Where it is kept; None for a user without a home."""
    state = environment.get("XDG_STATE_HOME", "")
    if not state.startswith("/"):  # relative ones are to be ignored
        home = environment.get("HOME", "")
        if not home.startswith("/"):
            return None
        state = f"{home}/.local/state"
    return Path(state, "socketlab", "note.json")


def read(file: Path | None, claims: Iterable[Claim]) -> dict[str, Remembered]:
    """The last verdicts, by claim. What cannot be read is not remembered."""
    try:
        stored = json.loads(file.read_text(encoding="utf-8")) if file else {}
        return {
            claim.id: Remembered(verdict=Verdict(stored[claim.id]["verdict"]), when=float(stored[claim.id]["when"]))
            for claim in claims
            if claim.id in stored and stored[claim.id]["digest"] == claim.digest
        }
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def write(file: Path | None, outcomes: Iterable[Outcome], *, claims: Iterable[Claim]) -> None:
    """Remember outcomes beside those that are remembered. A folder that cannot be written to is no reason to fail."""
    if file is None:
        return
    known = {claim.id: claim for claim in claims}
    kept = {
        name: {"digest": known[name].digest, "verdict": one.verdict, "when": one.when}
        for name, one in read(file, known.values()).items()
    }
    kept |= {
        one.claim.id: {"digest": one.claim.digest, "verdict": one.verdict, "when": time.time()} for one in outcomes
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False, encoding="utf-8") as new:
            json.dump(kept, new, indent=2)
        Path(new.name).replace(file)  # at once: two of them at the same time leave one whole file
    except OSError:
        return
