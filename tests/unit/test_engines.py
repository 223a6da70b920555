"""What passed where, from JUnit files to README; and which Debian release has an engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import UsageError
from tests.engines import results, roots
from tests.engines.results import Row

ROOT = Path(__file__).resolve().parents[2]
JUNIT = """<?xml version="1.0"?>
<testsuites><testsuite name="pytest" tests="5">
<testcase classname="tests.live.test_up" name="test_a" time="1.5"/>
<testcase classname="tests.live.test_up" name="test_b" time="2"><failure message="no">no</failure></testcase>
<testcase classname="tests.live.test_down" name="test_c" time="0.25"><error message="no">no</error></testcase>
<testcase classname="tests.contract.test_links" name="test_d" time="4"><skipped message="no">no</skipped></testcase>
<testcase classname="" name="tests.contract.test_broken" time="0"><error message="collection">no</error></testcase>
</testsuite></testsuites>
"""
ROWS = (
    Row(engine="28.5.2", api="1.51", suite="tests/live", passed=1, failed=2, seconds=3.75),
    Row(engine="28.5.2", api="1.51", suite="tests/contract", passed=0, failed=2, seconds=4),
)
TABLE = """\
| engine | API | suite | passed | failed | seconds |
| --- | --- | --- | --- | --- | --- |
| 28.5.2 | 1.51 | `tests/live` | 1 | 2 | 4 |
| 28.5.2 | 1.51 | `tests/contract` | 0 | 2 | 4 |"""


def test_only_what_passed_counts_as_passed(tmp_path: Path) -> None:
    """A failure, an error, a skip and a module that cannot be read count against a suite, which is a folder."""
    file = tmp_path / "28.5.xml"
    file.write_text(JUNIT)
    results.label(file, engine="28.5.2", api="1.51")
    assert results.read(file) == ROWS


def test_the_table_is_markdown() -> None:
    """A line for each suite on each engine, in the order of the rows."""
    assert results.table(ROWS) == TABLE


def test_a_table_takes_the_place_of_the_one_before() -> None:
    """All else on the page stays, and putting it twice is putting it once."""
    page = f"# Page\n\n{results.BEGIN}\nold\n{results.END}\nmore\n"
    new = results.put(TABLE, page)
    assert new == f"# Page\n\n{results.BEGIN}\n{TABLE}\n{results.END}\nmore\n"
    assert results.put(TABLE, new) == new


@pytest.mark.parametrize(
    "page",
    ["", results.BEGIN, f"{results.END}\n{results.BEGIN}", f"{results.BEGIN}{results.BEGIN}{results.END}"],
)
def test_a_page_without_its_place_is_refused(page: str) -> None:
    """Nothing is written beside or over something else."""
    with pytest.raises(UsageError, match="once each"):
        results.put(TABLE, page)


def test_readme_has_the_place() -> None:
    """The page that is written has it."""
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert TABLE in results.put(TABLE, page)


def test_an_engine_that_debian_has_not_is_refused() -> None:
    """The message names those that it has."""
    with pytest.raises(UsageError, match=r"20\.10, 26\.1, 28\.5; found 27\.0"):
        roots.suite("27.0")


def test_a_root_is_made_again_if_its_recipe_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder's name has all of it: the release, the packages, the options."""
    before = {roots.recipe("sid"), roots.recipe("trixie")}
    monkeypatch.setattr(roots, "PACKAGES", (*roots.PACKAGES, "kmod"))
    assert len(before | {roots.recipe("sid"), roots.recipe("trixie")}) == 4
