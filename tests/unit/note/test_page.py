"""Outcomes as text, as data and as a page."""

from __future__ import annotations

import json
from html.parser import HTMLParser

from rich.console import Console

from lab.note import page
from lab.note.claim import Verdict
from lab.note.record import Remembered
from tests.unit.note.examples import BROKEN, CAREFUL, FAILED, HELD, PLAIN


def printed(*values: object) -> str:
    """What a console prints of tables and texts."""
    console = Console(width=100, record=True, file=None)
    with console.capture() as captured:
        for value in values:
            console.print(value)
    return captured.get()


def test_the_list_has_each_claim_and_its_last_verdict() -> None:
    """With the time since then in words; a claim that was never shown says so."""
    remembered = {"plain": Remembered(verdict=Verdict.HOLDS, when=1000.0)}
    table = printed(page.list_table([PLAIN, CAREFUL], remembered, now=1000.0 + 7200, width=100))
    assert "HOLDS (2 h ago)" in table
    assert page.NOT_SHOWN in table
    first, second = page.list_json([PLAIN, CAREFUL], remembered)
    assert (first["claim"], first["verdict"], first["shown"]) == ("plain", "HOLDS", 1000)
    assert (second["claim"], second["verdict"], second["shown"]) == ("careful", None, None)


def test_data_of_an_outcome_is_json() -> None:
    """Everything that the page shows is in it."""
    found = json.loads(json.dumps(page.outcome_json(HELD)))
    assert found["verdict"] == "HOLDS"
    assert found["did"] == "Two numbers are compared."
    assert found["evidence"] == [{"title": "numbers", "columns": ["number", "what it is"], "rows": [["1", "one"]]}]
    assert found["checks"] == [{"what": "one", "expected": "1", "observed": "1", "holds": True}]
    assert found["seconds"] == 1.235


def test_text_says_what_was_expected_and_observed_where_they_differ() -> None:
    """And how many checks there were."""
    text = "\n".join(part for part in page.outcome_text(FAILED, width=80) if isinstance(part, str))
    assert "careful: DOES NOT HOLD" in text
    assert "✗ one: expected 2, observed 1" in text
    assert "1 of 2 checks hold" in text
    assert "With care: One is one." in text


def test_text_of_an_error_has_its_reason() -> None:
    """It is not told as a claim that does not hold."""
    text = "\n".join(part for part in page.outcome_text(BROKEN, width=80) if isinstance(part, str))
    assert "careful: ERROR" in text
    assert "strace: not found" in text


class Elements(HTMLParser):
    """The elements of a page, and those that would load something."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.loads: list[tuple[str, str]] = []
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        self.names.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "srcset", "action") or (name == "href" and not (value or "").startswith("#")):
                self.loads.append((tag, value or ""))


def test_page_is_whole_by_itself() -> None:
    """No script, nothing to load; each claim has its place."""
    text = page.html([HELD, FAILED, BROKEN], when=0)
    found = Elements()
    found.feed(text)
    assert found.loads == []
    assert "script" not in found.names
    assert "link" not in found.names
    assert found.ids == ["plain", "careful", "careful"]
    assert "url(" not in text


def test_what_a_lab_printed_is_no_markup() -> None:
    """A name or an answer with markup in it is shown."""
    text = page.html([FAILED], when=0)
    assert "<b>" not in text
    assert "&lt;b&gt;" in text
    assert "\x1b" not in text


def test_summary_counts_each_verdict() -> None:
    """In one line."""
    assert page.summary([HELD, HELD, FAILED, BROKEN]) == "HOLDS: 2 · DOES NOT HOLD: 1 · ERROR: 1"
