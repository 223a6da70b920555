"""What was seen, as typed values: the text of ss(8), conntrack(8) and ip(8) -> Socket, Translation, Route.

Pure. A line that cannot be understood raises `UnreadableError`; nothing is skipped silently, because a listener that
is overlooked would be a wrong verdict.

Packets, DNS messages and system calls are read by modules of their own (`lab.observe.packets`, `dns`, `syscalls`),
which are not imported here: what they need takes longer to load than most commands to run. They never raise: what
cannot be read is a value that says so.
"""

from __future__ import annotations

from lab.observe.conntrack import Event, EventKind, Flow, Translation, events, translations
from lab.observe.links import Link, Route, addr_gen_mode, links, routes, unsettled
from lab.observe.sockets import Kind, Process, Socket, SocketEnd, State, listeners, on_the_wire, sockets
from lab.observe.unreadable import UnreadableError
from lab.observe.view import FINGERPRINT_LOOKS, LOOKS, HostView, fingerprint, host_view

__all__ = [
    "FINGERPRINT_LOOKS",
    "LOOKS",
    "Event",
    "EventKind",
    "Flow",
    "HostView",
    "Kind",
    "Link",
    "Process",
    "Route",
    "Socket",
    "SocketEnd",
    "State",
    "Translation",
    "UnreadableError",
    "addr_gen_mode",
    "events",
    "fingerprint",
    "host_view",
    "links",
    "listeners",
    "on_the_wire",
    "routes",
    "sockets",
    "translations",
    "unsettled",
]
