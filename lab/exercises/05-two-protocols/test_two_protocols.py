"""Messages over TCP and over UDP: what keeps its boundaries, what gets lost, and who remembers what."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import pytest

from lab.grading.conversation import shown
from lab.grading.record import Layer
from lab.grading.stage import CheckStage, Completed, FailedError
from lab.observe.packets import Packet, PacketKind, retransmissions
from lab.recordings import Capture
from lab.stage import NotSeenError

LOSSY = "eth1"
"""alice's interface at that wire"""
LATE = 200_000_000
"""nanoseconds without any packet, after which an answer may have come too late for who waits half a second for it"""
ATTEMPTS = 4
"""Of ten packets one is lost, and so are several in a row at times: a try may take longer than it may, four do not."""
TCP_SECONDS = 12.0
UDP_SECONDS = 10.0


def served(stage: CheckStage) -> str:
    """Start the server at the wire that loses nothing; its ADDRESS:PORT."""
    address, port = stage.value("ADDRESS"), stage.value("PORT")
    stage.serve("server", "both.py", address, port, at=f"tcp/{address}:{port}")
    stage.expect_listening(
        "server",
        f"udp/{address}:{port}",
        hint="a UDP socket of its own has to be bound to that port; it needs no listen()",
    )
    return f"{address}:{port}"


def answer(count: int, message: bytes) -> bytes:
    """What is asked for."""
    return b"%d:%d:%s" % (count, len(message), message)


def lines(first: int, *messages: bytes) -> bytes:
    """The same over TCP."""
    return b"".join(answer(count, one) + b"\n" for count, one in enumerate(messages, start=first))


def word(stage: CheckStage) -> bytes:
    """A word that nobody knows beforehand."""
    return stage.value("WORD").encode()


def long_message(stage: CheckStage) -> bytes:
    """Bytes of any value but the line's end."""
    drawn = random.Random(stage.value("WORD"))
    return bytes(drawn.choice([one for one in range(256) if one != 10]) for _ in range(stage.number("LONG")))


@pytest.mark.check(points=1)
def test_both(stage: CheckStage) -> None:
    """Over TCP and over UDP, at one port of one address, a message is answered."""
    at, one = served(stage), word(stage)
    stage.expect_listeners("server", f"tcp/{at}", f"udp/{at}")
    stage.expect_answer("alice", f"tcp/{at}", one + b"\n", lines(1, one))
    stage.expect_answer("alice", f"udp/{at}", one, answer(1, one))


@pytest.mark.check(points=2, needs=["both"])
def test_datagrams(stage: CheckStage) -> None:
    """Each datagram is one message and has one answer: an empty one, a long one, and one with line ends in it too."""
    at = served(stage)
    messages = [word(stage), b"", b"two\nlines\n", long_message(stage), b"\n", word(stage)[::-1]]
    sender = stage.peer("alice", f"udp/{at}")
    for one in messages:
        sender.ask(one, read="") if one else sender.empty()
    wanted = [answer(count, one) for count, one in enumerate(messages, start=1)]
    came: list[bytes] = []
    while len(came) < len(wanted):
        seen = sender.ask(read="some")
        if seen.error:
            break
        came.append(seen.data)
    for one, expected in zip(messages, wanted, strict=True):
        stage.row(datagram=brief(one), answer=brief(expected), came="yes" if expected in came else "no")
    missing = next((one for one in wanted if one not in came), None)
    if missing is None:
        return
    count = wanted.index(missing)
    other = next((one for one in came if one not in wanted), None)
    stage.fail(
        f"the answer to a datagram: {brief(messages[count])}, number {count + 1} of {len(messages)} sent at once",
        expected=brief(missing),
        observed=brief(other) if other is not None else "no answer",
        layer=Layer.BYTES,
        hint=of_datagram(messages[count]),
    )


def brief(data: bytes) -> str:
    """Bytes in words, of many only the first ones."""
    if not data:
        return "an empty one"
    return shown(data) if len(data) <= 40 else f"{shown(data[:20])} … ({len(data)} bytes)"


def of_datagram(message: bytes) -> str:
    """What may be wrong if a datagram is not answered as it should be."""
    if not message:
        return "recvfrom() gives b'' for an empty datagram: in UDP that is a message, and no end"
    if len(message) > 1000:
        return "recvfrom(N) gives at most N bytes of a datagram, and the rest of it is gone: no other call gives it"
    return "recvfrom() gives one datagram: all of it is one message, with any line end that is in it"


@pytest.mark.check(points=2, needs=["both"])
def test_lines(stage: CheckStage) -> None:
    """Over TCP each line is one message, however the stream is cut into pieces."""
    client = stage.peer("alice", f"tcp/{served(stage)}")
    one, long = word(stage), long_message(stage)
    sent = "the answers to {} lines and a half, sent at once"
    hint = "one recv() may give several lines, and a part of one: keep that part until its rest comes"
    wanted = lines(1, b"first", one)
    client.expect(b"first\n" + one + b"\nth", wanted, read=len(wanted), what=sent.format("two"), hint=hint)
    # With the answer to `x` it is certain that what stands behind it was read alone.
    wanted = lines(3, b"third", b"x")
    what = "the answers to the other half of the third line, and to the fourth (a part of a fifth comes with them)"
    text = "a character may be cut, too: split bytes into lines as bytes, which need not be text at all"
    client.expect(b"ird\nx\n\xc3", wanted, read=len(wanted), what=what, hint=f"{hint}; {text}")
    hint = text
    client.expect(b"\xa4\n", lines(5, b"\xc3\xa4"), what="the answer to a line that was cut within an ä", hint=hint)
    client.ask(long[:100], read="")
    wanted = lines(6, long, b"", one)
    what = "the answers to a long line of bytes of any value, an empty line, and a third one"
    client.expect(long[100:] + b"\n\n" + one + b"\n", wanted, read=len(wanted), what=what, hint=hint)
    client.ask(b"no end", read="")
    last = client.shut(read="end")
    stage.expect(
        "what comes after a line without its end, and the end of the client's half",
        f"{shown(last.data)}, and the end" if last.end else f"{shown(last.data)}, and no end",
        "nothing, and the end",
        layer=Layer.BYTES,
        hint="a line without its end is no message: who knows what is missing of it? The connection is to be closed",
    )


@pytest.mark.check(points=2, needs=["datagrams", "lines"])
def test_state(stage: CheckStage) -> None:
    """A TCP connection's count ends with it; a UDP sender's goes on; and neither protocol waits for the other."""
    at, source = served(stage), (stage.instance.host("alice").interfaces[0].addresses[0].ip, stage.number("SOURCE"))
    other = (source[0], source[1] + 1)
    held = stage.peer("alice", f"tcp/{at}", source=other)
    held.expect(b"hold\n", lines(1, b"hold"))
    sender = stage.peer("alice", f"udp/{at}", source=source)
    for count in (1, 2):
        seen = sender.ask(b"one", read="some")
        stage.expect(
            "what a UDP sender is answered, while a TCP client is connected and silent",
            shown(seen.data) if seen.data else "no answer in time",
            shown(answer(count, b"one")),
            layer=Layer.BYTES if seen.data else Layer.PROGRAM,
            hint="does a recv() wait for the TCP client meanwhile? Each protocol needs a thread of its own",
        )
    with stage.capture("server") as capture:
        sender.close()
    stage.row(protocol="udp", alice_closes=f"her socket at port {source[1]}", packets_that_tell=told_by(capture))
    hint = "in UDP nobody tells of an end: all that is known of a sender is its address and port"
    what = "what a UDP sender is answered that closed its socket and has the same port again"
    stage.expect_answer("alice", f"udp/{at}", b"two", answer(3, b"two"), source=source, what=what, hint=hint)
    hint = "another port is another sender, and has a count of its own"
    what = "what a UDP sender with another port is answered"
    stage.expect_answer("alice", f"udp/{at}", b"two", answer(1, b"two"), source=other, what=what, hint=hint)
    stage.table("the end of a connection")
    for count in (1, 2):
        with stage.capture("server") as capture:
            hint = "a new connection is another one, though its address and port are those of an old one"
            what = f"what connection {count} from the same address and port is answered"
            client = stage.peer("alice", f"tcp/{at}", source=source)
            client.expect(b"a\nb\n", lines(1, b"a", b"b"), read=len(lines(1, b"a", b"b")), what=what, hint=hint)
            client.shut(read="end")
            client.close()
        stage.row(protocol="tcp", connection=count, packets_that_tell=told_by(capture))
        stage.forget_sockets("alice", source[1])  # it would be in TIME-WAIT for a minute
    held.expect(b"on\n", lines(2, b"on"), what="what the first TCP client is answered at last")


def told_by(capture: Capture) -> str:
    """What the server was told of an end, in words."""
    came = [one for one in capture.packets if not one.outgoing and one.kind in (PacketKind.TCP, PacketKind.UDP)]
    return ", ".join(one.words for one in came if "FIN" in one.flags) or "none"


@pytest.mark.check(points=2)
def test_lost(stage: CheckStage) -> None:
    """By UDP lost.py tells exactly which of its messages were not answered, each of them sent once."""
    address, port, count = stage.value("FAR"), stage.value("PORT"), stage.number("COUNT")
    stage.serve("server", "answers.py", address, port, at=f"udp/{address}:{port}")
    for _ in range(ATTEMPTS):
        with stage.capture("alice") as capture:
            done = stage.complete("alice", "lost.py", "udp", address, port, count, seconds=UDP_SECONDS)
        packets = [one for one in capture.packets if on_the_lossy_wire(one, int(port))]
        came = {number_of(one) for one in packets if not one.outgoing}
        missing = [number for number in range(1, count + 1) if number not in came]
        wanted = f"lost: {' '.join(map(str, missing)) or 'none'}"
        if done.lines == [wanted] or not is_late(packets):
            break
    _sent_once(stage, [one.payload for one in packets if one.outgoing], count)
    stage.row(sent=count, answers_that_reached_alice=len(came), lost=len(missing), printed=_first(done))
    if done.lines == [wanted]:
        return
    stage.fail(
        "what lost.py prints",
        expected=f"{wanted} (what was not answered, by the packets that reached alice)",
        observed=_first(done),
        layer=Layer.BYTES if done.lines else Layer.PROGRAM,
        hint="an answer says which message it is for: the missing ones may be any, and each was sent once",
    )


def on_the_lossy_wire(one: Packet, port: int) -> bool:
    """Whether a packet is alice's to the server's UDP port, or comes from there."""
    there = one.destination_port if one.outgoing else one.source_port
    return (one.interface, one.kind, there) == (LOSSY, PacketKind.UDP, port)


def number_of(one: Packet) -> int:
    """Which message an answer of ours is for."""
    number = one.payload.rpartition(b":")[2]
    return int(number) if is_number(number) else -1


def is_number(text: bytes) -> bool:
    """Whether it is one of those that are sent."""
    return re.fullmatch(rb"[1-9][0-9]{0,5}", text) is not None


def is_late(packets: list[Packet]) -> bool:
    """Whether an answer came so late that a program may have given it up already: then nothing can be said."""
    times = [one.time for one in packets]
    return any(after - before > LATE for before, after in pairwise(times))


def _first(done: Completed) -> str:
    """What a program printed, in a line."""
    return " / ".join(done.lines) or done.err.strip().rpartition("\n")[2] or "nothing"


def _sent_once(stage: CheckStage, sent: Iterable[bytes], count: int) -> None:
    numbers = [int(one) if is_number(one) else -1 for one in sent]
    strange = [one for one in numbers if not 1 <= one <= count]
    missing = sorted(set(range(1, count + 1)) - set(numbers))
    twice = sorted(one for one, times in Counter(numbers).items() if times > 1 and 1 <= one <= count)
    faults = [f"{len(missing)} numbers are not sent: {missing[:5]} …"] if missing else []
    faults += [f"{len(twice)} numbers are sent more than once: {twice[:5]} …"] if twice else []
    faults += [f"{len(strange)} datagrams are something else"] if strange else []
    if faults:
        stage.fail(
            "the datagrams that leave alice",
            expected=f"the numbers 1 to {count}, each in one datagram, and each once",
            observed="; ".join(faults),
            layer=Layer.PROGRAM,
            hint="a message that gets lost is not sent again: it is to be told. All are sent, whatever comes back",
        )


@pytest.mark.check(points=1)
def test_whole(stage: CheckStage) -> None:
    """By TCP, on the same wire, all messages are answered; one that a server does not answer is told."""
    address, port, count = stage.value("FAR"), stage.value("PORT"), stage.number("COUNT")
    server = stage.serve("server", "answers.py", address, port, at=f"tcp/{address}:{port}")
    for attempt in range(1, ATTEMPTS + 1):
        with stage.capture("alice", "server") as capture:
            done, failed = _tried(stage, "tcp", address, port, count)
        segments = [one for one in capture.packets if one.kind is PacketKind.TCP and one.outgoing]
        stage.row(attempt=attempt, segments_sent=len(segments), sent_again=len(retransmissions(segments)))
        if failed is None or not waits_for_the_wire(segments):
            break
    if done is None:
        raise failed or AssertionError
    stage.expect(
        "what lost.py prints",
        _first(done),
        "lost: none",
        layer=Layer.BYTES if done.lines else Layer.PROGRAM,
        hint="one recv() gives some of the stream, which may be many answers, or a part of one: split it into lines",
    )
    wanted = " ".join(map(str, range(1, count + 1)))
    try:
        stage.until("all of it", lambda: stage.output("server", server).splitlines(), lambda came: wanted in came)
    except NotSeenError:
        stage.fail(
            "the messages that the server got",
            expected=wanted,
            observed=stage.output("server", server) or "no connection that has ended",
            layer=Layer.PROGRAM,
            hint="a line for each number, in their order, and then the end of this half of the connection",
        )
    _told_by_answers(stage)


def _told_by_answers(stage: CheckStage) -> None:
    """Of a server that leaves one message without an answer, lost.py has to tell which one."""
    address, port, silent = stage.value("ADDRESS"), stage.value("PORT"), stage.value("SILENT")
    stage.serve("server", "answers.py", address, port, silent, at=f"tcp/{address}:{port}")
    done = stage.complete("alice", "lost.py", "tcp", address, port, stage.value("COUNT"))
    stage.expect(
        f"what lost.py prints about a server of ours that does not answer the message {silent}",
        _first(done),
        f"lost: {silent}",
        layer=Layer.BYTES if done.lines else Layer.PROGRAM,
        hint="TCP brings every message, and does not answer it: only the answers that came tell which did",
    )


def _tried(stage: CheckStage, *words: object) -> tuple[Completed | None, FailedError | None]:
    try:
        return stage.complete("alice", "lost.py", *words, seconds=TCP_SECONDS), None
    except FailedError as failed:
        return None, failed


def waits_for_the_wire(segments: list[Packet]) -> bool:
    """Whether the last segment that had to be acknowledged was sent again: not a program is waited for, but TCP."""
    again = retransmissions(segments)
    last = [one for one in segments if one.occupies][-1:]
    return bool(last) and last[0] in again
