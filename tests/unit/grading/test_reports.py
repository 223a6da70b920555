"""A record as text for a terminal and as data."""

from __future__ import annotations

import contextlib
import io
import json
from copy import deepcopy
from importlib import resources
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError
from rich.console import Console

from lab import console
from lab.grading import reports
from lab.grading.record import Layer, Record, State
from lab.grading.reports import terminal
from tests.unit.grading.examples import ALL_PASSED, EMPTY, EVERY_LAYER, HOSTILE, RECORDS, SCORED, UNSCORED, altered

SCHEMA: dict[str, Any] = json.loads(
    resources.files("lab.grading.reports").joinpath("record.schema.json").read_text(encoding="utf-8")
)
VALIDATOR = Draft202012Validator(SCHEMA)
EACH_RECORD = pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)


def printed(record: Record, *, width: int = 80) -> str:
    """What `lab` prints of it where standard output is no terminal."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        console.show_all(reports.text(record, width=width))
    return out.getvalue()


def in_colour(record: Record) -> str:
    """The same with colour."""
    shown = Console(
        width=80, force_terminal=True, color_system="standard", highlight=False, file=io.StringIO(), _environ={}
    )
    with shown.capture() as captured:
        for part in reports.text(record, width=80):
            shown.print(part)
    return captured.get()


# ------------------------------------------------------------------------------------------ the terminal

WANTED = """\
03-mirror: A server that tells who asks
variant k7q · on exercise-3-k7q · PORT=4711 · SERVER=203.0.113.80 · WORD=bafone

PASSED   2/2  The server listens at its port.  listens
FAILED   0/3  It is reached from every network.  everywhere
         layer      listener on the wrong address
         looked at  listeners on server
         expected   a listener that serves tcp 203.0.113.80:4711
         observed   a listener at tcp 127.0.0.1:4711
         hint       which address is given to bind()? Only packets to that one
                    reach the socket.
         what listens on server:
           PROTOCOL  LOCAL                                          PROGRAM
           tcp       127.0.0.1:4711                                 python3
           udp       [2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:4711  python3

FAILED   0/4  Each client is told its own address, as the server sees it.
              answers
         layer      wrong bytes
         looked at  what client1 received
         expected   203.0.113.1 40000
         observed   AssertionError: assert '10.0.0.2 5432\\n' == '203.0.113.1
                    40000\\n'
                      - 203.0.113.1 40000
                      + 10.0.0.2 5432

BLOCKED  0/1  It serves many clients at once.  many
         reason     it needs answers, which has failed

Not asked for, and not looked at: notes.txt, server.pyc
2 of 10 points · 1 passed, 2 failed, 1 blocked

"""


def test_text_of_a_record() -> None:
    """Head, a line for each check, beneath it what is to be told, what was not looked at, and the score."""
    assert printed(SCORED) == WANTED


def test_text_of_a_record_without_a_score() -> None:
    """It says so, and whose fault it is not; what the other checks brought is no score."""
    text = printed(UNSCORED)
    assert "ERROR    –/10  It ends when it is told to." in text
    assert "the container of server is gone" in text
    assert "not the\nsubmission's fault" in text
    assert text.endswith("no score · 1 passed, 1 not carried out\n\n")
    assert "points" not in text


def test_text_of_a_record_without_checks() -> None:
    """Nothing was checked, so nothing has passed."""
    assert printed(EMPTY).endswith("There is no score: nothing was checked.\nno score · no checks\n\n")


def test_text_of_a_check_that_passed_is_a_line() -> None:
    """Its evidence is in the other reports."""
    assert printed(ALL_PASSED).splitlines()[2:-1] == [
        "PASSED   2/2  The server listens at its port.  listens",
        "",
        "2 of 2 points · 1 passed",
    ]


def test_text_names_each_layer() -> None:
    """In the words of the record."""
    text = printed(EVERY_LAYER)
    assert [layer for layer in Layer if f"layer      {layer}\n" not in text] == []


@pytest.mark.parametrize("width", [80, 120])
@EACH_RECORD
def test_text_fits_the_terminal(record: Record, width: int) -> None:
    """No line is longer, whatever a program printed."""
    assert max(map(len, printed(record, width=width).splitlines())) <= width


@EACH_RECORD
def test_text_drives_no_terminal(record: Record) -> None:
    """Without colour nothing in it is a control character, and markup of the library is text."""
    assert [char for char in printed(record) if not char.isprintable() and char != "\n"] == []


def test_hostile_text_is_shown_as_it_is() -> None:
    """What looks like rich's markup is no markup, and each end of a line makes a line."""
    text = printed(HOSTILE, width=200)
    assert "[bold]rich[/bold] :smile:" in text
    assert "�[31mred" in text


def test_the_score_comes_after_a_hostile_program() -> None:
    """A flood of lines, or a line without end, is cut, and it is told how much is left out."""
    text = printed(altered(SCORED, observed="line\n" * 5000, expected="y" * 100_000))
    assert "… (4960 more lines)" in text
    assert "… (100000 characters in this line)" in " ".join(text.split())
    assert len(text.splitlines()) < 150
    assert text.endswith("points · 1 passed, 2 failed, 1 blocked\n\n")


@pytest.mark.parametrize(
    ("record", "state", "code"),
    [
        (SCORED, State.PASSED, "\x1b[32m"),
        (SCORED, State.FAILED, "\x1b[31m"),
        (SCORED, State.BLOCKED, "\x1b[33m"),
        (UNSCORED, State.ERROR, "\x1b[1;35m"),
    ],
)
def test_each_state_has_its_colour(record: Record, state: State, code: str) -> None:
    """Beside its word, for whoever cannot tell colours apart."""
    assert f"{code}{state.value}" in in_colour(record)


def test_a_long_list_of_ignored_files_is_cut() -> None:
    """A folder may hold thousands."""
    many = altered(SCORED, ignored=tuple(f"f{number}" for number in range(terminal.MOST_NAMES + 5)))
    assert "f19 and 5 more" in printed(many)


# ------------------------------------------------------------------------------------------ JSON


@EACH_RECORD
def test_json_is_as_its_schema_says(record: Record) -> None:
    """As a reader gets it, who has parsed it."""
    VALIDATOR.validate(json.loads(json.dumps(reports.as_json(record))))


def test_json_has_everything_of_a_check() -> None:
    """Of one that has failed."""
    found = reports.as_json(SCORED)
    assert found["checks"][1] == {
        "check": "everywhere",
        "title": "It is reached from every network.",
        "needs": ["listens"],
        "state": "FAILED",
        "points": 0,
        "most": 3,
        "reason": "",
        "layer": "listener on the wrong address",
        "what": "listeners on server",
        "expected": "a listener that serves tcp 203.0.113.80:4711",
        "observed": "a listener at tcp 127.0.0.1:4711",
        "hint": "which address is given to bind()? Only packets to that one reach the socket.",
        "evidence": [
            {
                "title": "what listens on server",
                "columns": ["protocol", "local", "program"],
                "rows": [
                    ["tcp", "127.0.0.1:4711", "python3"],
                    ["udp", "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:4711", "python3"],
                ],
            }
        ],
        "seconds": 1.5,
    }
    del found["checks"]
    assert found == {
        "exercise": "03-mirror",
        "title": "A server that tells who asks",
        "variant": "k7q",
        "instance": "exercise-3-k7q",
        "values": {"PORT": "4711", "SERVER": "203.0.113.80", "WORD": "bafone"},
        "state": "FAILED",
        "score": 2,
        "most": 10,
        "files": [{"name": "server.py", "size": 812, "sha256": "ab" * 32}],
        "ignored": ["notes.txt", "server.pyc"],
        "started": 1_760_000_000.123,
        "seconds": 4.568,
    }


@EACH_RECORD
def test_json_is_read_back(record: Record) -> None:
    """All that it tells, after a way through a file."""
    told = reports.as_json(record)
    assert reports.as_json(reports.from_json(json.loads(json.dumps(told)))) == told


def test_json_keeps_what_a_program_printed() -> None:
    """Control characters too; only what is no character is replaced."""
    observed = reports.as_json(HOSTILE)["checks"][1]["observed"]
    assert observed == HOSTILE.verdicts[1].observed.replace("\udc80", "?")
    json.dumps(reports.as_json(HOSTILE), ensure_ascii=False).encode()


def objects(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The kinds of object that the schema knows."""
    return [schema, *schema["$defs"].values()]


def test_schema_and_code_agree() -> None:
    """Each object has exactly the keys that it has to have; states and layers are those of the record."""
    Draft202012Validator.check_schema(SCHEMA)
    for one in objects(SCHEMA):
        assert one["additionalProperties"] is False
        assert one["required"] == list(one["properties"])
    found = reports.as_json(SCORED)
    assert list(found) == SCHEMA["required"]
    defs = SCHEMA["$defs"]
    assert list(found["checks"][0]) == defs["check"]["required"]
    assert list(found["checks"][0]["evidence"][0]) == defs["table"]["required"]
    assert list(found["files"][0]) == defs["file"]["required"]
    assert defs["check"]["properties"]["state"]["enum"] == [state.value for state in State]
    assert defs["check"]["properties"]["layer"]["enum"] == [None, *(layer.value for layer in Layer)]
    assert set(SCHEMA["properties"]["state"]["enum"]) == {one.state.value for one in RECORDS.values()}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("score",), None),
        (("state",), "ERROR"),
        (("extra",), 1),
        (("checks", 1, "layer"), "magic"),
        (("checks", 1, "state"), "passed"),
        (("checks", 1, "extra"), 1),
        (("checks", 1, "points"), "3"),
        (("checks", 1, "evidence", 0, "rows", 0, 0), 1),
        (("files", 0, "size"), -1),
        (("values", "PORT"), 4711),
    ],
)
def test_schema_refuses_what_is_no_record(path: tuple[str | int, ...], value: object) -> None:
    """It can fail, at every level."""
    found: Any = deepcopy(reports.as_json(SCORED))
    VALIDATOR.validate(found)
    place = found
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(ValidationError):
        VALIDATOR.validate(found)
