"""Being the other end of a conversation with a program: what is told to peers/peer.py, and what it answers.

Pure, but for reading that file.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from ipaddress import ip_address
from typing import Any

from lab.model import Endpoint
from lab.observe import on_the_wire
from lab.stage import End

PEER = "peer.py"
MOST_SHOWN = 2000
Read = int | str
"""How much is read: a number of bytes, or "line", "end" (of the connection), "some", or "" for nothing."""
Step = Mapping[str, Any]


def program() -> str:
    """The text of the program that is the other end."""
    return resources.files("lab.grading").joinpath("peers", PEER).read_text(encoding="utf-8")


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """What a client of ours saw: its own end, what it read, and what went wrong, "" if nothing did."""

    own: End | None
    data: bytes = b""
    error: str = ""
    end: bool = False
    """whether the other side had closed"""

    @property
    def text(self) -> str:
        """What was read, as text."""
        return self.data.decode(errors="replace")


def opening(to: Endpoint, *, source: End | None, wait: float) -> Step:
    """The step that opens a socket."""
    step: dict[str, Any] = {"protocol": str(to.protocol), "address": str(to.address), "port": to.port, "wait": wait}
    return {**step, "source": [str(source[0]), source[1]]} if source else step


def asking(send: bytes | str, read: Read) -> Step:
    """The step that sends and reads."""
    return {"send": base64.b64encode(as_bytes(send)).decode(), "read": read}


def script(*steps: Step) -> bytes:
    """Steps as the program reads them."""
    return "".join(f"{json.dumps(one)}\n" for one in steps).encode()


def exchange(answers: list[Step], *, own: End | None = None) -> Exchange:
    """What the answers of the peer say, the first about its socket, which is `own` if that is known, the second about
    what came."""
    first, second = answers[0], answers[1] if len(answers) > 1 else {}
    told = first.get("own")
    return Exchange(
        own=(on_the_wire(ip_address(told[0].partition("%")[0])), int(told[1])) if told else own,
        data=base64.b64decode(second.get("data", "")),
        error=first.get("error") or second.get("error") or "",
        end=bool(second.get("end")),
    )


def as_bytes(data: bytes | str) -> bytes:
    """Text as UTF-8."""
    return data.encode() if isinstance(data, str) else data


def shown(data: bytes | str) -> str:
    """Bytes in words: text as it would be written in a program."""
    data = as_bytes(data)
    if not data:
        return "nothing"
    text = repr(data)[1:]
    return text if len(text) < MOST_SHOWN else f"{text[:200]} … ({len(data)} bytes)"
