"""The templates for CI: what they call is there, and they keep what docs/ci/README.md promises."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer import TyperException
from typer.core import TyperGroup
from typer.main import get_command

from lab.cli import act, exercise, grading, life, look, note, prepare  # noqa: F401, all commands
from lab.cli.common import app
from lab.errors import CheckError

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "ci"
Yaml = dict[str, Any]


def template(name: str) -> Yaml:
    """What a template says. The scalars are as they are written: for YAML 1.1 `on` would be true."""
    read: Yaml = yaml.load((FOLDER / name).read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    return read


GITHUB, GITLAB = template("github-actions.yml"), template("gitlab-ci.yml")
STEPS: list[Yaml] = [step for job in GITHUB["jobs"].values() for step in job["steps"]]
JOBS: dict[str, Yaml] = {name: job for name, job in GITLAB.items() if isinstance(job, dict)}
LINES = [
    *(line for step in STEPS for line in step.get("run", "").splitlines()),
    *(line for job in JOBS.values() for line in [*job["before_script"], *job["script"]]),
]
CALLS = [line for line in LINES if "/bin/lab " in line]


def call(line: str) -> Yaml:
    """The options and arguments of a call of ours, as our command line reads them. Raises TyperException."""
    words = shlex.split(line)
    group = get_command(app)
    assert words[0].endswith("/.venv/bin/lab")
    context = group.make_context("lab", words[1:])
    assert isinstance(group, TyperGroup)
    _, command, rest = group.resolve_command(context, words[1:])
    assert command is not None
    found: Yaml = command.make_context(words[1], rest, parent=context).params
    return found


@pytest.mark.parametrize("line", CALLS)
def test_a_template_calls_what_there_is(line: str) -> None:
    """The command, its arguments and its options, with the submission that the job has."""
    found = call(line)
    assert found["exercise"] == "$EXERCISE"
    assert str(found["junit"]) == "reports/junit.xml"
    assert str(found["folder"]) in ("submission", ".")


def test_each_template_calls_it_once() -> None:
    """Positive control of the test above."""
    assert len(CALLS) == 2


@pytest.mark.parametrize(
    "line", ["x/.venv/bin/lab check 6 . --jnuit x", "x/.venv/bin/lab check 6", "x/.venv/bin/lab chek 6"]
)
def test_a_call_of_what_there_is_not_is_seen(line: str) -> None:
    """The test above can fail."""
    with pytest.raises(TyperException):
        call(line)


def test_the_make_targets_are_there() -> None:
    """Both make the machine ready as README does."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    called = [shlex.split(line)[-1] for line in LINES if line.startswith("make ")]
    assert called == ["setup", "setup"]
    assert set(called) <= targets


# ------------------------------------------------------------------------------------------------ GitHub


def test_github_gives_the_secret_to_no_stranger() -> None:
    """It reads the repository and no more, and runs nothing with the rights of the repository for a fork."""
    assert set(GITHUB["on"]) == {"push", "pull_request"}
    assert GITHUB["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in GITHUB["jobs"].values())


def test_github_keeps_the_secret_in_one_step() -> None:
    """That which checks: nothing else sees it, and no checkout leaves a token in a folder."""
    holders = [step["name"] for step in STEPS if "secrets." in str(step)]
    assert holders == ["Check the submission"]
    for step in STEPS:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] == "false"


def test_github_puts_nothing_of_others_into_a_script() -> None:
    """An expression in a script is replaced before the shell reads it: a branch's name could be a command."""
    assert [step["run"] for step in STEPS if "${{" in step.get("run", "")] == []


def test_github_ends_in_time_and_keeps_reports_of_a_failure() -> None:
    """And the step that checks tells GitHub's page."""
    assert all(int(job["timeout-minutes"]) <= 30 for job in GITHUB["jobs"].values())
    (upload,) = (step for step in STEPS if step.get("uses", "").startswith("actions/upload-artifact@"))
    assert upload["if"] == "${{ !cancelled() }}"
    assert upload["with"]["path"] == "reports"
    assert [call(line)["github"] for line in CALLS] == [True, False]


def test_github_has_steps_of_its_own_form() -> None:
    """Each step uses an action of a version or runs a script, never both, and has no key that is none."""
    for step in STEPS:
        assert ("uses" in step) != ("run" in step)
        assert set(step) <= {"name", "uses", "run", "with", "env", "if"}
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", step.get("uses", "actions/x@v1"))
    assert set(GITHUB) == {"name", "on", "permissions", "concurrency", "jobs"}


# ------------------------------------------------------------------------------------------------ GitLab


def test_gitlab_has_a_test_report_of_a_failure() -> None:
    """It is kept whatever came of the job, and ends in time, on a runner that is named."""
    (job,) = JOBS.values()
    assert job["artifacts"]["when"] == "always"
    assert job["artifacts"]["reports"] == {"junit": str(call(CALLS[1])["junit"])}
    assert job["timeout"] == "20 minutes"
    assert job["tags"]
    assert "image" not in job


def test_gitlab_tries_again_what_could_not_be_carried_out() -> None:
    """That alone, by the exit status that README names."""
    (job,) = JOBS.values()
    assert job["retry"] == {"max": "1", "exit_codes": str(CheckError.exit_code)}


def test_gitlab_holds_no_secret() -> None:
    """The key is a variable of the group."""
    (job,) = JOBS.values()
    assert set(job["variables"]) == {"EXERCISE", "SOCKETLAB"}
    assert job["stage"] in GITLAB["stages"]
