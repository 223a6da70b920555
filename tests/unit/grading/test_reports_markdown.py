"""Markdown in which texts stay texts."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from lab.grading.reports.markdown import APART, escaped, fenced, fitted, row
from lab.text import lines
from tests.unit.grading.examples import HOSTILE_TEXT

MADE_BY_GITHUB = {
    "a mention": r"@\w",
    "an issue": r"(?i)#\d|gh-\d",
    "a commit": r"[0-9a-fA-F]{7}",
    "an address": r"(?i)://|www\.",
    "an emoji": r":[\w+-]+:",
}
"""What GitHub makes more of in a page's words, after Markdown."""


class Read(HTMLParser):
    """What a reader sees of Markdown: elements, and their text."""

    def __init__(self, markdown: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[str] = []
        self.text = ""
        self.feed(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(markdown))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        self.elements.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        """See HTMLParser."""
        self.text += data


def as_one_line(text: str) -> str:
    """What is to be seen of a text in a line."""
    return " ".join(lines(text)).strip()


@pytest.mark.parametrize(
    "text", [HOSTILE_TEXT, *HOSTILE_TEXT.split("\n"), "    code", "1. one", "a\\", "", "---", "\\|"]
)
def test_an_escaped_text_is_seen_as_it_is(text: str) -> None:
    """As a paragraph: no element comes of it, and every character is there."""
    read = Read(escaped(text))
    assert set(read.elements) <= {"p", "span"}
    assert re.sub(r"\s+", " ", read.text.replace(APART, "").strip()) == re.sub(r"\s+", " ", as_one_line(text))


def test_the_same_text_makes_elements_if_it_is_not_escaped() -> None:
    """The check above can fail."""
    elements = {element for line in HOSTILE_TEXT.split("\n") for element in Read(line).elements}
    assert {"a", "img", "code", "em", "h1", "b", "li"} <= elements


def test_an_escaped_text_fits_a_cell() -> None:
    """It neither ends the cell nor the row, whatever stands before a bar."""
    texts = [HOSTILE_TEXT, "\\|", "|", "\\", "a | b"]
    rows = [row(escaped(one), "second") for one in texts]
    read = Read("".join([row("a", "b"), row("---", "---"), *rows]))
    assert read.elements.count("tr") == 1 + len(texts)
    cells = [line for line in read.text.replace(APART, "").split("\n") if line][2:]
    assert [re.sub(r"\s+", " ", one) for one in cells] == [
        re.sub(r"\s+", " ", part) for one in texts for part in (as_one_line(one), "second")
    ]


def test_an_escaped_text_fits_html() -> None:
    """Markdown within HTML is not read, so nothing of it may be needed there."""
    read = Read(f"<details><summary>{escaped(HOSTILE_TEXT)}</summary>\n\n</details>\n")
    assert set(read.elements) == {"details", "summary", "span"}
    assert as_one_line(HOSTILE_TEXT) in read.text.replace(APART, "")


@pytest.mark.parametrize("what", MADE_BY_GITHUB)
def test_github_makes_nothing_of_an_escaped_text(what: str) -> None:
    """No mention, no reference, no link, no emoji, which it makes of words after Markdown was read."""
    pattern = MADE_BY_GITHUB[what]
    assert re.search(pattern, HOSTILE_TEXT)
    assert not re.search(pattern, Read(escaped(HOSTILE_TEXT)).text)


def test_github_makes_no_formula_of_an_escaped_text() -> None:
    """Each dollar is an element of its own, as its documentation asks for."""
    assert re.sub(r"<span>\$</span>", "", escaped("$x$ and $$y$$")).count("$") == 0


@pytest.mark.parametrize("text", [HOSTILE_TEXT, "```\n````\n`````text", "~~~", "", "    x", "</details>"])
def test_a_fenced_text_is_seen_as_it_is(text: str) -> None:
    """Line by line, and nothing of it ends the block."""
    read = Read(f"{fenced([text])}\nafter\n")
    assert read.elements == ["pre", "code", "p"]
    assert read.text == "\n".join([*lines(text), "", "after", ""])


def test_what_has_no_room_is_left_out_and_counted() -> None:
    """In order, as far as there is room; later parts that are smaller are there."""
    text = fitted("# head\n", ["a" * 100 + "\n", "b" * 10_000 + "\n", "c\n"], room=400)
    assert text.startswith("# head\n" + "a" * 100 + "\nc\n\n_1 of 3 parts")
    assert fitted("# head\n", ["c\n"], room=400) == "# head\nc\n"


@pytest.mark.parametrize("room", [-1, 0, 10, 120, 150, 300, 1000])
def test_room_is_counted_in_bytes(room: int) -> None:
    """Never more of them, whatever is left out: where not even the head has room, there is nothing."""
    text = fitted("§" * 20 + "\n", ["§§§\n" * 10, "é" * 100 + "\n"] * 5, room=room)
    assert len(text.encode()) <= max(room, 0)
    assert bool(text) == (room >= 150)
