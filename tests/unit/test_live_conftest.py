"""A live test that is skipped fails the run: checked with the very conftest that live tests use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SKIPS = {
    "in the test": "import pytest\ndef test_it():\n    pytest.skip('no time')\n",
    "by a mark": "import pytest\n@pytest.mark.skip(reason='no time')\ndef test_it():\n    pass\n",
    "by a condition": "import pytest\n@pytest.mark.skipif(True, reason='no time')\ndef test_it():\n    pass\n",
    "in a fixture": "import pytest\n@pytest.fixture\ndef f():\n    pytest.skip('no time')\ndef test_it(f):\n    pass\n",
    "by the whole module": "import pytest\npytest.skip('no time', allow_module_level=True)\n",
    "for want of a module": "import pytest\npytest.importorskip('no_such_module')\ndef test_it():\n    pass\n",
    "as an expected failure": "import pytest\n@pytest.mark.xfail\ndef test_it():\n    raise ValueError\n",
}


def run_with_live_conftest(folder: Path, test: str) -> subprocess.CompletedProcess[str]:
    """Run one test file below the live tests' conftest."""
    (folder / "conftest.py").write_text((ROOT / "tests/live/conftest.py").read_text())
    (folder / "test_one.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("how", SKIPS)
def test_a_skip_of_any_kind_fails_the_run(how: str, tmp_path: Path) -> None:
    """However a live test gets around being run, pytest's exit status is not 0, and the reason is shown."""
    done = run_with_live_conftest(tmp_path, SKIPS[how])
    assert done.returncode != 0, done.stdout
    assert "may not be" in done.stdout


def test_a_test_that_runs_passes(tmp_path: Path) -> None:
    """Positive control."""
    assert run_with_live_conftest(tmp_path, "def test_it():\n    pass\n").returncode == 0
