"""`lab check` on what people hand in: each kind of bad input has a verdict with a clear sentence, and leaves the lab as
it was."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import instances, live
from lab.engine import Engine
from lab.errors import CheckError, LabError, UsageError
from lab.grading import library
from tests.live.support import command_line, until

INSTANCE = "exercise-77-one"
HEAD = "import os, signal, socket, sys, time\nport, word = int(sys.argv[1]), sys.argv[2]\n"
SERVE = """
with socket.create_server(("0.0.0.0", port)) as listening:
    while True:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(f"hello {word}\\n".encode())
"""


@pytest.fixture(scope="module")
def exercise(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Path]:
    """The folder of an exercise as `lab new exercise` makes it; its lab is kept running."""
    place = library.make_new(str(tmp_path_factory.mktemp("exercises") / "77-greeter"))
    started = command_line("exercise", "start", str(place), str(place.parent / "work"), "--variant", "one")
    assert started.returncode == 0, started.stderr.decode()
    yield place
    instances.down(engine, INSTANCE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What came of `lab check --json`, and on which instance: the kept one if it needed to start none."""

    status: int
    record: dict[str, Any]
    stderr: str

    def states(self) -> dict[str, str]:
        """Of each check."""
        return {one["check"]: one["state"] for one in self.record["checks"]}

    def one(self, check: str) -> dict[str, Any]:
        """The verdict of a check."""
        return next(one for one in self.record["checks"] if one["check"] == check)


@pytest.fixture
def check(exercise: Path, engine: Engine) -> Iterator[Callable[[Path], Checked]]:
    """Check a folder on the kept instance, which has to be as it was when it came up afterwards."""
    found = instances.find(engine, INSTANCE)
    with live.attach(engine, found) as instance:
        before = instance.fingerprints()

    def run(folder: Path) -> Checked:
        done = command_line("check", str(exercise), str(folder), "--json")
        stderr = done.stderr.decode()
        assert "starting" not in stderr  # the kept instance was used
        return Checked(status=done.returncode, record=json.loads(done.stdout), stderr=stderr)

    yield run
    with live.attach(engine, found) as instance:
        assert instance.fingerprints() == before


@pytest.fixture
def folder(tmp_path: Path, exercise: Path) -> Path:
    """A folder with the solution."""
    return Path(shutil.copytree(exercise / "solution", tmp_path / "submission"))


def refused(checked: Checked) -> str:
    """What is said of a submission whose files cannot be run."""
    assert checked.status == LabError.exit_code
    assert checked.record["score"] == 0
    assert checked.states() == {"submission": "FAILED", "listens": "BLOCKED", "greets": "BLOCKED"}
    one = checked.one("submission")
    return f"expected {one['expected']}, observed {one['observed']}, hint {one['hint']}"


def test_the_solution(check: Callable[[Path], Checked], folder: Path) -> None:
    """All points, and the exit status 0."""
    checked = check(folder)
    assert checked.states() == {"listens": "PASSED", "greets": "PASSED"}
    assert (checked.status, checked.record["score"], checked.record["most"]) == (0, 10, 10)


# ----------------------------------------------------------------------------------------- its files


def test_a_missing_file(check: Callable[[Path], Checked], folder: Path) -> None:
    """It is named, and so is the one that was probably meant."""
    (folder / "greeter.py").rename(folder / "greter.py")
    said = refused(check(folder))
    assert "expected greeter.py: a file (the server, called as greeter.py PORT WORD), observed greeter.py: none" in said
    assert "is greter.py meant? its name must be greeter.py" in said


def test_an_extra_file(check: Callable[[Path], Checked], folder: Path) -> None:
    """It changes nothing, and is told of."""
    (folder / "socket.py").write_text("raise SystemExit(3)")
    checked = check(folder)
    assert checked.status == 0
    assert checked.record["ignored"] == ["socket.py"]


def test_a_folder_in_place_of_a_file(check: Callable[[Path], Checked], folder: Path) -> None:
    """It is no file."""
    (folder / "greeter.py").unlink()
    (folder / "greeter.py").mkdir()
    assert "observed greeter.py: a folder" in refused(check(folder))


def test_a_link_out_of_the_folder(check: Callable[[Path], Checked], folder: Path) -> None:
    """It is not followed."""
    (folder / "greeter.py").unlink()
    (folder / "greeter.py").symlink_to("/etc/passwd")
    checked = check(folder)
    assert "observed greeter.py: a symbolic link, hint hand in the file itself" in refused(checked)
    assert checked.record["files"] == []


def test_a_file_of_100_megabytes(check: Callable[[Path], Checked], folder: Path) -> None:
    """No more of it is read than a file may have."""
    with (folder / "greeter.py").open("r+b") as file:
        file.truncate(100_000_000)
    assert "of at most 256 KiB, observed greeter.py: 100,000,000 bytes" in refused(check(folder))


def test_a_file_that_is_not_utf8(check: Callable[[Path], Checked], folder: Path) -> None:
    """The line is named."""
    with (folder / "greeter.py").open("ab") as file:
        file.write("# Grüße\n".encode("latin-1"))
    said = refused(check(folder))
    assert "expected greeter.py: text in UTF-8, observed greeter.py: the byte 0xfc in line" in said


def test_a_pipe_in_place_of_a_file(check: Callable[[Path], Checked], folder: Path) -> None:
    """Nobody waits for what somebody would write."""
    (folder / "greeter.py").unlink()
    os.mkfifo(folder / "greeter.py")
    assert "something that is no regular file" in refused(check(folder))


def test_no_folder(exercise: Path, tmp_path: Path) -> None:
    """A mistake in the call is no verdict."""
    done = command_line("check", str(exercise), str(tmp_path / "none"))
    assert done.returncode == UsageError.exit_code
    assert done.stdout == b""
    assert b"expected a submission, a folder, or an archive" in done.stderr


# -------------------------------------------------------------------------------------- its programs


def programmed(folder: Path, text: str) -> Path:
    """The folder with another program."""
    (folder / "greeter.py").write_text(HEAD + textwrap.dedent(text))
    return folder


def failed(checked: Checked, check: str, layer: str) -> dict[str, Any]:
    """The verdict of a check that has failed at a layer."""
    one = checked.one(check)
    assert (checked.status, one["state"], one["layer"]) == (LabError.exit_code, "FAILED", layer)
    return one


def test_a_program_that_ends_at_once(check: Callable[[Path], Checked], folder: Path) -> None:
    """How it has ended is told, and what it printed last."""
    one = failed(check(programmed(folder, "raise RuntimeError('no \\033[31mway')")), "listens", "program")
    assert one["observed"] == "the program has ended: exit status 1: RuntimeError: no �[31mway"
    assert any("printed last" in table["title"] for table in one["evidence"])


def test_a_program_that_hangs(check: Callable[[Path], Checked], folder: Path) -> None:
    """It runs and does not listen; what listens instead is shown."""
    one = failed(check(programmed(folder, "time.sleep(1000)")), "listens", "no listener")
    assert one["observed"].startswith("no tcp listener at port ")
    assert one["hint"] == "`lab sockets server` shows what listens"


def test_a_program_that_hangs_with_a_client(check: Callable[[Path], Checked], folder: Path) -> None:
    """It listens, and never accepts: connected, and then nothing."""
    text = 's = socket.create_server(("0.0.0.0", port))\ntime.sleep(1000)\n'
    one = failed(check(programmed(folder, text)), "greets", "wrong bytes")
    assert one["observed"] == "connected, and then nothing more in time"


def test_a_program_that_prints_without_end(check: Callable[[Path], Checked], folder: Path) -> None:
    """Its output is let go of, and the verdict is about what it does beside."""
    flood = "import threading\ndef flood():\n    while True: print('x' * 10000)\n"
    serving = flood + "threading.Thread(target=flood, daemon=True).start()" + SERVE
    assert check(programmed(folder, serving)).status == 0
    failed(check(programmed(folder, flood + "flood()")), "listens", "no listener")


def test_a_program_that_ignores_sigterm(check: Callable[[Path], Checked], folder: Path) -> None:
    """It serves, and is gone afterwards."""
    deaf = "for number in set(signal.Signals) - {9, 19}:\n    signal.signal(number, signal.SIG_IGN)\n"
    assert check(programmed(folder, deaf + SERVE)).status == 0


def test_a_program_that_listens_late(check: Callable[[Path], Checked], folder: Path) -> None:
    """It is waited for."""
    assert check(programmed(folder, f"time.sleep(2)\n{SERVE}")).status == 0


def test_a_program_that_forks(check: Callable[[Path], Checked], folder: Path) -> None:
    """A server that goes into the background serves; one that fills the host with processes gets a verdict."""
    daemon = "if os.fork(): time.sleep(1000)\nos.setsid()\nif os.fork(): os._exit(0)\n"
    assert check(programmed(folder, daemon + SERVE)).status == 0
    bomb = "while True:\n    try: os.fork()\n    except OSError: time.sleep(0.01)\n"
    failed(check(programmed(folder, bomb)), "listens", "no listener")


def test_a_program_that_fills_its_home(check: Callable[[Path], Checked], folder: Path) -> None:
    """What it has written is gone with the next reset."""
    fill = """
    with open("big", "wb") as file:
        try:
            while True: file.write(bytes(1 << 20))
        except OSError: pass
    """
    assert check(programmed(folder, textwrap.dedent(fill) + SERVE)).status == 0


# ----------------------------------------------------------------------------------------- its reports


def test_reports_are_of_one_record(exercise: Path, folder: Path, tmp_path: Path) -> None:
    """Terminal, JUnit XML, page, another system's result, and a job's page and annotations say the same."""
    programmed(folder, SERVE.replace("hello {word}", "hullo"))
    junit, page, result, summary = (tmp_path / name for name in ("junit.xml", "page.html", "new/r.json", "summary.md"))
    reports = ["--junit", str(junit), "--html", str(page), "--export", f"gradescope={result}", "--github"]
    summary.touch()
    environment = {**os.environ, "GITHUB_STEP_SUMMARY": str(summary)}
    done = command_line("check", str(exercise), str(folder), "--variant", "two", *reports, environment=environment)
    assert done.returncode == LabError.exit_code
    text = done.stdout.decode()
    assert "4 of 10 points" in text
    assert "variant two" in text
    root = ElementTree.parse(junit).getroot()
    assert [len(root.findall(f".//{kind}")) for kind in ("testcase", "failure", "error")] == [2, 1, 0]
    assert "4 of 10 points" in page.read_text()
    assert [one["score"] for one in json.loads(result.read_text())["tests"]] == [4, 0]
    assert "4 of 10 points" in summary.read_text()
    assert [line.partition("::")[2][:14] for line in text.splitlines() if line.startswith("::")] == ["error title=0/"]


def test_a_runner_of_githubs_obeys_no_submission(exercise: Path, folder: Path) -> None:
    """Between two lines that a submission cannot know, nothing that it printed is a command."""
    programmed(folder, "print('::set-env name=X::y')\nraise SystemExit(1)")
    done = command_line("check", str(exercise), str(folder), environment={**os.environ, "GITHUB_ACTIONS": "true"})
    first, *between, last = done.stdout.decode().splitlines()
    token = first.removeprefix("::stop-commands::")
    assert (len(token), last) == (32, f"::{token}::")
    assert any("::set-env" in line for line in between)


def test_a_variant_gives_the_same_values_again(exercise: Path, folder: Path) -> None:
    """And another key gives others: who has not the key cannot know them."""

    def values(**more: str) -> dict[str, str]:
        environment = {**os.environ, **more}
        done = command_line(
            "check", str(exercise), str(folder), "--json", "--variant", "three", environment=environment
        )
        return dict(json.loads(done.stdout)["values"])

    assert values() == values()
    assert values(SOCKETLAB_KEY="another") != values()


def test_an_interrupt_leaves_nothing(exercise: Path, folder: Path, engine: Engine, tmp_path: Path) -> None:
    """Ctrl-C while a check goes on, on an instance of its own: it is removed."""
    other = Path(shutil.copytree(exercise, tmp_path / "78-other"))
    programmed(folder, "time.sleep(1000)")
    child = subprocess.Popen(
        [sys.executable, "-m", "lab", "check", str(other), str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stderr is not None
    said = b""
    while b"reach it" not in said:  # the title of the first check
        piece = os.read(child.stderr.fileno(), 1000)
        assert piece, said
        said += piece
    child.send_signal(signal.SIGINT)
    _, rest = child.communicate(timeout=60)
    assert child.returncode == 130
    assert b"Traceback" not in rest
    assert not [one.name for one in instances.running(engine) if one.name.startswith("exercise-78-")]


def test_watch_checks_again_on_a_change(exercise: Path, folder: Path) -> None:
    """On each save a verdict; Ctrl-C ends it with that of the last one."""
    right = (folder / "greeter.py").read_text()
    programmed(folder, "raise SystemExit(5)")
    child = subprocess.Popen(
        [sys.executable, "-u", "-m", "lab", "check", str(exercise), str(folder), "--watch"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stderr is not None
    stdout, stderr = child.stdout.fileno(), child.stderr.fileno()
    printed = b""

    def shown(text: bytes) -> None:
        nonlocal printed
        while text not in printed:
            piece = os.read(stdout, 10_000)
            assert piece, printed
            printed += piece

    def waits() -> bool:
        return b"watching" in os.read(stderr, 10_000)

    shown(b"0 of 10 points")
    until(waits, wanted=bool, what="the wait for a change")
    (folder / "greeter.py").write_text(right)
    shown(b"10 of 10 points")
    until(waits, wanted=bool, what="the wait for a change")
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=30)
    assert child.returncode == 0


# ------------------------------------------------------------------------------ checks that go wrong

MARK = "@pytest.mark.check(points=5"
BROKEN_CHECK = '''
import pytest
from lab.grading.stage import CheckStage

{mark})
def test_first(stage: CheckStage) -> None:
    """The first."""
    {body}

{mark}, needs=["first"])
def test_second(stage: CheckStage) -> None:
    """The second."""
'''


@pytest.fixture
def with_checks(exercise: Path, tmp_path: Path) -> Callable[[str], Checked]:
    """Check the solution, or another submission, with other checks."""

    def run(text: str, seconds: int = 20, submission: Path | None = None) -> Checked:
        other = Path(shutil.copytree(exercise, tmp_path / "77-other"))
        for path in other.glob("test_*.py"):
            path.unlink()
        (other / "test_other.py").write_text(text)
        described = (other / "exercise.yaml").read_text().partition("wrong:")[0]
        (other / "exercise.yaml").write_text(described.replace("seconds: 20", f"seconds: {seconds}"))
        done = command_line("check", str(other), str(submission or other / "solution"), "--json")
        assert done.stdout, done.stderr.decode()
        return Checked(status=done.returncode, record=json.loads(done.stdout), stderr=done.stderr.decode())

    return run


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{}['none']", "KeyError: 'none' (test_other.py, line 8)"),
        ("stage.value('NONE')", "expected a variable of the exercise, found 'NONE'"),
        ("stage.sockets('nobody')", "nobody"),
        ("pytest.skip('not today')", "it was skipped, and a check may not be: not today"),
        ("raise SystemError('odd')", "SystemError: odd"),
        ("stage.serve('server', 'none.py', at='tcp/80')", "expected a file of the submission or a given program"),
    ],
)
def test_what_is_the_checks_fault(with_checks: Callable[[str], Checked], body: str, reason: str) -> None:
    """It is an ERROR with its reason, and so is what needs it; there is no score, and the exit status is its own."""
    checked = with_checks(BROKEN_CHECK.format(mark=MARK, body=body))
    assert checked.states() == {"first": "ERROR", "second": "ERROR"}
    assert (checked.status, checked.record["score"]) == (CheckError.exit_code, None)
    assert reason in checked.one("first")["reason"]
    assert checked.one("second")["reason"] == "it needs the check first, which could not be carried out"


def test_what_a_submission_does_to_a_check_is_its_fault(with_checks: Callable[..., Checked], tmp_path: Path) -> None:
    """A check that cannot be carried out, again and again, and can with the solution, is FAILED and no ERROR."""
    body = "stage.complete('server', 'greeter.py'); stage.command('server', 'test', '!', '-e', '/tmp/mark')"
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    (hostile / "greeter.py").write_text("open('/tmp/mark', 'w').close()\n")
    checked = with_checks(BROKEN_CHECK.format(mark=MARK, body=body), submission=hostile)
    assert checked.states() == {"first": "FAILED", "second": "BLOCKED"}
    assert checked.status == LabError.exit_code
    assert "with the exercise's own solution it can be" in checked.one("first")["expected"]
    assert "exit status 1" in checked.one("first")["observed"]


def test_a_module_that_cannot_be_imported(with_checks: Callable[[str], Checked]) -> None:
    """All of its checks have a verdict all the same."""
    checked = with_checks("import a_module_that_there_is_not\n" + BROKEN_CHECK.format(mark=MARK, body="pass"))
    assert checked.states() == {"first": "ERROR", "second": "ERROR"}
    assert "No module named 'a_module_that_there_is_not'" in checked.one("second")["reason"]


def test_a_check_that_is_redefined(with_checks: Callable[[str], Checked]) -> None:
    """One that is declared and then not there has a verdict, too."""
    checked = with_checks(BROKEN_CHECK.format(mark=MARK, body="pass") + "\ntest_second = None\n")
    assert checked.states() == {"first": "PASSED", "second": "ERROR"}
    assert checked.status == CheckError.exit_code


@pytest.mark.parametrize(
    ("body", "observed"),
    [
        ("assert 1 + 1 == 3", "assert (1 + 1) == 3"),
        ("pytest.fail('it is wrong')", "it is wrong"),
        ("stage.expect('a sum', 2, 3)", "2"),
        ("stage.until('a wonder', lambda: 'none', lambda seen: seen != 'none', seconds=0.1)", "none"),
    ],
)
def test_what_is_the_submissions_fault(with_checks: Callable[[str], Checked], body: str, observed: str) -> None:
    """An assertion that does not hold is FAILED, and blocks what needs it."""
    checked = with_checks(BROKEN_CHECK.format(mark=MARK, body=body))
    assert checked.states() == {"first": "FAILED", "second": "BLOCKED"}
    assert (checked.status, checked.record["score"]) == (LabError.exit_code, 0)
    assert checked.one("first")["observed"] == observed


def test_a_check_takes_no_longer_than_it_may(with_checks: Callable[..., Checked]) -> None:
    """A submission that uses up the time of its check has failed it."""
    body = "\n    ".join(
        [
            "while True:",
            "    stage.complete('server', 'greeter.py', '1', 'x', seconds=0.3) if False else None",
            "    stage.exchange('alice', 'tcp/203.0.113.80:9', b'')",
        ]
    )
    checked = with_checks(BROKEN_CHECK.format(mark=MARK, body=body), seconds=1)
    one = failed(checked, "first", "program")
    assert (one["expected"], one["observed"]) == ("an end within 1 s", "it goes on")


def test_system_calls_of_a_program_that_does_not_end(with_checks: Callable[[str], Checked]) -> None:
    """A traced submission that goes on has failed its check; one that ends has an output, a status, and its calls."""
    body = "\n    ".join(
        [
            "done, calls = stage.traced('server', 'greeter.py')  # without its arguments",
            "assert done.status == 1 and 'IndexError' in done.err",
            "assert any(one.name == 'execve' for one in calls)",
            "stage.traced('server', 'greeter.py', '8000', 'x', seconds=1, hint='end it')",
        ]
    )
    one = failed(with_checks(BROKEN_CHECK.format(mark=MARK, body=body)), "first", "program")
    assert (one["expected"], one["observed"], one["hint"]) == ("its end within 1 s", "it goes on", "end it")


def test_fixtures_of_the_plugin_are_of_the_exercises_lab(with_checks: Callable[[str], Checked]) -> None:
    """A check may take testinfra's hosts and all other fixtures, too."""
    text = '''
import pytest

@pytest.mark.check(points=5)
def test_first(lab, host, sockets, translations, values):
    """The plugin's fixtures are there."""
    assert lab.name.startswith("exercise-77-")
    assert host("server").file("/etc/hostname").exists
    assert any(one.local.port == 65432 for one in sockets("server"))
    assert translations("router") == ()
    assert set(values) == {"PORT", "WORD"}

@pytest.mark.check(points=5)
def test_second(stage, lab):
    """And so is the stage, on the same lab."""
    assert stage.instance is lab
'''
    checked = with_checks(text)
    assert checked.states() == {"first": "PASSED", "second": "PASSED"}
