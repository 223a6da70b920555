"""The state in which `lab up` hands an instance over: made, seen to be as declared, and come back to by a reset.

Everything here goes through a wiring. What is compared are fingerprints (lab/observe): the one of a reset with the
one that was sealed at up.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lab import daemons, segments
from lab.checks import Difference, differences, not_listening
from lab.errors import InstanceError, NotPristineError, NotUpError
from lab.model import Host, Lab, Program
from lab.observe import FINGERPRINT_LOOKS, addr_gen_mode, fingerprint, host_view, unsettled
from lab.plan import HOME
from lab.scripts import ipv6_interfaces, sysctl_keys
from lab.waiting import until
from lab.wiring import Wiring

READY_SECONDS = 15.0
SETTLED_SECONDS = 5.0
PAUSE_SECONDS = 0.005
TRIES = 3

Texts = dict[str, dict[str, Any]]


def texts(wiring: Wiring, lab: Lab, hosts: Iterable[str] | None) -> Texts:
    """What fingerprints of hosts (None: all) are made of."""
    keys = dict.fromkeys(key for host in lab.hosts for key in _sysctls(host))
    return wiring.look(FINGERPRINT_LOOKS, hosts=hosts, sysctls=keys)


def _sysctls(host: Host) -> tuple[str, ...]:
    return (*sysctl_keys(host), *map(addr_gen_mode, ipv6_interfaces(host)))


def make(wiring: Wiring, lab: Lab, hosts: Sequence[str]) -> dict[str, list[str]]:
    """Put declared files in place and look: the fingerprints, if all is as declared. Raises NotUpError."""
    for host, program in _programs(lab, hosts):
        wiring.deploy(host.name, folder=program.name, files={file.name: file.content for file in program.files})
    seen = _settled(wiring, lab, hosts)
    whole = len(hosts) == len(lab.hosts)
    on_segments = segments.seen(wiring.segments(lab))
    wrong = differences(lab if whole else _part(lab, hosts), {name: host_view(text) for name, text in seen.items()})
    wrong += segments.differences(lab, on_segments, wiring.segment_rules(lab))
    if wrong:
        raise NotUpError("\n".join(map(str, wrong)))
    found = {name: list(fingerprint(text)) for name, text in seen.items()}
    # What was counted is all hosts' together.
    return found | ({segments.SEGMENTS: list(segments.fingerprint(on_segments))} if whole else {})


def _programs(lab: Lab, hosts: Sequence[str]) -> list[tuple[Host, Program]]:
    return [(host, program) for host in lab.hosts if host.name in hosts for program in host.programs]


def _part(lab: Lab, hosts: Sequence[str]) -> Lab:
    return dataclasses.replace(lab, hosts=tuple(host for host in lab.hosts if host.name in hosts))


def _settled(wiring: Wiring, lab: Lab, hosts: Sequence[str]) -> Texts:
    """What a fingerprint is made of, once the kernel has finished what it does by itself. Raises NotUpError."""

    def look() -> tuple[Texts, list[str]]:
        seen = texts(wiring, lab, hosts)
        left = {name: unsettled(text["addresses"], text["routes"], text["sysctls"]) for name, text in seen.items()}
        return seen, [f"{name}: {one}" for name, words in left.items() for one in words]

    seen, waiting = look()
    if not waiting:
        return seen
    _, waiting = until(look, lambda looked: not looked[1], seconds=SETTLED_SECONDS, pause=PAUSE_SECONDS)
    if waiting:
        raise NotUpError("expected the kernel to be done with the interfaces, observed:\n" + "\n".join(waiting))
    # What has just come may not have come whole: a router's address brings an anycast route too.
    return texts(wiring, lab, hosts)


# ----------------------------------------------------------------------------------------- programs


def start_programs(wiring: Wiring, lab: Lab, hosts: Sequence[str]) -> None:
    """Start the daemons of hosts and prove them, then the declared programs, each of which listens where it says.

    Raises NotUpError.
    """
    daemons.start(wiring, lab, hosts)
    waiting = []
    for host, program in _programs(lab, hosts):
        if program.run:
            wiring.start(host, program=program.name, argv=program.run, cwd=f"{HOME}/{program.name}")
            waiting += [(host, program)] if program.ready else []
    if not waiting:
        return
    by_name = {host.name: host for host, _ in waiting}

    def look() -> tuple[list[Difference], dict[tuple[str, str], str]]:
        seen = wiring.look(["sockets"], hosts=by_name)
        missing = [one for name, host in by_name.items() for one in not_listening(host, host_view(seen[name]))]
        ended = {(one.host, one.program): one.end for one in wiring.started() if one.end}
        missing += [
            Difference(host=host.name, subject=f"program {program.name}", expected="running", observed=end)
            for host, program in waiting
            if (end := ended.get((host.name, program.name)))
        ]
        return missing, {key: end for key, end in ended.items() if key in {(h.name, p.name) for h, p in waiting}}

    missing, ended = until(
        look, lambda looked: not looked[0] or bool(looked[1]), seconds=READY_SECONDS, pause=PAUSE_SECONDS
    )
    if missing:
        raise NotUpError("\n".join(_why(wiring, missing, waiting, ended)))


def _why(
    wiring: Wiring,
    missing: list[Difference],
    waiting: list[tuple[Host, Program]],
    ended: Mapping[tuple[str, str], str],
) -> list[str]:
    lines = [str(difference) for difference in missing]
    for host, program in waiting:
        if any(one.host == host.name and one.subject == f"program {program.name}" for one in missing):
            end = ended.get((host.name, program.name), f"still runs after {READY_SECONDS:.0f} s")
            said = f"{host.name}: program {program.name}: {end}; the end of its output:"
            lines += [said, *daemons.tail(wiring.output(host.name, program.name))]
    return lines


# ------------------------------------------------------------------------------------------- resets


def reset(wiring: Wiring, lab: Lab, name: str, hosts: Sequence[str]) -> None:
    """Make hosts of the instance `name` as they were at up, and prove it. Raises NotPristineError, InstanceError."""
    sealed = wiring.sealed()
    if sealed is None:
        raise InstanceError(
            f"expected {name} to have come up, but its start never ended",
            hint=f"`lab down --name {name}`, then `lab up` it again",
        )
    whole = len(hosts) == len(lab.hosts)
    for attempt in range(TRIES):
        wiring.clean(lab, hosts)
        try:
            wrong = deviations(sealed, make(wiring, lab, hosts), with_conntrack=whole)
        except NotUpError as error:
            wrong = error.message.splitlines()
        if not wrong:
            break
        if attempt == TRIES - 1:
            raise NotPristineError(
                "the reset cannot be proven:\n" + "\n".join(wrong),
                hint=f"{_why_left(wrong)}`lab down --name {name}`, then `lab up` it again",
            )
    try:
        start_programs(wiring, lab, hosts)
    except NotUpError as error:
        raise NotPristineError(
            f"the hosts are as at the start, but their programs are not:\n{error.message}",
            hint="`lab reset` without a host resets all of them, if a program needs one of another host",
        ) from error


def deviations(sealed: Mapping[str, list[str]], now: Mapping[str, list[str]], *, with_conntrack: bool) -> list[str]:
    """What differs from the fingerprints taken at up. A gateway's table is the others' too: see `with_conntrack`."""
    wrong = []
    for host, lines in now.items():
        before, after = Counter(sealed[host]), Counter(lines)
        wrong += [(host, f"expected {line}, not observed") for line in sorted((before - after).elements())]
        wrong += [(host, f"observed {line}, not expected") for line in sorted((after - before).elements())]
    return [f"{host}: {text}" for host, text in wrong if with_conntrack or text.split()[1] != "conntrack"]


def _why_left(wrong: Iterable[str]) -> str:
    """Why sockets may be there that nobody holds any more, "" if none are: ss(8) does not say that it closes none."""
    left = any(re.search(r": observed socket (tcp|udp) ", one) for one in wrong)
    return "sockets are closed only by a kernel with the option INET_DIAG_DESTROY (ss -K); " if left else ""
