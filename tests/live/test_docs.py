"""What the pages show runs as it stands, outside the checkout: the checks of docs/checks.md, the exercise of
docs/authoring.md."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from lab.errors import LabError, UsageError
from tests.live.support import command_line

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "checks.md"


def test_the_checks_on_the_page_pass(tmp_path: Path) -> None:
    """All blocks of the page in one file, as a teacher would copy them: four checks, all passed."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "test_page.py").write_text("\n".join(blocks))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_page.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


def test_a_check_of_a_wrong_claim_fails(tmp_path: Path) -> None:
    """Positive control: the same check with another port fails and shows what was observed."""
    (first, *_) = re.findall(
        r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    (tmp_path / "test_page.py").write_text(first.replace("65432", "65433"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_page.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "203.0.113.80:65432" in done.stdout


def example(folder: Path) -> Path:
    """The exercise of docs/authoring.md, as an author would copy it: what stands below each heading that is a path."""
    page = (DOCS / "authoring.md").read_text(encoding="utf-8")
    found = re.findall(r"^### `([^`]+)`$.*?^```[a-z]+\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    for name, content in found:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder / str(found[0][0].partition("/")[0])


def test_the_exercise_of_the_page_verifies(tmp_path: Path) -> None:
    """Its checks are proven by the submissions that the page shows."""
    done = command_line("verify", str(example(tmp_path)))
    assert done.returncode == 0, done.stdout.decode()
    assert b"11-upper: proven by 10 submissions to 3 checks" in done.stdout


def test_an_exercise_with_a_weak_check_does_not(tmp_path: Path) -> None:
    """Positive control: without its second client, the check for everybody passes what it must not."""
    exercise = example(tmp_path)
    checks = exercise / "test_upper.py"
    checks.write_text(checks.read_text().replace('("alice", "bob", "stranger", "alice")', '("alice",)'))
    done = command_line("verify", str(exercise))
    assert done.returncode == LabError.exit_code
    assert b"everybody: expected FAILED, observed PASSED" in done.stdout


def test_a_new_exercise_verifies(tmp_path: Path) -> None:
    """What `lab new exercise` makes, as it is; a second time it is refused, because it is there."""
    made = command_line("new", "exercise", "12-mine", cwd=tmp_path)
    assert made.returncode == 0, made.stderr.decode()
    done = command_line("verify", "./12-mine", cwd=tmp_path)
    assert done.returncode == 0, done.stdout.decode()
    again = command_line("new", "exercise", "12-mine", cwd=tmp_path)
    assert again.returncode == UsageError.exit_code
    assert b"expected a name that is free, found 12-mine" in again.stderr
