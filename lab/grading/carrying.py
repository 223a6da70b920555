"""The checks of an exercise carried out on a submission, by pytest, in a running instance of its lab.

Checks are trusted, as the exercise is; the submission never comes into this process. Each check begins with the lab as
it was when it came up. Whatever happens, every declared check has exactly one verdict.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.grading import checks, library
from lab.grading.judging import FailedError, short
from lab.grading.library import Loaded
from lab.grading.record import Declared, Layer, State, Verdict
from lab.grading.stage import CheckStage
from lab.grading.submission import Submission
from lab.live import Instance
from lab.stage import NotSeenError

GRACE_SECONDS = 30.0
"""What a check may take beyond its submission's time, for what is ours: resets and looks. Then it is not a verdict."""
MOST_REASON = 4000
MOST_ROWS, MOST_CELL = 60, 500
"""of a table of evidence, which a submission may have filled"""
WITHOUT = ("cacheprovider", "faulthandler", "capture", "logging", "unraisableexception", "threadexception")
"""plugins of pytest's own that have no place here"""

About = Callable[[str], None]
"""Hears which check is about to be carried out."""


class StuckError(Exception):
    """A check did not end, though the time of its submission was over."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What is to be checked, and where."""

    loaded: Loaded
    instance: Instance
    submission: Submission
    values: Mapping[str, str]


def carried_out(
    task: Task, *, as_new: bool, about: About = lambda _: None, known: Iterable[Verdict] = ()
) -> tuple[Verdict, ...]:
    """A verdict for each check, in their order; those that are `known` are not carried out.

    `as_new` says that nothing was done in the instance yet, so that the first check needs no reset.
    """
    session = _Session(task, as_new=as_new, about=about, known=known)
    printed = io.StringIO()
    _forget_modules(task.loaded.folder)
    with _without_environment(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        files = sorted({one.file for one in task.loaded.checks})
        # -c: no file of the folder, or of one above it, configures anything. No plugin is loaded but those named.
        status = pytest.main(
            [
                *("-c", os.devnull, f"--rootdir={task.loaded.folder}", "--import-mode=importlib"),
                *("-p", "lab.testing", "--continue-on-collection-errors", "--color=no"),
                *(word for name in WITHOUT for word in ("-p", f"no:{name}")),
                *(str(task.loaded.folder / name) for name in files),
            ],
            plugins=[session],
        )
    if session.interruption is not None:
        raise session.interruption
    said = printed.getvalue().strip()[-MOST_REASON:] or "nothing said"
    return session.verdicts(f"pytest ended with {status!r}: {said}")


def without_files(submission: Submission, loaded: Loaded) -> tuple[Verdict, ...]:
    """What is said of a submission that cannot be run."""
    first = submission.faults[0]
    faults = Verdict(
        check=Declared(id="submission", title="The files that are asked for are there", points=0),
        state=State.FAILED,
        layer=Layer.SUBMISSION,
        what=first.name if len(submission.faults) == 1 else "files",
        expected="\n".join(f"{one.name}: {one.expected}" for one in submission.faults),
        observed="\n".join(f"{one.name}: {one.observed}" for one in submission.faults),
        hint="; ".join(dict.fromkeys(one.hint for one in submission.faults if one.hint)),
    )
    return (faults, *(_blocked(one.check, "submission") for one in loaded.checks))


def _blocked(check: Declared, by: str) -> Verdict:
    return Verdict(check=check, state=State.BLOCKED, reason=f"it needs the check {by}, which has not passed")


@contextlib.contextmanager
def _without_environment() -> Iterator[None]:
    """What the caller's environment tells pytest, and what it tells others of it, is not for this."""
    names = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTEST_CURRENT_TEST")
    before = {name: os.environ.pop(name, None) for name in names}
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _forget_modules(folder: Path) -> None:
    """Have checks imported anew: of a module that could not be, a half would else be taken for all of it."""
    for name, module in [*sys.modules.items()]:
        text = getattr(module, "__file__", None) or ""
        if checks.PREFIX not in text:
            continue  # no path need be made of most of them
        file = Path(text)
        if file.name.startswith(checks.PREFIX) and file.resolve().parent == folder.resolve():
            del sys.modules[name]


class _Fixtures:
    """What checks take, in the place of those of `lab.testing`: of two with one name the last registered is used."""

    def __init__(self, session: _Session) -> None:
        self._session = session

    @pytest.fixture
    def lab(self) -> Instance:
        """The exercise's lab, as it was when it came up."""
        return self._session.fresh()

    @pytest.fixture
    def stage(self, lab: Instance) -> Iterator[CheckStage]:
        """What a check can do."""
        with self._session.staged(lab) as stage:
            yield stage

    @pytest.fixture
    def values(self) -> Mapping[str, str]:
        """The exercise's variables, as they are for this variant."""
        return self._session.task.values


class _Session:
    """A plugin of pytest's: which checks are run, with what, and what came of them."""

    def __init__(
        self, task: Task, *, as_new: bool, about: About = lambda _: None, known: Iterable[Verdict] = ()
    ) -> None:
        self.task = task
        self._as_new = as_new
        self._about = about
        self._checks = {one.check.id: one.check for one in task.loaded.checks}
        self._verdicts = {one.check.id: one for one in known}
        self._broken = ""
        """why modules could not be imported"""
        self._stage: CheckStage | None = None
        self._began = 0.0
        self._raised: dict[str, BaseException] = {}
        self.interruption: BaseException | None = None
        self._programs = {**library.programs(), **dict(task.loaded.peers)}

    # ---------------------------------------------------------------------------------- fixtures

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """See _Fixtures."""
        config.addinivalue_line("markers", "check(points, needs): what a check brings, and which must have passed")
        config.pluginmanager.register(_Fixtures(self), "socketlab-checks")

    def fresh(self) -> Instance:
        """The instance as it was when it came up."""
        if not self._as_new:
            self.task.instance.reset()
        self._as_new = False
        return self.task.instance

    @contextlib.contextmanager
    def staged(self, instance: Instance) -> Iterator[CheckStage]:
        """A stage for the time of a check."""
        seconds = self.task.loaded.exercise.seconds
        with CheckStage(
            instance, self._programs, submission=self.task.submission, values=self.task.values, seconds=seconds
        ) as stage:
            self._stage = stage
            yield stage

    # ---------------------------------------------------------------------------------- verdicts

    def verdicts(self, otherwise: str) -> tuple[Verdict, ...]:
        """One for each check; an ERROR for those that were not carried out, with the reason."""
        for check in self._checks.values():
            if check.id not in self._verdicts:
                self._verdicts[check.id] = Verdict(check=check, state=State.ERROR, reason=self._broken or otherwise)
        return tuple(self._verdicts[id_] for id_ in self._checks)

    # ------------------------------------------------------------------------------------- hooks

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """An interrupt of ours that came between two checks."""
        if isinstance(excinfo.value, KeyboardInterrupt):  # and no pytest.exit()
            self.interruption = excinfo.value

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that cannot be imported, or skips itself, leaves its checks without a verdict but this."""
        if not report.passed:
            self._broken = f"{report.nodeid} could not be read: {report.longreprtext.strip()[-MOST_REASON:]}"

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """In the order in which they are declared."""
        order = [one for one in self._checks if one not in self._verdicts]
        items[:] = sorted((one for one in items if _id(one) in order), key=lambda one: order.index(_id(one)))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """One check, from its setup to its teardown."""
        self._stage = None
        self._raised = {}
        self._began = time.monotonic()
        self._about(_id(item))
        with _ended_after(self.task.loaded.exercise.seconds + GRACE_SECONDS):
            done = yield
        if self.interruption is None:
            self._verdicts[_id(item)] = self._verdict(self._checks[_id(item)])
        return done

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Before its fixtures: is it one that can be carried out?"""
        for need in self._checks[_id(item)].needs:
            before = self._verdicts.get(need)
            if before is None or before.state is State.ERROR:
                raise LabError(f"it needs the check {need}, which could not be carried out")
            if before.state is not State.PASSED:
                raise _BlockedError(need)

    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """Remember what was raised in the setup, the call or the teardown."""
        if call.excinfo is None:
            return
        self._raised[call.when] = raised = call.excinfo.value
        if isinstance(raised, SystemExit | KeyboardInterrupt):  # a signal to us; pytest takes it for the check's doing
            self.interruption = raised
            item.session.shouldstop = "interrupted"

    def _verdict(self, check: Declared) -> Verdict:
        verdict = self._of_what_was_raised(check)
        bounded = (one.bounded(rows=MOST_ROWS, characters=MOST_CELL) for one in verdict.evidence)
        return replace(verdict, evidence=tuple(bounded))

    def _of_what_was_raised(self, check: Declared) -> Verdict:
        evidence = self._stage.evidence.tables() if self._stage else ()
        verdict = Verdict(
            check=check, state=State.PASSED, evidence=evidence, seconds=round(time.monotonic() - self._began, 3)
        )
        raised = self._raised.get("call")
        ours = self._raised.get("setup") or self._raised.get("teardown")
        if isinstance(ours, _BlockedError):
            return _blocked(check, ours.by)
        if ours is None and raised is None:
            return verdict
        if ours is None and isinstance(raised, FailedError):
            return replace(
                verdict,
                state=State.FAILED,
                layer=raised.layer,
                what=raised.what,
                expected=raised.expected,
                observed=raised.observed,
                hint=raised.hint,
                evidence=(*evidence, *raised.evidence),
            )
        if ours is None and isinstance(raised, NotSeenError):
            return replace(
                verdict, state=State.FAILED, what=raised.what, expected="to be seen", observed=short(raised.observed)
            )
        if ours is None and isinstance(raised, AssertionError | pytest.fail.Exception):
            return replace(
                verdict, state=State.FAILED, what="what the check asserts", expected="to hold", observed=short(raised)
            )
        return replace(verdict, state=State.ERROR, reason=_reason(ours or raised))


class _BlockedError(Exception):
    def __init__(self, by: str) -> None:
        super().__init__(by)
        self.by = by


def _id(item: pytest.Item) -> str:
    return item.name.removeprefix(checks.PREFIX)


def _reason(raised: BaseException | None) -> str:
    """Why a check could not be carried out, for whoever wrote it."""
    if isinstance(raised, LabError):
        return str(raised)
    if isinstance(raised, pytest.skip.Exception):
        return f"it was skipped, and a check may not be: {raised}"
    where = traceback.extract_tb(raised.__traceback__)[-1:] if raised else []
    place = "".join(f" ({Path(one.filename).name}, line {one.lineno})" for one in where)
    return f"{type(raised).__name__}: {raised}{place}"[:MOST_REASON]


@contextlib.contextmanager
def _ended_after(seconds: float) -> Iterator[None]:
    """Raise StuckError in what goes on for longer. Only a program's main thread can be interrupted (signal(2))."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stuck(*_: object) -> None:
        raise StuckError(f"the check goes on after {seconds:g} s, though its submission has had its time")

    before = signal.signal(signal.SIGALRM, stuck)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
