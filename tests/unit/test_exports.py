"""Where results for other systems go: the options, the files, a step of GitHub Actions."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from lab.cli.exports import Export, Exports, Github, parse
from lab.errors import UsageError
from lab.grading.formats import Format
from lab.grading.record import Record
from lab.grading.reports import github
from tests.unit.grading.examples import SCORED, UNSCORED
from tests.unit.grading.test_reports_exports import ENVIRONMENT, faults


def exports(folder: Path, *formats: Format) -> Exports:
    """A file of each format, in a folder that is not there."""
    return Exports([Export(format=one, file=folder / "new" / one / "results.json") for one in formats], ENVIRONMENT)


def test_an_export_is_a_format_and_a_file() -> None:
    """Several may be given; a file's name may hold the sign that parts them."""
    assert parse(["ctrf=a=b.json", "gradescope=/r/results.json"]) == (
        Export(format=Format.CTRF, file=Path("a=b.json")),
        Export(format=Format.GRADESCOPE, file=Path("/r/results.json")),
    )


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["gradscope=x"], "did you mean gradescope"),
        (["ctrf"], "name a file: ctrf=results.json"),
        (["ctrf="], "name a file: ctrf=results.json"),
        (["x.json"], "with one of gradescope, prairielearn, classroom50, ctrf, found 'x.json'"),
        (["ctrf=x", "gradescope=./x"], "found ./x twice"),
    ],
)
def test_what_is_no_export_is_a_mistake_in_the_call(texts: list[str], message: str) -> None:
    """The message says what there is."""
    with pytest.raises(UsageError, match="expected") as raised:
        parse(texts)
    assert message in str(raised.value)


def test_the_page_of_formats_has_each() -> None:
    """In the head of its table."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    assert f"| of a record | {' | '.join(f'`{one}`' for one in Format)} |\n" in page


def test_each_format_is_written_into_a_folder_that_is_made(tmp_path: Path) -> None:
    """As its system takes it."""
    exports(tmp_path, *Format).write(SCORED)
    for name in Format:
        found = json.loads((tmp_path / "new" / name / "results.json").read_text())
        assert faults(name, found) == []


def test_a_result_of_an_earlier_submission_is_removed_at_once(tmp_path: Path) -> None:
    """Whatever happens then, it is not taken for this one's."""
    exports(tmp_path, Format.GRADESCOPE).write(SCORED)
    file = tmp_path / "new" / "gradescope" / "results.json"
    assert file.exists()
    exports(tmp_path, Format.GRADESCOPE)
    assert not file.exists()


def test_without_a_score_there_is_no_file_where_it_would_be_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor that of the check before it, and it is said."""
    found = exports(tmp_path, *Format)
    found.write(SCORED)
    found.write(UNSCORED)
    assert sorted(file.parent.name for file in (tmp_path / "new").rglob("*.json")) == ["ctrf", "prairielearn"]
    said = capsys.readouterr().err.splitlines()
    assert [line.rpartition(" ")[2] for line in said] == ["gradescope", "classroom50"]
    assert all("is not written: without a score" in line for line in said)


def test_what_is_no_regular_file_is_never_removed(tmp_path: Path) -> None:
    """Such as /dev/stdout, a link."""
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    found = Exports([Export(format=Format.CTRF, file=tmp_path / "link")], {})
    assert (tmp_path / "target").read_text() == "old"
    found.write(SCORED)
    assert (tmp_path / "link").is_symlink()
    assert json.loads((tmp_path / "target").read_text())["reportFormat"] == "CTRF"


def test_what_cannot_be_written_is_told_before_anything_is_checked(tmp_path: Path) -> None:
    """A file in the place of a folder, and a folder in the place of a file."""
    (tmp_path / "new").write_text("")
    with pytest.raises(UsageError, match="expected to make the folder"):
        exports(tmp_path, Format.CTRF)
    with pytest.raises(UsageError, match="which is a folder"):
        Exports([Export(format=Format.CTRF, file=tmp_path)], {})


def test_classroom50_needs_its_environment_and_the_others_do_not(tmp_path: Path) -> None:
    """Its lack is told before anything is checked."""
    Exports([Export(format=one, file=tmp_path / one) for one in Format if one is not Format.CLASSROOM50], {})
    with pytest.raises(UsageError, match="found no CLASSROOM, ASSIGNMENT"):
        Exports([Export(format=Format.CLASSROOM50, file=tmp_path / "x")], {})


# ------------------------------------------------------------------------------------ a step of GitHub's


def step(folder: Path, before: bytes = b"") -> Path:
    """The file of a step's summary, with what is in it already."""
    file = folder / "summary.md"
    file.write_bytes(before)
    return file


@pytest.mark.parametrize("environment", [{}, {"GITHUB_STEP_SUMMARY": ""}])
def test_github_is_for_a_step_of_github(environment: dict[str, str]) -> None:
    """Elsewhere it is a mistake in the call."""
    with pytest.raises(UsageError, match="GITHUB_STEP_SUMMARY"):
        Github(environment)


def tell(file: Path, record: Record, commands: io.StringIO) -> None:
    """Tell a step of a record."""
    page = Github({"GITHUB_STEP_SUMMARY": str(file)})
    page.tell(lambda room: github.summary(record, room=room), github.commands(record), commands=commands)


def test_github_adds_to_a_summary(tmp_path: Path) -> None:
    """What others have written stays, and the commands come apart from it."""
    file = step(tmp_path, b"# before\n\n")
    commands = io.StringIO()
    tell(file, SCORED, commands)
    assert file.read_text() == "# before\n\n" + github.summary(SCORED)
    assert commands.getvalue().splitlines() == github.commands(SCORED)


@pytest.mark.parametrize("left", [0, 100, 1500, 100_000])
def test_github_leaves_a_summary_within_its_size(tmp_path: Path, capsys: pytest.CaptureFixture[str], left: int) -> None:
    """With what is in it already: GitHub would throw away that, too."""
    file = step(tmp_path, b"x" * (github.MOST_BYTES - left))
    tell(file, SCORED, io.StringIO())
    assert file.stat().st_size <= 1000 * 1024
    assert ("no room left" in capsys.readouterr().err) == (left < 1500)
    assert ("parts are left out" in file.read_text()) == (left == 1500)
