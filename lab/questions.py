"""Questions to name servers and what their answers say (RFC 1035 §4), as text for people. Pure.

Imported when a lab has a name server, because dnspython takes its time.
"""

from __future__ import annotations

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype


def question(name: str, kind: str, *, recursion: bool) -> bytes:
    """A question's message. With `recursion` a resolver is asked to find out for us (RFC 1034 §4.3.1)."""
    flags = dns.flags.RD if recursion else 0
    return dns.message.make_query(name, kind, flags=flags).to_wire()


def fault(asked: bytes, answer: bytes | None, *, authoritative: bool) -> str:
    """What is wrong with an answer to a question for an SOA; "" if it gives that very record.

    `authoritative`: it must say that it speaks for the zone itself.
    """
    if answer is None:
        return "no answer"
    query = dns.message.from_wire(asked)
    try:
        message = dns.message.from_wire(answer)
    except (dns.exception.DNSException, ValueError) as error:
        return f"an answer that cannot be read ({type(error).__name__})"
    if not query.is_response(message):
        return "an answer to another question"
    if message.rcode() != dns.rcode.NOERROR:
        return str(dns.rcode.to_text(message.rcode()))
    (wanted,) = query.question
    if not any(one.name == wanted.name and one.rdtype == dns.rdatatype.SOA for one in message.answer):
        return "an answer without the SOA"
    if authoritative and not message.flags & dns.flags.AA:
        return "an answer that is not authoritative"
    return ""
