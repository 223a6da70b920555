"""YAML in, plain values and their places out."""

from __future__ import annotations

import pytest

from lab.errors import LabFileError
from lab.yamltree import MOST_DEPTH, MOST_VALUES, Mark, Tree, dotted, parse, shown


def tree(text: str, **variables: str) -> Tree:
    """The tree of a text."""
    return parse(text.encode(), source="lab.yaml", variables=variables)


def fault(text: str) -> str:
    """What is said of a text that cannot be read at all."""
    with pytest.raises(LabFileError) as caught:
        tree(text)
    return str(caught.value)


@pytest.mark.parametrize(
    "text", ["22:22", "010", "0x1F", "no", "yes", "~", "null", "1e3", "2024-01-01", "1_000", ".inf", "="]
)
def test_scalars_stay_what_was_written(text: str) -> None:
    """A value is the text that stands in the file: nothing is taken for a number, a date or a boolean."""
    assert tree(f"key: {text}").root == {"key": text}


def test_null_is_nothing() -> None:
    """A key without a value has the empty text."""
    assert tree("key:\nother: ''").root == {"key": "", "other": ""}


def test_keys_are_texts() -> None:
    """Keys are texts too, whatever they look like."""
    assert tree("1: a\nno: b\n~: c").root == {"1": "a", "no": "b", "~": "c"}


def test_every_value_and_key_has_its_place() -> None:
    """The place of a key is where it is written, the place of a value is behind it; both count from 1."""
    found = tree("a:\n  b: [x, {c: y}]\n")
    assert found.keys[("a", "b")] == Mark(line=2, column=3)
    assert found.values[("a", "b")] == Mark(line=2, column=6)
    assert found.values[("a", "b", 0)] == Mark(line=2, column=7)
    assert found.keys[("a", "b", 1, "c")] == Mark(line=2, column=11)


def test_place_of_what_is_not_there() -> None:
    """What is not in the file is placed at the nearest thing above it that is."""
    found = tree("a:\n  b: x\n")
    assert found.standing(("a", "z", 0)) == ("a",)
    assert found.key_mark(("a", "z", 0)) == Mark(line=1, column=1)
    assert found.value_mark(("a", "z")) == Mark(line=2, column=3)
    assert found.value_mark(()) == Mark(line=1, column=1)


def test_alias_is_read_at_each_place() -> None:
    """A value behind an alias stands in the tree wherever it is used, with the place where it is written."""
    found = tree("a: &x {b: 1}\nc: *x\n")
    assert found.root == {"a": {"b": "1"}, "c": {"b": "1"}}
    assert found.keys[("c", "b")] == Mark(line=1, column=8)


def test_merge_keys() -> None:
    """A merge key adds what is not there: a mapping's own keys win over it, and an earlier one over a later."""
    found = tree("x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\none: {<<: [*x, *y], a: 3}\ntwo: {a: 3, <<: [*y, *x]}\n")
    assert found.root["one"] == {"a": "3", "b": "1", "c": "2"}
    assert found.root["two"] == {"a": "3", "b": "2", "c": "2"}
    assert not found.problems


def test_merge_key_of_a_merge_key() -> None:
    """What is merged may itself be merged."""
    found = tree("x: &x {a: 1}\ny: &y {<<: *x, b: 2}\nz: {<<: *y}\n")
    assert found.root["z"] == {"a": "1", "b": "2"}


def test_quoted_merge_sign_is_a_key() -> None:
    """Only a plain << merges."""
    assert tree("a: {'<<': x}").root == {"a": {"<<": "x"}}


def test_duplicate_keys_are_all_told() -> None:
    """Every key that stands twice is a problem, and the first one counts."""
    found = tree("a: 1\nb: {c: 1, c: 2}\na: 2\n")
    assert found.root == {"a": "1", "b": {"c": "1"}}
    assert sorted((one.line, one.key) for one in found.problems) == [(2, "b.c"), (3, "a")]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${SET}", "value"),
        ("$SET", "value"),
        ("<$SET/${SET}>", "<value/value>"),
        ("${SET:-default}", "value"),
        ("${UNSET:-default}", "default"),
        ("${UNSET-default}", "default"),
        ("${UNSET:-}", ""),
        ("${EMPTY}", ""),
        ("${EMPTY-default}", ""),
        ("${EMPTY:-default}", "default"),
        ("${UNSET:-10.0.0.1:80}", "10.0.0.1:80"),
        ("$$", "$"),
        ("$${SET}", "${SET}"),
        ("$$SET", "$SET"),
    ],
)
def test_variables(text: str, value: str) -> None:
    """Variables are put in as Compose does it."""
    found = tree(f"key: '{text}'", SET="value", EMPTY="")
    assert found.root == {"key": value}
    assert not found.problems


@pytest.mark.parametrize(
    "text", ["${UNSET}", "$UNSET", "$", "5 $", "${}", "${SET:?no}", "${SET:+x}", "${A:-${B}}", "${SET", "$1"]
)
def test_what_is_no_variable(text: str) -> None:
    """A dollar sign that means nothing, or a variable that nobody set, is a problem and never stays in a text."""
    found = tree(f"key: '{text}'", SET="value")
    assert [problem.key for problem in found.problems] == ["key"]
    assert found.root == {"key": ""}
    assert found.unread == {("key",)}


def test_variable_is_put_in_after_reading() -> None:
    """What a variable holds is text and never YAML: no value of the environment can add keys."""
    found = tree("key: ${X}", X="a: b\nc: [1, 2]")
    assert found.root == {"key": "a: b\nc: [1, 2]"}


@pytest.mark.parametrize("text", ["\udcff", "a\0b"])
def test_variable_that_is_no_text(text: str) -> None:
    """What no file or argument can hold is refused, also if it comes from the environment."""
    assert len(tree("key: ${X}", X=text).problems) == 1


def test_nesting_is_bounded() -> None:
    """Fifty levels are read, one more is a fault and no crash."""
    levels = MOST_DEPTH - 1
    assert tree("a: " + "[" * levels + "]" * levels).root
    assert "levels of nesting" in fault("a: " + "[" * (levels + 1) + "]" * (levels + 1))
    assert "levels of nesting" in fault("a: " + "[" * 100_000)


def test_nesting_through_aliases_is_bounded() -> None:
    """Levels that come together through aliases count as if they were written out."""
    lines = ["a0: &a0 x", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 2000))]
    assert tree("\n".join(lines[:MOST_DEPTH])).root
    assert "levels of nesting" in fault("\n".join(lines[: MOST_DEPTH + 1]))
    assert "levels of nesting" in fault("\n".join(lines))


def test_values_are_bounded() -> None:
    """A file has at most 20000 values; the mapping and the key and the list themselves are three of them."""
    assert tree("a: [" + "x," * (MOST_VALUES - 3) + "]").root
    assert "values" in fault("a: [" + "x," * (MOST_VALUES - 2) + "]")


def test_problem_of_a_tag_hides_no_other() -> None:
    """A tag is a problem of its value, and the rest of the file is read."""
    found = tree("a: !x {b: 1}\nc: !!binary eA==\nd: !!str 1\ne: 2\n")
    assert [problem.key for problem in found.problems] == ["a", "c"]
    assert found.root == {"a": {"b": "1"}, "c": "", "d": "1", "e": "2"}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("services", "alice", "networks"), "services.alice.networks"),
        (("a", 0, "b", 1, 2), "a[0].b[1][2]"),
        (("a", "b\nc"), "a.'b\\nc'"),
        (("",), "''"),
    ],
)
def test_dotted_paths(path: tuple[str | int, ...], text: str) -> None:
    """A path is written with dots and brackets, on one line whatever its keys are."""
    assert dotted(path) == text


def test_long_texts_are_cut_in_messages() -> None:
    """A message shows the beginning of a text, on one line."""
    assert shown("x" * 60) == f"'{'x' * 60}'"
    assert shown("x" * 61) == f"'{'x' * 60}'…"
    assert shown("a\nb") == "'a\\nb'"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: [1, 2\nb: 3\n", 2, "close the list that begins in line 1"),
        ("a: {b: 1\nc: 3\n", 2, "close the mapping that begins in line 1"),
        ("a: 'b\nc: d\n", 1, "a quote that closes the text"),
        ("a: b: c\n", 1, "one more colon"),
        ("a:\n  b: 1\n c: 2\n", 3, "indent"),
        ("a:\n  - 1\n b: 2\n", 3, "indent"),
        ("a:\n\tb: 1\n", 2, "a tab"),
        ("a: *b\n", 1, "an anchor"),
        ("a: @b\n", 1, "quotes"),
        ('a: "\\q"\n', 1, "an escape"),
        ("a\nb: 1\n", 2, "one more colon"),
        ("a: 1\nb\n", 3, "without a colon"),
        ("a: - 1\n", 1, "a list on lines of its own"),
        ("%x\n---\na: 1\n", 1, ""),
    ],
)
def test_broken_yaml_is_put_into_words(text: str, line: int, words: str) -> None:
    """What is no YAML is told with its line and in words that do not need YAML's grammar."""
    message = fault(text)
    assert message.startswith(f"lab.yaml:{line}:")
    assert words in message
