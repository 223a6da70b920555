"""JUnit files of several engines -> the table of what passed where, in a page. Pure, but for `read` and `label`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import junitparser

from lab.errors import UsageError

BEGIN = "<!-- what passed where: begin. `make test-engines` writes it -->"
END = "<!-- what passed where: end -->"
ENGINE, API = "docker engine", "docker api"
HEAD = ("engine", "API", "suite", "passed", "failed", "seconds")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One suite on one engine. `failed` counts errors and skips too: a test that was not tried says nothing."""

    engine: str
    api: str
    suite: str
    passed: int
    failed: int
    seconds: float


def label(file: Path, *, engine: str, api: str) -> None:
    """Note in a JUnit file that pytest wrote on which engine it ran."""
    xml = junitparser.JUnitXml.fromfile(str(file))
    for suite in xml:
        suite.add_property(ENGINE, engine)
        suite.add_property(API, api)
    xml.write()


def read(file: Path) -> tuple[Row, ...]:
    """The suites in a labelled JUnit file, in its order. A suite is the folder that its tests are in."""
    rows: dict[str, Row] = {}
    for suite in junitparser.JUnitXml.fromfile(str(file)):
        known = {one.name: one.value for one in suite.properties()}
        for case in suite:
            name = suite_of(case.classname or case.name)
            row = rows.get(name) or Row(engine=known[ENGINE], api=known[API], suite=name, passed=0, failed=0, seconds=0)
            rows[name] = Row(
                engine=row.engine,
                api=row.api,
                suite=name,
                passed=row.passed + (not case.result),
                failed=row.failed + bool(case.result),
                seconds=row.seconds + (case.time or 0),
            )
    return tuple(rows.values())


def suite_of(classname: str) -> str:
    """`tests.live.test_up` and `tests.live` are of the suite tests/live."""
    return "/".join(classname.split(".")[:2])


def table(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table."""
    cells = [
        HEAD,
        tuple("---" for _ in HEAD),
        *((r.engine, r.api, f"`{r.suite}`", str(r.passed), str(r.failed), f"{r.seconds:.0f}") for r in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def put(text: str, page: str) -> str:
    """The page with that text between its two markers. Raises UsageError if it has not each of them once, in order."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in after:
        raise UsageError(f"expected a page with the lines `{BEGIN}` and `{END}` once each, found another")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"
