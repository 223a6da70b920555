"""What is wrong with an answer to a question that proves a name server."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from lab.questions import fault, question

SOA = "ns.example. hostmaster.example. 1 3600 600 86400 5"
ASKED = question("example.", "SOA", recursion=False)


def answer(asked: bytes = ASKED, *, rcode: int = dns.rcode.NOERROR, soa: str = "example.", aa: bool = True) -> bytes:
    """An answer, right unless something else is said."""
    message = dns.message.make_response(dns.message.from_wire(asked))
    message.set_rcode(dns.rcode.Rcode(rcode))
    if aa:
        message.flags |= dns.flags.AA
    if soa:
        message.answer.append(dns.rrset.from_text(soa, 60, "IN", "SOA", SOA))
    return message.to_wire()


def test_the_soa_is_enough() -> None:
    """An authoritative answer with the record that was asked for."""
    assert fault(ASKED, answer(), authoritative=True) == ""


def test_a_resolver_speaks_for_nobody() -> None:
    """What it found is no authoritative answer, and need not be."""
    assert fault(ASKED, answer(aa=False), authoritative=False) == ""
    assert fault(ASKED, answer(aa=False), authoritative=True) == "an answer that is not authoritative"


@pytest.mark.parametrize(
    ("got", "said"),
    [
        (None, "no answer"),
        (b"", "an answer that cannot be read (ShortHeader)"),
        (answer()[:-3], "an answer that cannot be read (FormError)"),
        (answer(question("example.", "SOA", recursion=False)), "an answer to another question"),
        (answer(rcode=dns.rcode.SERVFAIL, soa=""), "SERVFAIL"),
        (answer(rcode=dns.rcode.REFUSED, soa=""), "REFUSED"),
        (answer(soa=""), "an answer without the SOA"),
        (answer(soa="other."), "an answer without the SOA"),
    ],
    # The messages hold numbers that are other ones in each process.
    ids=["nothing", "empty", "cut", "another question", "SERVFAIL", "REFUSED", "no record", "another record"],
)
def test_anything_else_is_a_fault(got: bytes | None, said: str) -> None:
    """Which is said in a few words."""
    assert fault(ASKED, got, authoritative=True) == said


def test_only_a_resolver_is_asked_to_find_out() -> None:
    """The flag RD."""
    for recursion in (True, False):
        message = dns.message.from_wire(question("example.", "SOA", recursion=recursion))
        assert bool(message.flags & dns.flags.RD) == recursion
