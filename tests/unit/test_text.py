"""Words for people."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from lab.text import joined, lines, nearest, printable, suggestion


def test_nearest_word() -> None:
    """A misspelt word has a nearest one, and a strange one has none."""
    assert nearest("gatway", ["gateway", "nat"]) == "gateway"
    assert nearest("zebra", ["gateway", "nat"]) == ""


@pytest.mark.parametrize(("word", "meant"), [("tries", "try"), ("record", "records"), ("titles", "title")])
def test_another_number_of_a_word_is_the_nearest(word: str, meant: str) -> None:
    """Though `tries` has more letters of `title` than of `try`."""
    assert nearest(word, ["title", "try", "records"]) == meant


def test_a_suggestion_or_what_else_there_is() -> None:
    """The nearest word is asked for; without one, the other text is given."""
    assert suggestion("gatway", ["gateway"], otherwise="there is gateway") == "did you mean gateway?"
    assert suggestion("zebra", ["gateway"], otherwise="there is gateway") == "there is gateway"


@pytest.mark.parametrize(
    ("text", "shown"), [("grüß 你好 a b", "grüß 你好 a b"), ("a\tb\0", "a�b�"), ("\x7f\u2028", "��")]
)
def test_what_prints_is_left_alone(text: str, shown: str) -> None:
    """Letters of every script and spaces stay; each other character becomes one sign."""
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("address", "port", "device", "text"),
    [
        (ip_address("192.0.2.1"), 80, "", "192.0.2.1:80"),
        (ip_address("2001:db8::1"), 80, "", "[2001:db8::1]:80"),
        ("server", 80, "", "server:80"),
        (ip_address("192.0.2.1"), "*", "eth0", "192.0.2.1%eth0:*"),
    ],
)
def test_an_address_with_its_port(address: object, port: object, device: str, text: str) -> None:
    """An address of IPv6 has brackets, as its own colons are no ports'."""
    assert joined(address, port, device=device) == text


@pytest.mark.parametrize(
    ("text", "found"),
    [("one\r\n\ttwo\x1b[2J", ["one", "        two�[2J"]), ("", [""]), ("one\n", ["one"]), ("\u202eone", ["�one"])],
)
def test_lines_of_a_text_are_printable(text: str, found: list[str]) -> None:
    """They are kept apart, and tabs are spaces."""
    assert lines(text) == found
