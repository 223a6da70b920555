"""A submission and its values, as data that travels to where it is graded; and what comes back. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.grading import reports
from lab.grading.grade import Variant
from lab.grading.record import Record, State
from lab.grading.submission import Handed, Submission


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A submission that is to be graded. The key that its values were drawn from stays where it is."""

    id: str
    variant: Variant
    submission: Submission

    def as_text(self) -> str:
        """In one line."""
        return json.dumps(
            {
                "id": self.id,
                "variant": self.variant.name,
                "values": dict(self.variant.values),
                "ignored": list(self.submission.ignored),
                "files": [
                    {"asked": one.asked, "name": one.name, "data": base64.b64encode(one.data).decode()}
                    for one in self.submission.handed
                ],
            }
        )

    @classmethod
    def from_text(cls, text: str | bytes) -> Job:
        """The other way."""
        value: Mapping[str, Any] = json.loads(text)
        handed = tuple(
            Handed(asked=one["asked"], name=one["name"], data=base64.b64decode(one["data"])) for one in value["files"]
        )
        return cls(
            id=value["id"],
            variant=Variant(name=value["variant"], values=tuple(value["values"].items())),
            submission=Submission(handed=handed, ignored=tuple(value["ignored"])),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What came of a job: a record, or why there is none."""

    record: Record | None = None
    failure: str = ""
    unable: str = ""
    """why its worker could not even begin, with this job or any other"""
    replaced: tuple[str, ...] = ()
    """why instances were replaced by new ones, which happens where a reset could not be proven"""

    @property
    def why_none(self) -> str:
        """Why there is no verdict; "" if there is one."""
        if self.record is None:
            return self.failure or "no reason was given"
        errors = [one for one in self.record.verdicts if one.state is State.ERROR]
        return f"{errors[0].check.id}: {errors[0].reason}" if errors else ""

    def as_text(self) -> str:
        """In one line."""
        record = None if self.record is None else reports.as_json(self.record)
        return json.dumps(
            {"record": record, "failure": self.failure, "unable": self.unable, "replaced": list(self.replaced)}
        )

    @classmethod
    def from_text(cls, text: str | bytes) -> Reply:
        """The other way. Raises LookupError, TypeError or ValueError."""
        value: Mapping[str, Any] = json.loads(text)
        record = None if value["record"] is None else reports.from_json(value["record"])
        return cls(record=record, failure=value["failure"], unable=value["unable"], replaced=tuple(value["replaced"]))
