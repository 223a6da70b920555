"""The other end of a conversation, over loopback, and what is made of its answers."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from lab.grading import conversation
from lab.grading.conversation import Exchange, Read, asking, exchange, opening, script, shown
from lab.model import Endpoint, Protocol

LOCALHOST = ip_address("127.0.0.1")
Serve = Callable[[socket.socket], None]


@pytest.fixture
def served() -> Iterator[Callable[[Serve], Endpoint]]:
    """Serve one TCP client in a thread; where."""
    threads = []

    def start(serve: Serve) -> Endpoint:
        listening = socket.create_server(("127.0.0.1", 0))

        def run() -> None:
            with listening:
                connection, _ = listening.accept()
            with connection, contextlib.suppress(ConnectionError):  # the client has what it wants
                serve(connection)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return Endpoint(protocol=Protocol.TCP, address=LOCALHOST, port=listening.getsockname()[1])

    yield start
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()


def said(*steps: conversation.Step) -> list[conversation.Step]:
    """What the program answers to steps."""
    place = Path(conversation.__file__).parent / "peers" / conversation.PEER
    done = subprocess.run([sys.executable, "-I", str(place)], input=script(*steps), capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def asked(to: Endpoint, send: str, read: Read, *, wait: float = 5.0) -> Exchange:
    """What comes of a question."""
    return exchange(said(opening(to, source=None, wait=wait), asking(send, read)))


def slow(connection: socket.socket) -> None:
    """Answer in pieces."""
    connection.recv(100)
    for piece in (b"one ", b"line\n", b"and more"):
        connection.sendall(piece)


@pytest.mark.parametrize(
    ("read", "data", "end"),
    [
        ("line", b"one line\n", False),
        ("end", b"one line\nand more", True),
        (6, b"one line\n"[:6], False),
        ("", b"", False),
    ],
)
def test_how_much_is_read(served: Callable[[Serve], Endpoint], read: Read, data: bytes, end: bool) -> None:
    """A line, all until the end, a number of bytes, or nothing."""
    seen = asked(served(slow), "go", read)
    assert seen.data[: len(data)] == data
    assert (seen.end, seen.error) == (end, "")
    assert seen.own is not None
    assert seen.own[0] == LOCALHOST


def test_a_flood_is_read_in_part(served: Callable[[Serve], Endpoint]) -> None:
    """Whoever sends without an end is heard, and what is told of it is less than what a command may print."""

    def flood(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"x" * 65536)

    answers = said(opening(served(flood), source=None, wait=5.0), asking("", "line"))
    assert len(exchange(answers).data) >= 1 << 18
    assert len(json.dumps(answers)) < 1 << 19


def test_what_comes_too_late(served: Callable[[Serve], Endpoint]) -> None:
    """What was read so far is there, and that the time was over."""

    def half(connection: socket.socket) -> None:
        connection.sendall(b"hal")
        connection.recv(100)
        connection.recv(100)

    seen = asked(served(half), "go", "line", wait=0.3)
    assert (seen.data, seen.error, seen.end) == (b"hal", "timeout", False)


def test_one_byte_now_and_then_is_not_heard_for_ever(served: Callable[[Serve], Endpoint]) -> None:
    """A step ends in its time also if something comes in each wait, or a submission decides when a check ends."""

    def drip(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"x")
            time.sleep(0.1)

    began = time.monotonic()
    seen = asked(served(drip), "go", "line", wait=0.5)
    assert (set(seen.data), seen.error, seen.end) == (set(b"x"), "timeout", False)
    assert time.monotonic() - began < 4


def test_nobody_is_there() -> None:
    """The connection was refused: there is no own end, and nothing more is tried."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        to = Endpoint(protocol=Protocol.TCP, address=LOCALHOST, port=listening.getsockname()[1])
    seen = asked(to, "go", "line")
    assert (seen.own, seen.data, seen.error) == (None, b"", "ECONNREFUSED")


def test_a_datagram_is_one_message() -> None:
    """What was sent together comes together, also if it is empty."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        s.settimeout(5)

        def answer() -> None:
            for text in (b"a\nb", b""):
                _, sender = s.recvfrom(100)
                s.sendto(text, sender)

        thread = threading.Thread(target=answer)
        thread.start()
        to = Endpoint(protocol=Protocol.UDP, address=LOCALHOST, port=s.getsockname()[1])
        answers = said(opening(to, source=None, wait=5), asking("1", "line"), asking("2", "line"))
        thread.join()
    assert [exchange([answers[0], one]).data for one in answers[1:]] == [b"a\nb", b""]


def test_a_half_is_closed(served: Callable[[Serve], Endpoint]) -> None:
    """What the other end says after it is still read."""

    def last_word(connection: socket.socket) -> None:
        data = b""
        while piece := connection.recv(100):
            data += piece
        connection.sendall(data.upper())

    first = opening(served(last_word), source=None, wait=5)
    answers = said(first, asking("bye", ""), {"shut": True, "read": "end"})
    assert exchange([answers[0], answers[2]]).data == b"BYE"


def test_an_empty_datagram_is_sent() -> None:
    """Sending nothing sends none: it has a step of its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        s.settimeout(5)
        to = Endpoint(protocol=Protocol.UDP, address=LOCALHOST, port=s.getsockname()[1])
        said(opening(to, source=None, wait=5), asking("", ""), {"empty": True}, asking("last", ""))
        assert [s.recv(100), s.recv(100)] == [b"", b"last"]


def test_a_connection_is_broken_off(served: Callable[[Serve], Endpoint]) -> None:
    """The other side is told so by a reset, and not by an end."""
    heard: queue.SimpleQueue[str] = queue.SimpleQueue()

    def serve(connection: socket.socket) -> None:
        try:
            heard.put(repr(connection.recv(100)))
        except ConnectionResetError:
            heard.put("reset")

    assert said(opening(served(serve), source=None, wait=5), {"reset": True})[1] == {}
    assert heard.get(timeout=5) == "reset"


def test_bytes_in_words() -> None:
    """As they would be written in a program; a long text is cut."""
    assert shown(b"") == "nothing"
    assert shown("a\n\x1b") == "'a\\n\\x1b'"
    assert shown(b"x" * 10_000).endswith("… (10000 bytes)")
