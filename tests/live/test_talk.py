"""Programs that one talks with, and programs that are stopped."""

from __future__ import annotations

import pytest

from lab import building
from lab.live import Instance
from tests.live.support import until

ECHO = ("python3", "-c", "for line in iter(input, ''): print(line.upper(), flush=True)")


def test_a_line_is_answered_while_other_things_are_looked_at(lab: Instance) -> None:
    """The program waits for its input; meanwhile the instance answers."""
    with lab.talk("alice", ECHO) as talk:
        talk.tell("one")
        assert talk.line(seconds=5) == "ONE"
        assert lab.look(["processes"], ["alice"])
        talk.tell("two")
        assert talk.line(seconds=5) == "TWO"
    assert talk.ended is not None


def test_a_program_that_says_nothing_is_not_waited_for_for_ever(lab: Instance) -> None:
    """There is no line in time; the program goes on."""
    with lab.talk("alice", ECHO) as talk:
        assert talk.line(seconds=0.1) is None
        talk.tell("late")
        assert talk.line(seconds=5) == "LATE"


def test_the_end_of_a_program_is_the_end_of_its_lines(lab: Instance) -> None:
    """What it printed without an end of line is its last one; then there is none, at once."""
    with lab.talk("alice", ("printf", "first\nlast")) as talk:
        assert [talk.line(seconds=5) for _ in range(3)] == ["first", "last", None]
    assert talk.text == "first\nlast"


def test_closing_ends_a_program_that_takes_no_input(lab: Instance) -> None:
    """Nothing of it is left in the host."""
    before = lab.fingerprints(["alice"])
    with lab.talk("alice", ("sleep", "1000")) as talk:
        until(lambda: lab.fingerprints(["alice"]) != before, wanted=bool, what="the program")
        del talk
    until(lambda: lab.fingerprints(["alice"]) == before, wanted=bool, what="its end")


def test_a_talk_takes_the_connection_of_one_that_ended(lab: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was told to a program that had ended, or did not read it, is not heard by the next one."""
    with lab.talk("alice", ("true",)) as before:
        assert before.line(seconds=5) is None
        before.tell("too late")
    with lab.talk("bob", ("sh", "-c", "read one; echo $one")) as before:
        before.tell("first")
        before.tell("not read")
        assert before.line(seconds=5) == "first"
        assert before.line(seconds=5) is None
        before.tell("too late")
    with monkeypatch.context() as patched:
        patched.setattr(building, "connect", lambda *_: pytest.fail("a connection was made"))
        with lab.talk("alice", ECHO) as talk:
            assert talk.line(seconds=0.1) is None
            talk.tell("next")
            assert talk.line(seconds=5) == "NEXT"
            assert talk.text == "NEXT\n"


def test_a_program_that_cannot_be_run_is_told(lab: Instance) -> None:
    """As a shell would: by a line, and by the status 127."""
    with lab.talk("alice", ("no-such-program",)) as talk:
        assert talk.line(seconds=5) == "no-such-program: No such file or directory"
        assert talk.line(seconds=5) is None
        assert talk.ended is not None
        assert talk.ended.status == 127


def test_a_folder_that_does_not_exist_is_told(lab: Instance) -> None:
    """What the helper refuses is kept with the talk, in whose thread nobody would hear it."""
    with lab.talk("alice", ECHO, cwd="/no/such/folder") as talk:
        first = talk.line(seconds=5)
        assert "No such file" in (first or str(talk.error))


def test_a_stopped_program_holds_no_port(lab: Instance) -> None:
    """When `stop` returns its sockets are closed: nobody hears an answer of a server that was stopped."""
    server = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('', 9000)); s.recv(1)"
    for _ in range(20):
        name = lab.start("alice", ("python3", "-c", server))
        until(
            lambda: [one for one in lab.look(["sockets"], ["alice"])["alice"].sockets if one.local.port == 9000],
            wanted=bool,
            what="the server",
        )
        lab.stop("alice", name)
        assert [one for one in lab.look(["sockets"], ["alice"])["alice"].sockets if one.local.port == 9000] == []
