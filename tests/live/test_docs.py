"""The checks that docs/checks.md shows run as they stand, with pytest, outside the checkout."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "checks.md"


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
