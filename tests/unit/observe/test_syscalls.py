"""The recorded words of strace -> calls, and the sockets among them."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.observe.syscalls import UNKNOWN, Call, calls, sockets
from tests.unit.frames import DATA

EXECVE = '7 1.000000 execve("/bin/x", ["x"], 0x1 /* 6 vars */) = 0 <0.000100>\n'


def recorded() -> tuple[Call, ...]:
    """The calls of strace.txt."""
    return calls((DATA / "strace.txt").read_text())


def one(text: str) -> Call:
    """A single call, of process 7 a second after its execve."""
    return calls(f"{EXECVE}7 2.000001 {text}\n")[1]


def test_recorded_calls_begin_with_the_program() -> None:
    """What PID 1 does before execve is left out, and so are its failed tries along the path."""
    found = recorded()
    assert (found[0].name, found[0].path, found[0].result) == ("execve", "/usr/bin/python3", 0)
    assert found[-1].name == "exit_group"
    assert found[-1].result is None
    assert list(found) == sorted(found, key=lambda call: call.time)


def test_recorded_processes_have_their_numbers_in_the_host() -> None:
    """Those that programs see themselves: the parent's, its thread's and its child's."""
    found = recorded()
    born = [call.result for call in found if call.name in ("clone", "clone3") and not call.error]
    assert {call.pid for call in found} == {found[0].pid, *born}
    assert all(number < 100 for number in born if number is not None)


def test_recorded_sockets_are_followed_through_threads_and_children() -> None:
    """A connection's life: made, connected, written to, read by a thread, shut down by a child."""
    stream, datagram, unix = sockets(recorded())
    assert [(life.family, life.type) for life in (stream, datagram, unix)] == [
        ("AF_INET", "SOCK_STREAM"),
        ("AF_INET", "SOCK_DGRAM"),
        ("AF_UNIX", "SOCK_STREAM"),
    ]
    names = [call.name for call in stream.calls]
    assert names[:3] == ["socket", "connect", "sendto"]
    (connect,) = stream.named("connect")
    assert connect.endpoint == (ip_address("203.0.113.80"), 65432)
    (received,) = stream.named("recvfrom")
    assert (received.data, received.result) == (b"Hello", 5)
    (shutdown,) = stream.named("shutdown")
    assert len({stream.pid, received.pid, shutdown.pid}) == 3
    (failed,) = unix.named("connect")
    assert (failed.result, failed.error, failed.path, failed.endpoint) == (-1, "ENOENT", "/run/nothing", None)


def test_what_a_program_writes_is_only_data() -> None:
    """An address, a quote, a closing parenthesis and a result in a string are no more than that."""
    datagram = sockets(recorded())[1]
    (sent,) = datagram.named("sendto")
    assert sent.data == b'{sa_family=AF_INET, sin_port=htons(7)} "quoted" ) = 0'
    assert sent.endpoint is None
    assert sent.result == 53


def test_a_call_that_others_came_between_is_one() -> None:
    """From its begin, with its result; one that never came back has none."""
    found = calls(
        EXECVE + "7 2.000000 read(3,  <unfinished ...>\n"
        "8 2.100000 close(4)        = 0 <0.000010>\n"
        '7 2.200000 <... read resumed>"ab", 10) = 2 <0.200000>\n'
        "7 2.300000 futex(0x1 <unfinished ...>\n"
        "8 2.400000 wait4(-1,  <unfinished ...>\n"
        "8 2.500000 <... wait4 resumed> <unfinished ...>) = ?\n"
        "9 2.600000 fcntl(10, F_SETFD, FD_CLOEXEC <detached ...>\n"
        "8 2.700000 read(3,  <unfinished ...>\n"
        "8 2.800000 <... read resumed> <detached ...>\n"
    )
    read, close, futex, wait, fcntl, late = found[1:]
    assert (fcntl.arguments, fcntl.result, late.name, late.result) == (
        ("10", "F_SETFD", "FD_CLOEXEC"),
        None,
        "read",
        None,
    )
    assert (read.name, read.arguments, read.result, read.time) == ("read", ("3", '"ab"', "10"), 2, 2_000_000_000)
    assert (read.seconds, read.data, close.pid) == (0.2, b"ab", 8)
    assert (futex.name, futex.result, wait.result) == ("futex", None, None)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        (
            'connect(3, {sa_family=AF_INET6, sin6_port=htons(53), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::1", '
            "&sin6_addr), sin6_scope_id=0}, 28) = 0 <0.1>",
            (ip_address("::1"), 53),
        ),
        (
            'sendmsg(3, {msg_name={sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr("192.0.2.1")}, '
            'msg_namelen=16, msg_iov=[{iov_base="a\\"b\\0", iov_len=4}], msg_iovlen=1, msg_flags=0}, 0) = 4 <0.1>',
            (ip_address("192.0.2.1"), 9),
        ),
        ('connect(3, {sa_family=AF_UNSPEC, sa_data="\\0\\0"}, 16) = 0 <0.1>', None),
        ("connect(3, NULL, 0) = -1 EFAULT (Bad address) <0.1>", None),
    ],
)
def test_addresses_are_those_in_the_structure(text: str, endpoint: object) -> None:
    """Of both families, as an argument or inside a message; others are none."""
    assert one(text).endpoint == endpoint


def test_parts_of_a_call() -> None:
    """Descriptor, error, data, file name and time, of calls whose forms differ."""
    message = one('sendmsg(3, {msg_name=NULL, msg_iov=[{iov_base="a\\"b\\0", iov_len=4}], msg_flags=0}, 0) = 4 <0.1>')
    assert message.data == b'a"b\0'
    polled = one("poll([{fd=3, events=POLLIN}], 1, 500) = 0 (Timeout) <0.500123>")
    assert (polled.result, polled.seconds, polled.descriptor) == (0, 0.500123, None)
    flags = one("fcntl(3, F_GETFL)       = 0x2 (flags O_RDWR) <0.000001>")
    assert (flags.result, flags.descriptor) == (2, 3)
    again = one("recvfrom(3, 0x7f, 10, 0, NULL, NULL) = ? ERESTARTSYS (To be restarted if SA_RESTART is set) <1.5>")
    assert (again.result, again.error) == (None, "ERESTARTSYS")
    opened = one('openat(AT_FDCWD, "/etc/h\\303\\244", O_RDONLY) = -1 ENOENT (No such file or directory) <0.1>')
    assert (opened.path, opened.error, opened.descriptor) == ("/etc/hä", "ENOENT", None)
    long = one('write(1, "abc"..., 4000) = 4000 <0.1>')
    assert (long.data, long.time) == (b"abc", 2_000_001_000)


def test_signals_and_exits_are_no_calls() -> None:
    """They are passed over."""
    found = calls(EXECVE + "7 2.000000 --- SIGCHLD {si_signo=SIGCHLD} ---\n7 2.100000 +++ exited with 0 +++\n")
    assert [call.name for call in found] == ["execve"]


def test_a_program_that_there_is_not_has_its_tries() -> None:
    """If no execve worked, the calls begin with the first."""
    found = calls(
        '7 1.000000 dup2(6, 0) = 0 <0.1>\n7 1.000001 execve("/bin/no", ["no"], 0x1) = -1 ENOENT (No such file) <0.1>\n'
    )
    assert [(call.name, call.error) for call in found] == [("execve", "ENOENT")]


@pytest.mark.parametrize(
    ("line", "time", "words"),
    [
        ("nonsense", 1_000_000_000, "nonsense"),
        ("7 2.000000 ", 2_000_000_000, ""),
        ("7 2.000000 read(3) = what <0.1>", 2_000_000_000, "read(3) = what <0.1>"),
        ("7 2.000000 <... read resumed>) = 3 <0.1>", 2_000_000_000, "<... read resumed>) = 3 <0.1>"),
    ],
)
def test_what_is_not_understood_is_an_unknown_call(line: str, time: int, words: str) -> None:
    """Nothing is skipped silently, and the rest is read: a check may demand that there is none of these."""
    _, unknown, after = calls(f"{EXECVE}{line}\n7 3.000000 close(3) = 0 <0.1>\n")
    assert (unknown.name, unknown.time, unknown.arguments, unknown.result) == (UNKNOWN, time, (words,), None)
    assert after.name == "close"


def test_an_unknown_call_may_have_been_the_first() -> None:
    """Then the calls begin with it, whatever is executed later."""
    found = calls(f"7 0.500000 execve(?\n7 0.600000 close(3) = 0 <0.1>\n{EXECVE}")
    assert [call.name for call in found] == [UNKNOWN, "close", "execve"]


def test_a_thread_that_executes_goes_on_as_its_process() -> None:
    """Its execve(2) is one call, wherever strace tells it in two parts; what the first thread was in never returns."""
    begin = EXECVE + "7 2.000000 futex(0x1,  <unfinished ...>\n"
    end = "7 2.200000 +++ superseded by execve in pid 9 +++\n7 2.300000 <... execve resumed>) = 0 <0.000682>\n"
    for broken_off in ("<pid changed to 7 ...>", "<unfinished ...>"):
        found = calls(f'{begin}9 2.100000 execve("/bin/true", ["true"], 0x1 /* 6 vars */ {broken_off}\n{end}')
        assert [(call.pid, call.name, call.result) for call in found[1:]] == [(7, "futex", None), (9, "execve", 0)]
        assert (found[2].path, found[2].seconds, found[1].arguments) == ("/bin/true", 0.000682, ("0x1", ""))


def test_a_process_that_is_killed_as_it_calls_has_an_unknown_call() -> None:
    """strace cannot ask for its name any more; its end may follow. Another process may have the number later."""
    found = calls(
        f"{EXECVE}8 2.000000 ???( <unfinished ...>\n8 2.100000 <... ??? resumed>) = ?\n"
        "9 2.200000 ????( <unfinished ...>\n9 2.300000 +++ killed by SIGKILL +++\n"
        "9 2.400000 close(3) = 0 <0.1>\n7 2.500000 --- stopped by SIGSTOP ---\n"
    )
    assert [(call.pid, call.name, call.result) for call in found[1:]] == [
        (8, UNKNOWN, None),
        (9, UNKNOWN, None),
        (9, "close", 0),
    ]


def test_a_mark_of_strace_in_data_is_data() -> None:
    """Also where a call is told in two parts."""
    resumed = '7 2.200000 <... read resumed>" <unfinished ...>", 20) = 17 <0.2>\n'
    (read,) = calls(f"{EXECVE}7 2.000000 read(3,  <unfinished ...>\n{resumed}")[1:]
    assert read.data == b" <unfinished ...>"


@given(st.lists(st.sampled_from((DATA / "strace.txt").read_text().split("\n")), max_size=20), st.data())
def test_no_text_raises(lines: list[str], data: st.DataObject) -> None:
    """Lines in any order, cut off anywhere."""
    found = calls("\n".join(line[: data.draw(st.integers(0, len(line)))] for line in lines))
    sockets(found)


def test_descriptors_are_copied_closed_and_inherited() -> None:
    """dup, close and execve change which descriptor is the socket; a child has its own table."""
    found = calls(
        EXECVE + "7 2.000000 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3 <0.1>\n"
        "7 2.000001 dup2(3, 9) = 9 <0.1>\n"
        "7 2.000002 close(3) = 0 <0.1>\n"
        '7 2.000003 openat(AT_FDCWD, "/x", O_RDONLY) = 3 <0.1>\n'
        '7 2.000004 read(3, "file", 4) = 4 <0.1>\n'
        '7 2.000005 read(9, "net", 4) = 3 <0.1>\n'
        "7 2.000006 clone(child_stack=NULL, flags=SIGCHLD) = 8 /* 4000 in strace's PID NS */ <0.1>\n"
        "7 2.000007 close(9) = 0 <0.1>\n"
        '4000 2.000008 write(9, "child", 5) = 5 <0.1>\n'
        '4000 2.000009 execve("/bin/y", ["y"], 0x1) = 0 <0.1>\n'
        '4000 2.000010 write(9, "after", 5) = 5 <0.1>\n'
        '7 2.000011 write(9, "other", 5) = -1 EBADF (Bad file descriptor) <0.1>\n'
    )
    (life,) = sockets(found)
    assert [call.data for call in life.calls if call.data] == [b"net", b"child", b"after"]
    assert life.calls[-1].pid == 8
