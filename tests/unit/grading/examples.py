"""Records for tests of the reports."""

from __future__ import annotations

from dataclasses import replace

from lab.evidence import Table
from lab.grading.record import Declared, Layer, Record, State, SubmittedFile, Verdict

LISTENERS = Table(
    title="what listens on server",
    columns=("protocol", "local", "program"),
    rows=(("tcp", "127.0.0.1:4711", "python3"), ("udp", "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:4711", "python3")),
)
ASSERTION = """AssertionError: assert '10.0.0.2 5432\\n' == '203.0.113.1 40000\\n'
  - 203.0.113.1 40000
  + 10.0.0.2 5432"""

PASSED = Verdict(
    check=Declared(id="listens", title="The server listens at its port.", points=2),
    state=State.PASSED,
    what="listeners on server",
    expected="tcp 0.0.0.0:4711",
    observed="tcp 0.0.0.0:4711",
    evidence=(LISTENERS,),
    seconds=0.25,
)
FAILED = Verdict(
    check=Declared(id="everywhere", title="It is reached from every network.", points=3, needs=("listens",)),
    state=State.FAILED,
    layer=Layer.WRONG_ADDRESS,
    what="listeners on server",
    expected="a listener that serves tcp 203.0.113.80:4711",
    observed="a listener at tcp 127.0.0.1:4711",
    hint="which address is given to bind()? Only packets to that one reach the socket.",
    evidence=(LISTENERS,),
    seconds=1.5,
)
COMPARED = Verdict(
    check=Declared(id="answers", title="Each client is told its own address, as the server sees it.", points=4),
    state=State.FAILED,
    layer=Layer.BYTES,
    what="what client1 received",
    expected="203.0.113.1 40000",
    observed=ASSERTION,
)
BLOCKED = Verdict(
    check=Declared(id="many", title="It serves many clients at once.", points=1, needs=("answers",)),
    state=State.BLOCKED,
    reason="it needs answers, which has failed",
)
ERROR = Verdict(
    check=Declared(id="ends", title="It ends when it is told to.", points=10),
    state=State.ERROR,
    reason="the container of server is gone",
    evidence=(Table(title="", columns=("host", "state"), rows=(("server", "missing"),)),),
)

SCORED = Record(
    exercise="03-mirror",
    title="A server that tells who asks",
    variant="k7q",
    instance="exercise-3-k7q",
    values=(("PORT", "4711"), ("SERVER", "203.0.113.80"), ("WORD", "bafone")),
    files=(SubmittedFile(name="server.py", size=812, sha256="ab" * 32),),
    ignored=("notes.txt", "server.pyc"),
    verdicts=(PASSED, FAILED, COMPARED, BLOCKED),
    started=1_760_000_000.1234,
    seconds=4.56789,
)
ALL_PASSED = replace(SCORED, verdicts=(PASSED,), ignored=(), variant="", instance="", values=())
UNSCORED = replace(SCORED, verdicts=(PASSED, ERROR))
EMPTY = replace(SCORED, verdicts=(), files=(), ignored=())
EVERY_LAYER = replace(
    SCORED,
    verdicts=tuple(
        replace(FAILED, check=replace(FAILED.check, id=f"c{number}", needs=()), layer=layer)
        for number, layer in enumerate(Layer)
    ),
)

HOSTILE_TEXT = (
    "</script></pre><b>\x1b[31mred\x1b]0;title\x07 \x00\x0b\ufffe\udc80 \u202eoverride [bold]rich[/bold] :smile: "
    "]]> &amp; {{ 7 * 7 }} [[ATTACHMENT|/etc/passwd]] [[[ATTACHMENT|/etc/hosts]] ::error::\r\n\tsecond"
    + "x"
    * 5000
    + "\n::set-output name=score::10\n"
    "```\n~~~\n# heading\n- item | cell </td><script>\n[link](http://a.example/) ![image](//b) www.c.example @name "
    "#12 GH-12 owner/repo#3 me@d.example 0123456789abcdef $x$ *a* _b_ `c` ``d`` \\| %0A::error::%25 &lt; <!-- <a@b>"
)
HOSTILE = replace(
    SCORED,
    title=HOSTILE_TEXT,
    variant=HOSTILE_TEXT,
    values=(("NAME", HOSTILE_TEXT),),
    files=(SubmittedFile(name=HOSTILE_TEXT, size=1, sha256="00" * 32),),
    ignored=(HOSTILE_TEXT,),
    verdicts=tuple(
        Verdict(
            check=Declared(id=f"c{number}", title=HOSTILE_TEXT, points=1),
            state=state,
            layer=Layer.BYTES,
            what=HOSTILE_TEXT,
            expected=HOSTILE_TEXT,
            observed=HOSTILE_TEXT,
            hint=HOSTILE_TEXT,
            reason=HOSTILE_TEXT,
            evidence=(Table(title=HOSTILE_TEXT, columns=(HOSTILE_TEXT,), rows=((HOSTILE_TEXT,),)),),
        )
        for number, state in enumerate((State.PASSED, State.FAILED, State.BLOCKED))
    ),
)
"""Everything that a program, a file's name or a clumsy author may bring; the ids are the exercise's own."""
RECORDS = {
    "scored": SCORED,
    "all passed": ALL_PASSED,
    "unscored": UNSCORED,
    "empty": EMPTY,
    "every layer": EVERY_LAYER,
    "hostile": HOSTILE,
}


def altered(record: Record, *, ignored: tuple[str, ...] = (), expected: str = "", observed: str = "") -> Record:
    """The record with other ignored files, and with other texts in its second verdict, where some are given."""
    first, second, *others = record.verdicts
    changed = replace(second, expected=expected or second.expected, observed=observed or second.observed)
    return replace(record, ignored=ignored, verdicts=(first, changed, *others))
