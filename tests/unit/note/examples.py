"""Claims and outcomes for tests."""

from __future__ import annotations

from lab.evidence import Check, Table
from lab.note.claim import Outcome, Verdict, claim
from lab.stage import Stage


@claim(id="plain", says="One is one.", lab="nat", source="RFC 1")
def plain(stage: Stage) -> None:
    """Two numbers are
    compared."""
    stage.expect("one", 1, 1)


@claim(id="careful", says="(One is two.)", lab="ports", source="RFC 2", care="One is one.")
def careful(stage: Stage) -> None:
    """Two numbers are compared."""
    stage.expect("one", 1, 2)


PLAIN, CAREFUL = plain, careful

HELD = Outcome(
    claim=PLAIN,
    verdict=Verdict.HOLDS,
    tables=(Table(title="numbers", columns=("number", "what it is"), rows=(("1", "one"),)),),
    checks=(Check(what="one", expected="1", observed="1", holds=True),),
    seconds=1.23456,
)
FAILED = Outcome(
    claim=CAREFUL,
    verdict=Verdict.DOES_NOT_HOLD,
    tables=(Table(title="", columns=("x",), rows=(("<b>\x1b[31m&",),)),),
    checks=(
        Check(what="one", expected="2", observed="1", holds=False),
        Check(what="two", expected="2", observed="2", holds=True),
    ),
)
BROKEN = Outcome(claim=CAREFUL, verdict=Verdict.ERROR, reason="strace: not found")
