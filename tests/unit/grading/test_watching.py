"""Doing something again on a change of a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import LabError, UsageError
from lab.grading import watching


class Work:
    """Counts, changes the folder when it has been done, and is interrupted while it is waited for."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, times: int, fails: int = 0) -> None:
        self.folder, self.times, self.fails = folder, times, fails
        self.done = self.saved = 0
        monkeypatch.setattr("time.sleep", self.sleep)

    def __call__(self) -> int:
        """Do it."""
        self.done += 1
        if self.done == self.fails:
            raise UsageError(f"work {self.done}")
        return self.done

    def sleep(self, _: float) -> None:
        """While it is waited for a change."""
        if self.done == self.times:
            raise KeyboardInterrupt
        if self.saved < self.done:
            self.saved = self.done
            (self.folder / "file").write_text("x" * self.done)


def test_on_each_change_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last result is what comes of it."""
    said: list[str] = []
    work = Work(tmp_path, monkeypatch, times=3)
    assert watching.repeated(work, tmp_path, told=said.append) == 3
    assert sum("watching" in text for text in said) == 3


def test_a_mistake_is_told_and_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends nothing, unless it was the last."""
    said: list[str] = []
    assert watching.repeated(Work(tmp_path, monkeypatch, times=3, fails=2), tmp_path, told=said.append) == 3
    assert "lab: work 2\n" in said
    with pytest.raises(LabError, match="work 2"):
        watching.repeated(Work(tmp_path, monkeypatch, times=2, fails=2), tmp_path, told=said.append)


def test_an_interrupt_of_the_work_is_one(tmp_path: Path) -> None:
    """Only while it is waited for a change does it mean: enough."""

    def work() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watching.repeated(work, tmp_path, told=lambda _: None)


def test_a_change_is_one_of_name_time_or_size(tmp_path: Path) -> None:
    """A file that is written again with the same content was saved, too; a folder that is gone has no files."""
    before = watching.look(tmp_path)
    (tmp_path / "a").write_text("x")
    made = watching.look(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({before, made, watching.look(tmp_path)}) == 3
    assert watching.look(tmp_path / "none") == frozenset()


def test_an_archive_is_watched_too(tmp_path: Path) -> None:
    """It is one file that changes."""
    file = tmp_path / "alice.zip"
    file.write_bytes(b"x")
    before = watching.look(file)
    assert watching.look(file) == before != frozenset()
    file.write_bytes(b"xy")
    assert watching.look(file) != before
