"""Everything that was seen of a host at one moment, and its fingerprint. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from lab.observe.conntrack import Translation, translations
from lab.observe.links import Link, Route, links, read_json, routes
from lab.observe.sockets import Socket, sockets


@dataclass(frozen=True, kw_only=True, slots=True)
class HostView:
    """Everything seen of a host at one moment. A part that was not looked at is empty."""

    links: tuple[Link, ...] = ()
    routes: tuple[Route, ...] = ()
    sockets: tuple[Socket, ...] = ()
    rules: str = ""
    sysctls: tuple[tuple[str, str], ...] = ()
    translations: tuple[Translation, ...] = ()


def host_view(texts: dict[str, Any]) -> HostView:
    """The typed view of what a wiring's `look` brought of one host. Raises UnreadableError."""
    return HostView(
        links=links(texts.get("addresses", "")),
        routes=routes(texts.get("routes", "")),
        sockets=sockets(texts.get("owners", texts.get("sockets", ""))) + sockets(texts.get("packet_sockets", "")),
        rules=texts.get("rules", ""),
        sysctls=tuple(_settings(texts.get("sysctls", ""))),
        translations=translations(texts.get("conntrack", "")),
    )


def _settings(text: str) -> list[tuple[str, str]]:
    return [(key, value) for key, _, value in (line.partition(" = ") for line in text.splitlines())]


LOOKS = frozenset(
    {
        "addresses",
        "conntrack",
        "conntrack_count",
        "files",
        "ipc",
        "owners",
        "packet_sockets",
        "policy",
        "processes",
        "routes",
        "rules",
        "sockets",
        "sysctls",
    }
)
"""What can be asked of a wiring's `look`."""

FINGERPRINT_LOOKS = (
    "addresses",
    "routes",
    "policy",
    "sockets",
    "packet_sockets",
    "rules",
    "conntrack_count",
    "sysctls",
    "processes",
    "files",
    "ipc",
)
"""What a host's fingerprint is made of."""


def fingerprint(texts: dict[str, Any]) -> tuple[str, ...]:
    """A host's state as sorted lines, equal for equal states: nothing in it depends on time or on pids.

    Names that a program chose are quoted, so that no line can look like another or drive a terminal.
    Raises UnreadableError.
    """
    lines = [f"process {p['uid']} {' '.join(map(_quoted, p['command']))}" for p in texts["processes"]]
    lines += [f"file {_visible(line)}" for line in texts["files"]]
    lines += [f"sysctl {line}" for line in texts["sysctls"].splitlines()]
    lines += [f"ipc {line}" for line in texts["ipc"].splitlines()]
    # Their order is part of what rules mean.
    lines += [f"rule {number}: {line.strip()}" for number, line in enumerate(texts["rules"].splitlines(), 1)]
    lines += [f"conntrack {texts['conntrack_count'].strip()}"]
    lines += [_socket_line(socket) for socket in sockets(texts["sockets"]) + sockets(texts["packet_sockets"])]
    for name in ("addresses", "routes", "policy"):
        lines += [f"{name} {item}" for item in read_json(_lasting, texts[name])]
    return tuple(sorted(lines))


def _quoted(word: str) -> str:
    return _visible(word) if word.isalnum() else "'" + _visible(word).replace("'", "\\x27") + "'"


def _visible(text: str) -> str:
    """The text with everything that does not print, and the backslash itself, written as an escape."""
    return "".join(
        char if char.isprintable() and char != "\\" else char.encode("unicode_escape").decode() for char in text
    )


def _socket_line(socket: Socket) -> str:
    v6only = " v6only" if socket.v6only else ""
    return f"socket {socket.kind} {socket.state} {socket.local} {socket.remote} uid {socket.uid}{v6only}"


def _lasting(item: dict[str, Any]) -> str:
    """Without what changes by itself or with each creation: the numbers of interfaces and lifetimes."""
    passing = {"ifindex", "link_index", "link_netnsid", "cache", "used", "expires", "age"}
    return json.dumps({key: value for key, value in item.items() if key not in passing}, sort_keys=True)
