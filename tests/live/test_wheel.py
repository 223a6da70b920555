"""The wheel is whole: installed elsewhere, it starts a lab without the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAME = "test-wheel"


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command; its standard output. Fails with what it printed."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_starts_a_lab(tmp_path: Path) -> None:
    """Built, installed with its dependencies into a new environment, it lists, starts, uses and removes a lab, and
    checks an exercise."""
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    lab = tmp_path / "env" / "bin" / "lab"
    run(python, "-m", "pip", "install", "-q", "-c", ROOT / "requirements.lock", wheel, cwd=tmp_path)
    where = run(python, "-c", "import lab; print(lab.__file__)", cwd=tmp_path)
    assert where.startswith(str(tmp_path))
    assert "nat" in run(lab, "list", cwd=tmp_path)
    assert "labs work here" in run(lab, "doctor", cwd=tmp_path)
    try:
        # The images' content is the same, so their tags are, and nothing is built again.
        run(lab, "up", "nat", "--name", NAME, cwd=tmp_path)
        client = next((tmp_path / "env").rglob("compose/programs/echo_client.py"))
        said = run(lab, "run", "--name", NAME, "bob", client, "203.0.113.80", "65432", cwd=tmp_path)
        assert "Received b'Hello, server'" in said
    finally:
        run(lab, "down", "--name", NAME, cwd=tmp_path)
    assert "01-one-port-two-addresses" in run(lab, "exercise", "list", cwd=tmp_path)
    solution = next((tmp_path / "env").rglob("exercises/01-*/solution"))
    assert "10 of 10 points" in run(lab, "check", "1", solution, cwd=tmp_path)
    run(lab, "new", "exercise", "mine", cwd=tmp_path)
    assert (tmp_path / "mine" / "wrong").is_dir()
