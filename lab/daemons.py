"""The trusted daemons of an instance's hosts: started, seen to listen, and proven to do their work.

What runs with which configuration is `services`' business. Everything here goes through a wiring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from lab.checks import Difference, not_listening_at
from lab.errors import NotUpError
from lab.model import Address, Host, Lab
from lab.names import PORT, delegated
from lab.observe import host_view
from lab.services import TOP, Service, services
from lab.waiting import until
from lab.wiring import Output, Wiring

START_SECONDS = 10.0
PROOF_SECONDS = 5.0
ANSWER_SECONDS = 2.0
TAIL_LINES = 12
PAUSE_SECONDS = 0.003
BETWEEN_QUESTIONS = 0.2
"""Each of them is a line of a resolver's log, whose end is shown."""
HINT = "is there a way from the resolver to its root, and does each NS record lead to a host that serves the zone?"


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A question that proves a daemon's work: its SOA, asked at one of the host's addresses."""

    host: str
    service: str
    address: Address
    zone: str
    authoritative: bool

    def difference(self, observed: str) -> Difference:
        """What is said if the answer is not as it should be."""
        whose = "its own" if self.authoritative else "what the zone's server says"
        expected = f"the SOA of {self.zone} at {self.address}, {whose}"
        return Difference(host=self.host, subject=f"service {self.service}", expected=expected, observed=observed)


def start(wiring: Wiring, lab: Lab, names: Iterable[str]) -> None:
    """Start the daemons of hosts and prove each of them. Raises NotUpError.

    A resolver is proven by what it finds, and what it found it remembers. So it is started a second time: a new
    process has no memory at all, which no order to forget could promise as surely, and it takes some hundredths of
    a second.
    """
    hosts = [host for host in lab.hosts if host.name in set(names)]
    chosen = [(host, service) for host in hosts for service in services(lab, host)]
    if not chosen:
        return
    _serve(wiring, chosen)
    _prove_answers(wiring, [one for host in hosts for one in _zones_of(host)])
    found = delegated(lab)
    _prove_answers(wiring, [one for host in hosts for one in _found_by(host, found)])
    _serve(wiring, [(host, service) for host, service in chosen if service.name == "unbound"])
    for host, service in chosen:
        if service.name == "nscd":
            _prove_cache(wiring, host, service)


def _serve(wiring: Wiring, chosen: Sequence[tuple[Host, Service]]) -> None:
    """Start, and wait until each listens where it should."""
    for host, service in chosen:
        wiring.serve(host.name, service)
    waiting = [(host, service) for host, service in chosen if service.listens]

    def missing() -> list[Difference]:
        seen = wiring.look(["sockets"], hosts={host.name for host, _ in waiting}) if waiting else {}
        return [
            one
            for host, service in waiting
            for one in not_listening_at(host, host_view(seen[host.name]), f"service {service.name}", service.listens)
        ]

    _until(wiring, missing, chosen, START_SECONDS)


def _zones_of(host: Host) -> Iterable[Asked]:
    for zone in host.zones:
        for address in host.addresses:
            yield Asked(host=host.name, service="nsd", address=address, zone=zone.name, authoritative=True)


def _found_by(host: Host, zones: Iterable[str]) -> Iterable[Asked]:
    if host.resolver is not None:
        for zone in zones:
            yield Asked(host=host.name, service="unbound", address=host.addresses[0], zone=zone, authoritative=False)


def _prove_answers(wiring: Wiring, asked: Sequence[Asked]) -> None:
    if not asked:
        return
    from lab.questions import fault, question

    texts = {one: question(one.zone, "SOA", recursion=not one.authoritative) for one in asked}
    open_ones = list(asked)

    def missing() -> list[Difference]:
        nonlocal open_ones
        queries = [(one.host, one.address, PORT, texts[one]) for one in open_ones]
        answers = wiring.query(queries, seconds=ANSWER_SECONDS)
        faults = [
            (one, wrong)
            for one, answer in zip(open_ones, answers, strict=True)
            if (wrong := fault(texts[one], answer, authoritative=one.authoritative))
        ]
        open_ones = [one for one, _ in faults]
        return [one.difference(wrong) for one, wrong in faults]

    names = {(one.host, one.service): one for one in asked}
    hint = "" if all(one.authoritative for one in asked) else HINT
    _until(wiring, missing, names, PROOF_SECONDS, pause=BETWEEN_QUESTIONS, hint=hint)


def _prove_cache(wiring: Wiring, host: Host, service: Service) -> None:
    """Its statistics come through the very socket at which programs ask it, and asking for them leaves nothing."""
    command = ("nscd", "--config-file", f"{TOP}/nscd/nscd.conf", "--statistics")

    def missing() -> list[Difference]:
        said = wiring.command(host.name, command, seconds=ANSWER_SECONDS)
        _, _, hosts = said.stdout.decode(errors="replace").partition("hosts cache:")
        if hosts.split()[:1] == ["yes"]:
            return []
        observed = (said.stderr or said.stdout).decode(errors="replace").strip().partition("\n")[0] or "no answer"
        expected = "to say that it remembers names"
        return [Difference(host=host.name, subject="service nscd", expected=expected, observed=observed)]

    _until(wiring, missing, [(host, service)], PROOF_SECONDS)


def _until(
    wiring: Wiring,
    missing: Callable[[], list[Difference]],
    chosen: Iterable[tuple[Host | str, Service | str]],
    seconds: float,
    *,
    pause: float = PAUSE_SECONDS,
    hint: str = "",
) -> None:
    """Look until nothing is missing. Raises NotUpError after `seconds`, or once one of the daemons has ended."""
    names = [(_name(host), _name(service)) for host, service in chosen]

    def look() -> tuple[list[Difference], dict[tuple[str, str], str]]:
        found = missing()
        started = wiring.started() if found else ()
        return found, {(one.host, one.program): one.end for one in started if one.end}

    found, ended = until(
        look, lambda seen: not seen[0] or any(name in seen[1] for name in names), seconds=seconds, pause=pause
    )
    if not found:
        return
    lines = [str(one) for one in found]
    for host, service in names:
        if any(one.host == host and one.subject == f"service {service}" for one in found):
            end = ended.get((host, service), f"still runs after {seconds:.0f} s")
            lines += [f"{host}: service {service}: {end}; the end of its log:", *tail(wiring.output(host, service))]
    raise NotUpError("\n".join(lines), hint=hint)


def _name(of: Host | Service | str) -> str:
    return of if isinstance(of, str) else of.name


def tail(output: Output) -> list[str]:
    """The last lines that a program printed, as they stand below a message."""
    printed = output.text.decode(errors="replace").splitlines()
    return [f"  | {line}" for line in printed[-TAIL_LINES:]] or ["  | (it printed nothing)"]
