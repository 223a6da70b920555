"""A record as a page."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from lab.grading import reports
from lab.grading.record import Layer, Record, State
from tests.unit.grading.examples import ALL_PASSED, EMPTY, EVERY_LAYER, HOSTILE, RECORDS, SCORED, UNSCORED

EMPTY_ELEMENTS = {"meta", "br"}
ELEMENTS = {
    *("html", "head", "title", "style", "body", "main", "section", "article", "header", "h1", "h2", "p", "ul", "li"),
    *("dl", "dt", "dd", "pre", "code", "strong", "span", "div", "details", "summary", "a"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td"),
    *EMPTY_ELEMENTS,
}


class Reader(HTMLParser):
    """What a page holds: ids, links within it, its text, and what does not belong on it."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.faults: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        if tag not in ELEMENTS:
            self.faults.append(f"an element {tag}")
        if tag not in EMPTY_ELEMENTS:
            self._open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name == "href" and (value or "").startswith("#"):
                self.links.append((value or "")[1:])
            elif name in ("src", "srcset", "action", "href") or name.startswith("on"):
                self.faults.append(f"an attribute {name}")

    def handle_endtag(self, tag: str) -> None:
        """See HTMLParser."""
        opened = self._open.pop() if self._open else "nothing"
        if opened != tag:
            self.faults.append(f"an end of {tag} in {opened}")

    def handle_data(self, data: str) -> None:
        """See HTMLParser."""
        if self._open and self._open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        """What one reads."""
        return " ".join(" ".join(self.texts).split())


def read(page: str) -> Reader:
    """Read a page to its end."""
    found = Reader()
    found.feed(page)
    found.close()
    return found


def page(record: Record) -> Reader:
    """The page of a record."""
    return read(reports.html(record, when=0))


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_page_is_whole_by_itself(record: Record) -> None:
    """Nothing to load, no script, no handler; what is opened is closed; each check has its place."""
    found = page(record)
    assert found.faults == []
    assert found.ids == [one.check.id for one in record.verdicts]
    assert "url(" not in reports.html(record, when=0)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("<script></script>", "an element script"),
        ('<p onclick="x()"></p>', "an attribute onclick"),
        ('<a href="https://example.org/"></a>', "an attribute href"),
        ("<p>", "an end of main in p"),
    ],
)
def test_what_does_not_belong_on_a_page_is_seen(text: str, fault: str) -> None:
    """The check above can fail."""
    assert fault in read(reports.html(SCORED, when=0).replace("</main>", f"{text}</main>")).faults


def test_page_tells_what_the_terminal_tells() -> None:
    """Score, verdicts, what was expected and observed, the hint, and evidence."""
    text = page(SCORED).text
    for part in (
        "2 of 10 points 1 passed, 2 failed, 1 blocked",
        "PORT=4711",
        "It is reached from every network. ✗ FAILED · 0/3",
        "layer listener on the wrong address looked at listeners on server",
        "expected a listener that serves tcp 203.0.113.80:4711 observed a listener at tcp 127.0.0.1:4711",
        "hint which address is given to bind()?",
        "what listens on server protocol local program tcp 127.0.0.1:4711 python3",
        "It serves many clients at once. ! BLOCKED · 0/1 reason it needs answers, which has failed",
        "server.py 812 " + "ab" * 32,
        "Not asked for, and not looked at: notes.txt , server.pyc",
        "Checked on 2025-10-09 08:53 UTC in 4.6 s",
        "page made on 1970-01-01 00:00 UTC",
    ):
        assert part in text


def test_links_lead_to_the_checks_that_are_needed() -> None:
    """Which stand on the same page."""
    found = page(SCORED)
    assert found.links == ["listens", "answers"]
    assert set(found.links) <= set(found.ids)


def test_page_of_a_record_without_a_score() -> None:
    """It says whose fault it is not."""
    text = page(UNSCORED).text
    assert "no score 1 passed, 1 not carried out There is no score: not every check could be carried out" in text
    assert "? ERROR · –/10 reason the container of server is gone" in text
    assert "no score no checks There is no score: nothing was checked." in page(EMPTY).text


def test_page_names_each_state_and_layer() -> None:
    """In the words of the record."""
    text = "".join(page(one).text for one in (SCORED, UNSCORED, EVERY_LAYER))
    assert [one.value for one in (*State, *Layer) if one.value not in text] == []
    assert "2 of 2 points 1 passed" in page(ALL_PASSED).text


def test_lines_of_a_text_stay_lines() -> None:
    """An assertion of several lines is read as it was written."""
    assert "<br>  - 203.0.113.1 40000<br>  + 10.0.0.2 5432</pre>" in reports.html(SCORED, when=0)


def test_what_a_program_printed_is_no_markup() -> None:
    """No element, no control character, no turn of the direction of writing, no template."""
    text = reports.html(HOSTILE, when=0)
    assert [char for char in text if not char.isprintable() and char != "\n"] == []
    assert "&lt;/script&gt;&lt;/pre&gt;&lt;b&gt;�[31mred" in text
    assert "{{ 7 * 7 }}" in text
