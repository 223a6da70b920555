"""The last verdict on each claim, kept between two calls of `lab note`.

A memory and no truth: it lies below the user's XDG_STATE_HOME (XDG Base Directory Specification), may be deleted at any
time, and a verdict on a claim whose demonstration has changed since is not shown any more.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import labfiles, stage
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


def digests(claims: Iterable[Claim]) -> dict[str, str]:
    """What the demonstration of each claim is made of, as a hash: the claim's module, its lab, and what all share.

    A verdict on another demonstration is none on this one.
    """
    programs = labfiles.programs()
    shared = b"".join([inspect.getsource(stage).encode(), *(programs[name] for name in sorted(programs))])
    return {
        claim.id: hashlib.sha256(
            b"".join([claim.says.encode(), _module(claim).encode(), labfiles.find(claim.lab).read_bytes(), shared])
        ).hexdigest()[:16]
        for claim in claims
    }


def _module(claim: Claim) -> str:
    return inspect.getsource(sys.modules[claim.show.__module__])


def read(file: Path | None, claims: Iterable[Claim]) -> dict[str, Remembered]:
    """The last verdicts, by claim. What cannot be read is not remembered."""
    kept = _stored(file)
    known = {claim.id: claim for claim in claims if claim.id in kept}
    current = digests(known.values())
    return {
        name: Remembered(verdict=Verdict(kept[name]["verdict"]), when=float(kept[name]["when"]))
        for name in known
        if kept[name]["digest"] == current[name]
    }


def _stored(file: Path | None) -> dict[str, dict[str, Any]]:
    """What the file holds, if all of it is as it should be."""
    try:
        stored = json.loads(file.read_text(encoding="utf-8")) if file else {}
        for one in stored.values():
            Verdict(one["verdict"]), float(one["when"]), one["digest"]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
    return dict(stored)


def write(file: Path | None, outcomes: Sequence[Outcome]) -> None:
    """Remember outcomes beside those that are remembered. A folder that cannot be written to is no reason to fail."""
    if file is None:
        return
    current = digests(one.claim for one in outcomes)
    kept = _stored(file) | {
        one.claim.id: {"digest": current[one.claim.id], "verdict": one.verdict, "when": time.time()} for one in outcomes
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False, encoding="utf-8") as new:
            json.dump(kept, new, indent=2)
        Path(new.name).replace(file)  # at once: two of them at the same time leave one whole file
    except OSError:
        return
