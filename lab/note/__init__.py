"""The note, claim by claim: each is a function that shows it on a running lab, beside the sentence it stands for.

`claim` says what a claim and its outcome are, `stage` what a demonstration can do, `run` carries them out, `record`
remembers the last verdicts, `page` shows them to people. The claims are in the other modules, in the note's order.
"""

from __future__ import annotations

from lab.errors import UsageError
from lab.note import families, names, ports, sockets, translation, transport
from lab.note.claim import Claim
from lab.text import suggestion

CLAIMS: tuple[Claim, ...] = (
    ports.interfaces,
    ports.addresses,
    ports.port_range,
    ports.endpoint,
    ports.ports_per_address,
    ports.ports_per_alias,
    ports.wildcard,
    ports.many_ports,
    ports.other_machines,
    ports.well_known,
    ports.ephemeral,
    ports.ephemeral_exhaustion,
    ports.protocols,
    sockets.lifecycle,
    sockets.accept,
    sockets.connection,
    sockets.many_clients,
    transport.tcp_reliable,
    transport.udp_unreliable,
    transport.udp_boundaries,
    transport.tcp_stateful,
    transport.udp_stateless,
    translation.nat_source,
    translation.nat_reply,
    translation.nat_inbound,
    translation.nat_lifetime,
    sockets.echo,
    names.connect_address,
    names.connect_name,
    names.hosts_file,
    names.resolve_error,
    names.user_kernel,
    names.cache_application,
    names.cache_system,
    names.cache_server,
    families.ipv6,
    families.dual_stack,
    families.v6only,
)


def find(id: str) -> Claim:  # noqa: A002
    """The claim of that id. Raises UsageError."""
    for claim in CLAIMS:
        if claim.id == id:
            return claim
    known = [claim.id for claim in CLAIMS]
    hint = suggestion(id, known, otherwise="`lab note` lists them")
    raise UsageError(f"expected a claim of the note, found {id!r}", hint=hint)
