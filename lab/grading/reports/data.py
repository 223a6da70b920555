"""A record as data, and back. Pure. `record.schema.json` beside this file describes it, docs/json.md explains it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lab.evidence import Table
from lab.grading.record import Declared, Layer, Record, State, SubmittedFile, Verdict

Json = dict[str, Any]


def as_json(record: Record) -> Json:
    """Everything of a record, for `json.dumps`. What programs printed is as it was, control characters too."""
    made: Json = _encodable(
        {
            "exercise": record.exercise,
            "title": record.title,
            "variant": record.variant,
            "instance": record.instance,
            "values": dict(record.values),
            "state": record.state.value,
            "score": record.score,
            "most": record.most,
            "checks": [_check(one) for one in record.verdicts],
            "files": [{"name": one.name, "size": one.size, "sha256": one.sha256} for one in record.files],
            "ignored": list(record.ignored),
            "started": round(record.started, 3),
            "seconds": round(record.seconds, 3),
        }
    )
    return made


def dumped(value: Json) -> str:
    """JSON as it is written into a file: ASCII alone, which every reader takes, in lines that a person can read."""
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


def _check(verdict: Verdict) -> Json:
    return {
        "check": verdict.check.id,
        "title": verdict.check.title,
        "needs": list(verdict.check.needs),
        "state": verdict.state.value,
        "points": verdict.points,
        "most": verdict.check.points,
        "reason": verdict.reason,
        "layer": verdict.layer.value if verdict.layer else None,
        "what": verdict.what,
        "expected": verdict.expected,
        "observed": verdict.observed,
        "hint": verdict.hint,
        "evidence": [table.as_json() for table in verdict.evidence],
        "seconds": round(verdict.seconds, 3),
    }


def _encodable(value: Any) -> Any:
    """Half a surrogate pair, which stands for a byte of a file's name that is no UTF-8, is refused by many a reader."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {_encodable(key): _encodable(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_encodable(one) for one in value]
    return value


def from_json(value: Mapping[str, Any]) -> Record:
    """The record that `as_json` has told. Raises LookupError, TypeError or ValueError if it has not."""
    return Record(
        exercise=value["exercise"],
        title=value["title"],
        variant=value["variant"],
        values=tuple(value["values"].items()),
        files=tuple(SubmittedFile(name=one["name"], size=one["size"], sha256=one["sha256"]) for one in value["files"]),
        ignored=tuple(value["ignored"]),
        verdicts=tuple(_verdict(one) for one in value["checks"]),
        started=value["started"],
        seconds=value["seconds"],
        instance=value["instance"],
    )


def _verdict(value: Mapping[str, Any]) -> Verdict:
    return Verdict(
        check=Declared(id=value["check"], title=value["title"], points=value["most"], needs=tuple(value["needs"])),
        state=State(value["state"]),
        layer=None if value["layer"] is None else Layer(value["layer"]),
        what=value["what"],
        expected=value["expected"],
        observed=value["observed"],
        hint=value["hint"],
        evidence=tuple(map(Table.from_json, value["evidence"])),
        reason=value["reason"],
        seconds=value["seconds"],
    )
