"""What a demonstration reads of what programs print."""

from __future__ import annotations

import pytest

from lab.stage import Answer, read_answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (
            "from 192.0.2.20 5555 | server sees 203.0.113.1 40001\n",
            Answer(
                text="from 192.0.2.20 5555 | server sees 203.0.113.1 40001",
                own="192.0.2.20:5555",
                server="server",
                seen="203.0.113.1:40001",
            ),
        ),
        (
            "from 2001:db8::20 1 | left sees ::ffff:192.0.2.20 2",
            Answer(
                text="from 2001:db8::20 1 | left sees ::ffff:192.0.2.20 2",
                own="[2001:db8::20]:1",
                server="left",
                seen="[::ffff:192.0.2.20]:2",
            ),
        ),
        ("ECONNREFUSED\n", Answer(text="ECONNREFUSED")),
        ("", Answer(text="nothing")),
    ],
)
def test_answer(text: str, answer: Answer) -> None:
    """Both ends of a connection as the client and as the server know it; else what the client printed."""
    assert read_answer(text) == answer


def test_an_answer_in_short() -> None:
    """Who answered and what it saw, or the error."""
    assert read_answer("from 1.2.3.4 5 | server sees 6.7.8.9 10").said == "server sees 6.7.8.9:10"
    assert read_answer("no answer").said == "no answer"
