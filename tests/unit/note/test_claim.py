"""What a claim is, and which verdict its evidence gives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab import note
from lab.errors import UsageError
from lab.evidence import Evidence
from lab.note.claim import Claim, Verdict, outcome
from tests.unit.note.examples import CAREFUL, PLAIN


def evidence(*holds: bool) -> Evidence:
    """Evidence with checks that hold or do not."""
    found = Evidence()
    for number, one in enumerate(holds):
        found.check(f"check {number}", expected="this", observed="this" if one else "that", holds=one)
    return found


@pytest.mark.parametrize(
    ("one", "holds", "reason", "verdict"),
    [
        (PLAIN, (True, True), "", Verdict.HOLDS),
        (CAREFUL, (True,), "", Verdict.WITH_CARE),
        (PLAIN, (True, False), "", Verdict.DOES_NOT_HOLD),
        (CAREFUL, (False,), "", Verdict.DOES_NOT_HOLD),
        (PLAIN, (), "", Verdict.ERROR),
        (PLAIN, (True,), "strace is missing", Verdict.ERROR),
        (CAREFUL, (False,), "strace is missing", Verdict.ERROR),
    ],
)
def test_verdict(one: Claim, holds: tuple[bool, ...], reason: str, verdict: Verdict) -> None:
    """All checks must hold; where nothing was checked, or something could not be done, nothing can be said."""
    shown = outcome(one, evidence(*holds), reason=reason)
    assert shown.verdict is verdict
    assert shown.holds is (verdict in (Verdict.HOLDS, Verdict.WITH_CARE))


def test_error_says_why() -> None:
    """A demonstration that checked nothing is an error of its own."""
    assert outcome(PLAIN, Evidence()).reason == "the demonstration has checked nothing"


def test_rows_belong_to_the_table_begun_last() -> None:
    """The first row of a table names its columns; a table without rows is none."""
    found = Evidence()
    found.row(client="ann", the_answer=1)
    found.table("empty")
    found.table("second")
    found.row(state="LISTEN")
    first, second = found.tables()
    assert (first.title, first.columns, first.rows) == ("", ("client", "the answer"), (("ann", "1"),))
    assert (second.title, second.columns, second.rows) == ("second", ("state",), (("LISTEN",),))


def test_rows_of_one_table_have_the_same_columns() -> None:
    """A row of another shape is a mistake of the demonstration."""
    found = Evidence()
    found.row(client="ann")
    with pytest.raises(ValueError, match="has the columns"):
        found.row(server="ann")


def test_every_claim_is_whole() -> None:
    """Each has a sentence, what is done, where it comes from, and an id of its own."""
    assert len({one.id for one in note.CLAIMS}) == len(note.CLAIMS)
    for one in note.CLAIMS:
        assert one.says
        assert one.did
        assert one.source
        assert one.id.replace("-", "").isalnum()


def test_find() -> None:
    """A claim that is not there is a mistake of the caller's, with the nearest one."""
    assert note.find("nat-source").lab == "nat-policies"
    with pytest.raises(UsageError) as caught:
        note.find("nat-sorce")
    assert caught.value.hint == "did you mean nat-source?"


NOTE = Path(__file__).parents[3] / "docs" / "ips-and-ports.md"


@pytest.mark.parametrize("one", note.CLAIMS, ids=lambda one: one.id)
def test_a_claim_quotes_the_note(one: Claim) -> None:
    """Word for word, but for what is left out (…) or added [in brackets]; what is only implied is in parentheses."""
    if one.says.startswith("("):
        assert one.says.endswith(")")
        return
    text = " ".join(NOTE.read_text(encoding="utf-8").split()).lower()
    pieces = re.split(r"…|\[[^\]]*\]", one.says.lower())
    missing = [piece for piece in pieces if piece.strip(" .").strip() not in text]
    assert missing == []
