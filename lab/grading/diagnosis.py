"""What a client or a wait for a listener saw -> where it broke first on the way of a packet. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lab.checks import covers
from lab.evidence import Table
from lab.grading.record import Layer
from lab.model import Endpoint, Protocol
from lab.observe import Socket, listeners

GOOD_END = "exit status 0"
NO_ROUTE = ("ENETUNREACH", "EHOSTUNREACH", "EADDRNOTAVAIL")
TRACEBACK = "Traceback (most recent call last):"
REFUSED = ("ECONNREFUSED", "ECONNRESET", "EPIPE", "ECONNABORTED")


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """The first layer that broke, and what was observed there."""

    layer: Layer
    observed: str
    hint: str = ""


def ends_of(endpoints: Iterable[Endpoint]) -> str:
    """Endpoints in words."""
    return ", ".join(sorted(map(str, endpoints))) or "none"


def of_listener(wanted: Endpoint, found: tuple[Socket, ...], *, ended: str = "", host: str = "") -> Diagnosis | None:
    """Why nobody is reached at an endpoint of a host, as far as its listening sockets tell; None if one is there.

    `ended` is how the program that should listen has ended, "" if it runs.
    """
    there = listeners(found)
    if any(serves(one, wanted) for one in there):
        return None
    same = [one for one in there if (one.protocol, one.port) == (wanted.protocol, wanted.port)]
    if same:
        return Diagnosis(
            layer=Layer.WRONG_ADDRESS,
            observed=f"nothing listens there; there is {ends_of(same)}",
            hint="which address is given to bind()? Only packets to that one reach the socket.",
        )
    if ended:
        alone = f"run it by itself on {host or 'the host'} with `lab run`, and read what it prints"
        hint = "a server goes on: it accepts in a loop" if ended == GOOD_END else alone
        return Diagnosis(layer=Layer.PROGRAM, observed=f"the program has ended: {ended}", hint=hint)
    connected = [one for one in found if (str(one.kind), one.local.port) == (str(wanted.protocol), wanted.port)]
    if wanted.protocol is Protocol.UDP and connected:
        return Diagnosis(
            layer=Layer.NO_LISTENER,
            observed=f"the udp socket at port {wanted.port} is connected to {connected[0].remote}",
            hint="after connect() a UDP socket hears that one peer alone (udp(7))",
        )
    ports = [one for one in there if one.protocol == wanted.protocol]
    other = [one for one in there if one.protocol != wanted.protocol and one.port == wanted.port]
    observed = f"no {wanted.protocol} listener at port {wanted.port}"
    if ports or other:
        observed += f"; there is {ends_of([*other, *ports])}"
    look = f"`lab sockets {host}` shows what listens" if host else ""
    return Diagnosis(layer=Layer.NO_LISTENER, observed=observed, hint=look)


def serves(listener: Endpoint, wanted: Endpoint) -> bool:
    """Whether packets to an endpoint reach a listener: at that address, or at the wildcard."""
    if covers(listener, wanted):
        return True
    wild = listener.address is not None and listener.address.is_unspecified and not listener.device
    return wild and (listener.protocol, listener.port) == (wanted.protocol, wanted.port)


def of_error(error: str, *, connected: bool, protocol: str) -> Diagnosis:
    """Where it broke by what the client was told, when the listener is there."""
    if error in NO_ROUTE:
        return Diagnosis(layer=Layer.NO_ROUTE, observed=error, hint="`ip route` on the sender shows its ways")
    if error in REFUSED:
        observed = "the connection was reset" if connected and protocol == "tcp" else error
        return Diagnosis(layer=Layer.REFUSED, observed=observed)
    if error == "timeout" and not (connected and protocol == "tcp"):
        hint = "a capture on both sides of each gateway shows how far the packets come: `lab capture`"
        return Diagnosis(layer=Layer.FILTERED, observed="no answer in time", hint=hint)
    if error == "timeout":
        return Diagnosis(layer=Layer.BYTES, observed="connected, and then nothing more in time")
    return Diagnosis(layer=Layer.BYTES, observed=error)


def of_end(reason: str, *, within: float, characters: int) -> tuple[str, str]:
    """What was expected and observed of a program that had to be ended; `reason` as in Ended."""
    if reason == "timeout":
        return f"its end within {within:.3g} s", "it goes on"
    if reason == "calls":
        return "a program that asks the kernel for little", "more system calls than are kept"
    return "an output that ends", f"more than {characters} characters"


def listener_table(host: str, found: tuple[Socket, ...]) -> Table:
    """What listens on a host, as evidence."""
    rows = sorted(
        (str(one.kind), str(one.local), ", ".join(sorted({process.name for process in one.processes})))
        for one in found
        if one.listens
    )
    return Table(
        title=f"what listens on {host}",
        columns=("protocol", "local", "program"),
        rows=tuple(rows) or (("nothing", "", ""),),
    )


def is_broken_off(text: str) -> bool:
    """Whether a Python program is about to print the rest of a traceback: its last line is not indented."""
    _, begun, rest = text.rpartition(TRACEBACK)
    # The first piece is what follows on the line itself, the last one is no whole line yet.
    return bool(begun) and all(not line.strip() or line[:1].isspace() for line in rest.split("\n")[1:-1])
