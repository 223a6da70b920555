"""The text of strace(1) -> Call. Pure.

strace writes it and not the program; the program's part in it are the contents of strings, in which strace escapes
everything that could end one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address

from lab.model import Address

UNKNOWN = "?"
"""the name of a call that cannot be told: strace could not ask for it any more, or its line is not understood"""

_LINE = re.compile(r"(?P<pid>\d+) +(?P<seconds>\d+)\.(?P<micro>\d{6}) (?P<rest>.*)")
_ROOT = re.compile(r"(?P<here>\d+) is (?P<inside>\d+)")
_RESUMED = re.compile(r"<\.\.\. (?:\w+|\?+) resumed>(?P<rest>.*)")
_UNFINISHED = " <unfinished ...>"
_BROKEN_OFF = re.compile(r" <(?:unfinished|detached|pid changed to \d+) \.\.\.>$")
"""Others come between; the trace ends; execve(2) in a thread ends the others, and goes on as their first."""
_SUPERSEDED = re.compile(r"\+\+\+ superseded by execve in pid (?P<thread>\d+) \+\+\+")
_NAME = re.compile(r"(?P<name>\w+|\?+)\(")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"(?:\.\.\.)?|/\*.*?\*/|[(\[{]|[)\]}]|,|[^"(\[{)\]},/]+|/', re.DOTALL)
_RESULT = re.compile(
    r"\) += (?P<value>0x[0-9a-f]+|-?\d+|\?)(?: (?P<error>E[A-Z0-9]+)(?= ))?(?P<rest>.*?)(?: <(?P<took>\d+\.\d+)>)?"
)
_TRANSLATED = re.compile(r" ?/\* (?P<here>\d+) in strace's PID NS \*/")
_IPV4 = re.compile(r'\{sa_family=AF_INET, sin_port=htons\((\d+)\), sin_addr=inet_addr\("([0-9.]+)"\)')
_IPV6 = re.compile(
    r"\{sa_family=AF_INET6, sin6_port=htons\((\d+)\), sin6_flowinfo=htonl\(\d+\), "
    r'inet_pton\(AF_INET6, "([0-9a-f:.]+)", &sin6_addr\)'
)
_UNIX = re.compile(r'\{sa_family=AF_UNIX, sun_path=(@?"(?:[^"\\]|\\.)*")')
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9a-f]{2})|(.))", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "f": "\f", "a": "\a", "b": "\b"}
_POLLED = re.compile(r"\{fd=(\d+),")
_SELECTED = re.compile(r"\d+")
_WITHOUT_DESCRIPTOR = {"exit", "exit_group", "wait4", "waitid", "kill", "tkill", "tgkill", "socket", "socketpair"} | {
    *("select", "pselect6", "poll", "ppoll", "epoll_create", "epoll_create1", "clone", "clone3", "prlimit64")
}
_WITH_PATH = {"open", "openat", "openat2", "creat", "execve", "execveat"}
_WITH_PARTS = {"readv", "writev", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg"} | {
    *("preadv", "preadv2", "pwritev", "pwritev2", "vmsplice")
}
_WITH_DATA = {"read", "write", "pread64", "pwrite64", "sendto", "recvfrom", "send", "recv", *_WITH_PARTS}


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One system call, from its begin to its end."""

    pid: int
    """the process' (or thread's) number in its host"""
    time: int
    """nanoseconds since 1970, on the clock of Packet.time, when it began; strace knows microseconds"""
    name: str
    """UNKNOWN if the process was killed as it began the call, or of a line that is not understood: its only argument"""
    arguments: tuple[str, ...]
    """as strace(1) writes them; strings with quotes and escapes, and cut off after 200 bytes (`"…"...`)"""
    result: int | None
    """what it returned; None if it did not return, as `exit_group` or one that was killed"""
    error: str = ""
    """`ENOENT`, …; then the result is -1"""
    seconds: float | None = None
    """how long it took"""

    @property
    def descriptor(self) -> int | None:
        """The file descriptor that is its first argument; None if that is something else."""
        if self.name in _WITHOUT_DESCRIPTOR:
            return None
        first = self.arguments[0] if self.arguments else ""
        return int(first) if first.isascii() and first.isdigit() else None

    @property
    def endpoint(self) -> tuple[Address, int] | None:
        """The first internet address and port among its arguments (ip(7), ipv6(7))."""
        for text in _outside_strings(self.arguments):
            found = _IPV4.match(text) or _IPV6.match(text)
            if found is not None:
                return ip_address(found[2]), int(found[1])
        return None

    @property
    def path(self) -> str | None:
        """The first file name among its arguments, or that of the unix socket in an address (unix(7))."""
        for text in _outside_strings(self.arguments):
            found = _UNIX.match(text)
            if found is not None:
                return _content(found[1].lstrip("@")).decode(errors="replace")
        if self.name not in _WITH_PATH:
            return None
        return next((_content(one).decode(errors="replace") for one in self.arguments if one.startswith('"')), None)

    @property
    def data(self) -> bytes | None:
        """What was read or written, at most its first 200 bytes; of several parts (readv(2), sendmsg(2)) the first."""
        if self.name not in _WITH_DATA:
            return None
        before = ""
        for token in _TOKEN.finditer(", ".join(self.arguments[1:])):
            if token[0].startswith('"') and (before.endswith("iov_base=") or self.name not in _WITH_PARTS):
                return _content(token[0])
            before = token[0]
        return None


def calls(text: str) -> tuple[Call, ...]:
    """The calls in what `strace -f -ttt -T --decode-pids=pidns` wrote, in the order of their begin.

    They begin with the program's first execve(2) that worked, or if none did, with the first that was tried. Nothing
    is left out: a line that is not understood is a call named UNKNOWN.
    """
    trace = _Trace()
    for line in text.split("\n"):
        if line:
            trace.take(line)
    trace.end()
    started = [index for index, one in enumerate(trace.found) if one.name == "execve"]
    worked = next((index for index in started if trace.found[index].result == 0), None)
    unknown = next((index for index, one in enumerate(trace.found) if one.name == UNKNOWN), len(trace.found))
    first = min(worked if worked is not None else started[0] if started else unknown, unknown)
    return tuple(_call(one, trace.numbers) for one in trace.found[first:])


@dataclass(kw_only=True, slots=True)
class _Raw:
    """A call whose process is known by its number outside."""

    pid: int
    time: int
    name: str
    arguments: tuple[str, ...] = ()
    result: int | None = None
    error: str = ""
    seconds: float | None = None


def _call(raw: _Raw, numbers: dict[int, int]) -> Call:
    return Call(
        pid=numbers.get(raw.pid, raw.pid),
        time=raw.time,
        name=raw.name,
        arguments=raw.arguments,
        result=raw.result,
        error=raw.error,
        seconds=raw.seconds,
    )


class _Trace:
    """Takes lines, and puts together both parts of the calls that others came between."""

    def __init__(self) -> None:
        self.found: list[_Raw] = []
        self.numbers: dict[int, int] = {}
        """of processes: outside -> in the host"""
        self._waiting: dict[int, tuple[_Raw, str]] = {}
        """by process, the call that it is in, and the text of its begin"""
        self._time = 0

    def take(self, line: str) -> None:
        """One line, without its end."""
        root = _ROOT.fullmatch(line)
        if root is not None:
            self.numbers[int(root["here"])] = int(root["inside"])
            return
        parts = _LINE.fullmatch(line)
        if parts is None:
            self._add(0, UNKNOWN).arguments = (line,)
            return
        pid, rest = int(parts["pid"]), parts["rest"]
        self._time = int(parts["seconds"]) * 1_000_000_000 + int(parts["micro"]) * 1000
        if rest.startswith("+++"):
            self._ended(pid, rest)
        elif not rest.startswith("---"):
            self._called(pid, rest)

    def end(self) -> None:
        """There are no more lines."""
        for pid in list(self._waiting):
            self._never_returned(pid)

    def _add(self, pid: int, name: str) -> _Raw:
        raw = _Raw(pid=pid, time=self._time, name=name)
        self.found.append(raw)
        return raw

    def _ended(self, pid: int, rest: str) -> None:
        self._never_returned(pid)
        superseded = _SUPERSEDED.match(rest)
        if superseded is not None:  # the thread has the number of its process from here on
            call = self._waiting.pop(int(superseded["thread"]), None)
            if call is not None:
                self._waiting[pid] = call

    def _never_returned(self, pid: int) -> None:
        raw, begin = self._waiting.pop(pid, (None, ""))
        if raw is not None:
            raw.arguments = _arguments(begin)[0]

    def _called(self, pid: int, rest: str) -> None:
        resumed = _RESUMED.fullmatch(rest)
        name = _NAME.match(rest)
        if resumed is not None and pid in self._waiting:
            raw, begin = self._waiting.pop(pid)
            rest = begin + resumed["rest"].removeprefix(_UNFINISHED)
        elif name is not None:
            self._never_returned(pid)
            raw = self._add(pid, UNKNOWN if name["name"].startswith(UNKNOWN) else name["name"])
        else:
            self._add(pid, UNKNOWN).arguments = (rest,)
            return
        broken_off = _BROKEN_OFF.search(rest)
        if broken_off is not None:
            self._waiting[pid] = raw, rest[: broken_off.start()]
        elif not _complete(raw, rest, self.numbers):
            raw.name, raw.arguments = UNKNOWN, (rest,)


def _complete(raw: _Raw, text: str, numbers: dict[int, int]) -> bool:
    """Whether it was understood."""
    raw.arguments, tail = _arguments(text)
    result = _RESULT.fullmatch(tail)
    if result is None:
        return False
    raw.result = None if result["value"] == "?" else int(result["value"], 0)
    raw.error = result["error"] or ""
    raw.seconds = float(result["took"]) if result["took"] else None
    child = _TRANSLATED.match(result["rest"])
    if child is not None and raw.result is not None:
        numbers[int(child["here"])] = raw.result
    return True


def _arguments(text: str) -> tuple[tuple[str, ...], str]:
    """The arguments of `name(a, b) = 0`, and what follows from the last parenthesis on."""
    found: list[str] = []
    current = ""
    depth = 0
    for token in _TOKEN.finditer(text, text.index("(") + 1):
        piece = token[0]
        if depth == 0 and piece == ")":
            return _stripped(found, current), text[token.start() :]
        if depth == 0 and piece == ",":
            found.append(current)
            current = ""
            continue
        depth += (piece in "([{") - (piece in ")]}")
        current += piece
    return _stripped(found, current), ""


def _stripped(found: list[str], last: str) -> tuple[str, ...]:
    words = [_TRANSLATED.sub("", one).strip() for one in (*found, last)]
    return tuple(words) if any(words) else ()


def _outside_strings(arguments: tuple[str, ...]) -> Iterator[str]:
    """What begins at each brace that is no part of a string."""
    for argument in arguments:
        for token in _TOKEN.finditer(argument):
            if token[0] == "{":
                yield argument[token.start() :]


def _content(literal: str) -> bytes:
    """The bytes of a string as strace(1) writes it."""
    inner = literal.removesuffix("...")[1:-1]

    def plain(found: re.Match[str]) -> str:
        if found[1]:
            return chr(int(found[1], 8) & 0xFF)
        if found[2]:
            return chr(int(found[2], 16))
        return _LETTERS.get(found[3], found[3])

    return _ESCAPE.sub(plain, inner).encode("latin-1", errors="replace")


# ------------------------------------------------------------------------------------------ sockets

_COPIES = {"dup", "dup2", "dup3"}
_BETWEEN = {"splice": 2, "copy_file_range": 2, "tee": 1, "sendfile": 1}
"""Calls about two descriptors: the first argument, and that one."""
_BIRTHS = {"clone", "clone3", "fork", "vfork"}
_ACCEPTS = {"accept", "accept4"}


@dataclass(frozen=True, kw_only=True, slots=True)
class TracedSocket:
    """A socket from its making on, and every call about it, by whichever descriptor in whichever process."""

    pid: int
    descriptor: int
    """where it was made"""
    family: str
    """`AF_INET`, …; "" if it was accepted"""
    type: str
    """`SOCK_STREAM`, …"""
    calls: tuple[Call, ...]

    def named(self, *names: str) -> tuple[Call, ...]:
        """Those of its calls that have one of the names."""
        return tuple(one for one in self.calls if one.name in names)


@dataclass(kw_only=True, slots=True)
class _Life:
    made: Call
    descriptor: int
    calls: list[Call] = field(default_factory=list)


_Table = dict[int, tuple[_Life, bool]]
"""descriptor -> the socket, and whether execve(2) closes it"""


def sockets(found: tuple[Call, ...]) -> tuple[TracedSocket, ...]:
    """The sockets that were made by socket(2) and accept(2), followed through dup(2), fork(2) and execve(2)."""
    lives: list[_Life] = []
    tables: dict[int, _Table] = {}
    for call in found:
        table = tables.setdefault(call.pid, {})
        for number in _descriptors(call):
            if number in table:
                table[number][0].calls.append(call)
        if call.result is None or call.error:
            continue
        if call.name in {"socket", *_ACCEPTS}:
            life = _Life(made=call, descriptor=call.result, calls=[call])
            lives.append(life)
            table[call.result] = life, any("SOCK_CLOEXEC" in one for one in call.arguments)
        elif call.name in _BIRTHS:
            shares = any("CLONE_FILES" in one for one in call.arguments)
            tables[call.result] = table if shares else dict(table)
        else:
            _change(call, call.result, table)
    return tuple(_traced(life) for life in lives)


def _descriptors(call: Call) -> set[int]:
    if call.name in {"poll", "ppoll"}:
        return {int(one) for one in _POLLED.findall(call.arguments[0] if call.arguments else "")}
    if call.name in {"select", "pselect6"}:
        return {int(one) for text in call.arguments[1:4] for one in _SELECTED.findall(text) if text.startswith("[")}
    if call.name == "close_range":
        return set()
    other = call.arguments[_BETWEEN[call.name] :][:1] if call.name in _BETWEEN else ()
    found = {int(one) for one in other if one.isascii() and one.isdigit()}
    return found if call.descriptor is None else {call.descriptor, *found}


def _change(call: Call, result: int, table: _Table) -> None:
    """What a call that worked makes of its process' descriptors."""
    number = call.descriptor
    command = call.arguments[1] if len(call.arguments) > 1 else ""
    if call.name == "execve":
        for one in [one for one, (_, closes) in table.items() if closes]:
            del table[one]
    elif number is None:
        return
    elif call.name == "close":
        table.pop(number, None)
    elif call.name == "close_range":
        _close_range(call, number, table)
    elif call.name in _COPIES or (call.name == "fcntl" and command.startswith("F_DUPFD")):
        table.pop(result, None)
        if number in table:
            table[result] = table[number][0], "CLOEXEC" in " ".join(call.arguments[1:])
    elif call.name == "fcntl" and command == "F_SETFD" and number in table:
        table[number] = table[number][0], "FD_CLOEXEC" in " ".join(call.arguments[2:])


def _close_range(call: Call, first: int, table: _Table) -> None:
    last, flags = (*call.arguments[1:], "", "")[:2]
    for one in [one for one in table if last.isascii() and last.isdigit() and first <= one <= int(last)]:
        if "CLOEXEC" in flags:
            table[one] = table[one][0], True
        else:
            del table[one]


def _traced(life: _Life) -> TracedSocket:
    is_made = life.made.name == "socket"
    arguments = (*life.made.arguments, "", "")
    return TracedSocket(
        pid=life.made.pid,
        descriptor=life.descriptor,
        family=arguments[0] if is_made else "",
        type=arguments[1].partition("|")[0] if is_made else "",
        calls=tuple(life.calls),
    )
