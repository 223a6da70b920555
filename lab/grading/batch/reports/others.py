"""A batch for other systems: a file for each submission, or one of all. Pure. See lab/grading/reports/exports."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from lab.grading.batch.entries import file_name
from lab.grading.batch.results import Result
from lab.grading.formats import Format
from lab.grading.record import Record
from lab.grading.reports import dumped, exports
from lab.grading.reports.data import Json
from lab.grading.reports.exports.classroom50 import VARIABLES, Submission, submission

ID = "{id}"
"""What stands for a submission's id in the variables of Classroom 50: there they tell of one submission."""
CTRF_FILE = "ctrf.json"


class Others:
    """Collects each submission's result, and gives the files of it: path -> content, None if there must be none."""

    def __init__(self, formats: Collection[Format], environment: Mapping[str, str]) -> None:
        """Raises UsageError if the environment has not what Classroom 50 needs."""
        self._environment = environment
        makers: dict[Format, Callable[[Result], Json | None]] = {
            Format.GRADESCOPE: lambda one: exports.gradescope(one.record),
            Format.PRAIRIELEARN: lambda one: exports.prairielearn(one.record),
            Format.CLASSROOM50: self._classroom50,
        }
        self._makers = {one: makers[one] for one in formats if one in makers}
        self._records: list[tuple[str, Record]] | None = [] if Format.CTRF in formats else None
        if Format.CLASSROOM50 in formats:
            self._submission("x")

    def of(self, result: Result) -> Iterator[tuple[str, str | None]]:
        """The files of one submission."""
        for format_, make in self._makers.items():
            made = make(result)
            yield f"{format_}/{file_name(result.id)}.json", None if made is None else dumped(made)
        if self._records is not None:
            self._records.append((result.id, result.record))

    def of_all(self) -> Iterator[tuple[str, str]]:
        """The files of all of them together."""
        if self._records is not None:
            yield CTRF_FILE, dumped(exports.ctrf(self._records))

    def _classroom50(self, result: Result) -> Json | None:
        return exports.classroom50(result.record, self._submission(result.id))

    def _submission(self, id_: str) -> Submission:
        names = {name for names in VARIABLES.values() for name in names}
        return submission({name: value.replace(ID, id_) for name, value in self._environment.items() if name in names})
