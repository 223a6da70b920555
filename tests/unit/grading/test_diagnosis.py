"""Where it broke first, by what listens and by what a client was told."""

from __future__ import annotations

import pytest

from lab.grading.diagnosis import is_broken_off, listener_table, of_end, of_error, of_listener
from lab.grading.record import Layer
from lab.observe import sockets
from lab.readers import read_endpoint

WANTED = read_endpoint("tcp/192.0.2.10:8000")
HEAD = "Netid State Recv-Q Send-Q Local-Address:Port Peer-Address:Port Process\n"


def listening(*ends: str) -> str:
    """What ss(8) says of TCP listeners."""
    return "".join(f'tcp LISTEN 0 128 {end} 0.0.0.0:* users:(("python3",pid=7,fd=3)) uid:1000\n' for end in ends)


@pytest.mark.parametrize("end", ["192.0.2.10:8000", "0.0.0.0:8000", "*:8000"])
def test_a_listener_that_is_reached(end: str) -> None:
    """At the address, or at every one: nothing is wrong with it."""
    assert of_listener(WANTED, sockets(listening(end))) is None


@pytest.mark.parametrize(
    ("found", "ended", "layer", "observed"),
    [
        ("", "", Layer.NO_LISTENER, "no tcp listener at port 8000"),
        (listening("192.0.2.10:8001"), "", Layer.NO_LISTENER, "there is tcp/192.0.2.10:8001"),
        (listening("127.0.0.1:8000"), "", Layer.WRONG_ADDRESS, "nothing listens there; there is tcp/127.0.0.1:8000"),
        (listening("0.0.0.0%lo:8000"), "", Layer.WRONG_ADDRESS, "there is tcp/0.0.0.0%lo:8000"),
        ("", "exit status 1: KeyError", Layer.PROGRAM, "the program has ended: exit status 1: KeyError"),
        ("udp UNCONN 0 0 192.0.2.10:8000 0.0.0.0:* uid:1000\n", "", Layer.NO_LISTENER, "udp/192.0.2.10:8000"),
    ],
)
def test_the_first_layer_of_a_listener(found: str, ended: str, layer: Layer, observed: str) -> None:
    """No listener, one elsewhere, or a program that has ended."""
    broke = of_listener(WANTED, sockets(found), ended=ended, host="server")
    assert broke is not None
    assert broke.layer is layer
    assert observed in broke.observed


def test_a_udp_socket_that_is_connected() -> None:
    """It listens no more: it hears its peer alone."""
    found = sockets("udp ESTAB 0 0 192.0.2.10:8000 192.0.2.20:5000 uid:1000\n")
    broke = of_listener(read_endpoint("udp/192.0.2.10:8000"), found)
    assert broke is not None
    assert broke.layer is Layer.NO_LISTENER
    assert broke.observed == "the udp socket at port 8000 is connected to 192.0.2.20:5000"


@pytest.mark.parametrize(
    ("error", "connected", "protocol", "layer"),
    [
        ("ENETUNREACH", False, "tcp", Layer.NO_ROUTE),
        ("EHOSTUNREACH", False, "tcp", Layer.NO_ROUTE),
        ("ECONNREFUSED", False, "tcp", Layer.REFUSED),
        ("ECONNREFUSED", True, "udp", Layer.REFUSED),
        ("ECONNRESET", True, "tcp", Layer.REFUSED),
        ("timeout", False, "tcp", Layer.FILTERED),
        ("timeout", True, "udp", Layer.FILTERED),
        ("timeout", True, "tcp", Layer.BYTES),
    ],
)
def test_the_layer_of_an_error(error: str, connected: bool, protocol: str, layer: Layer) -> None:
    """With TCP, a connection that came to be was neither refused nor filtered."""
    assert of_error(error, connected=connected, protocol=protocol).layer is layer


@pytest.mark.parametrize(
    ("reason", "expected", "observed"),
    [
        ("timeout", "its end within 2.5 s", "it goes on"),
        ("calls", "a program that asks the kernel for little", "more system calls than are kept"),
        ("output", "an output that ends", "more than 7 characters"),
    ],
)
def test_why_a_program_was_ended(reason: str, expected: str, observed: str) -> None:
    """Each reason for which a program is ended from outside is told in words."""
    assert of_end(reason, within=2.5, characters=7) == (expected, observed)


def test_evidence_of_what_listens() -> None:
    """A row for each listener, and one that says so if there is none."""
    table = listener_table("server", sockets(listening("127.0.0.1:8000")))
    assert table.rows == (("tcp", "127.0.0.1:8000", "python3"),)
    assert listener_table("server", ()).rows == (("nothing", "", ""),)


@pytest.mark.parametrize(
    ("text", "broken_off"),
    [
        ("", False),
        ("a line\n", False),
        ("a line\nTraceback (most recent call last):\n", True),
        ('Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n    main()\n', True),
        ('Traceback (most recent call last):\n  File "a.py", line 1\nOSErr', True),
        ('Traceback (most recent call last):\n  File "a.py", line 1\nOSError: [Errno 98]\n', False),
        ("Traceback (most recent call last):\n  …\nOSError\n\nTraceback (most recent call last):\n  …\n", True),
    ],
)
def test_a_traceback_that_goes_on(text: str, broken_off: bool) -> None:
    """What follows the word Traceback is indented until its last line, which says what was raised."""
    assert is_broken_off(text) is broken_off
