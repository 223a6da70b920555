"""An agent (images/fabric/agent) from outside: the container that it runs in, and a client of it.

A wiring has one or several agents. What is asked of one is the same for all of them; what a wiring makes of it is its
own module's.
"""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from lab.errors import AgentError, EngineError, InstanceError, LabError
from lab.model import Address, Host
from lab.plan import Container, environment
from lab.scripts import Step
from lab.services import ENVIRONMENT, STATE, Service
from lab.wiring import TURN_SECONDS, CommandResult, Ended, Output, Recorded, Started, Terminal

IMAGE = "socketlab/fabric"
RELAY = ("socat", "-t", "60", "-", "UNIX-CONNECT:/run/agent.sock,retry=500,interval=0.01")
"""Runs beside an agent and joins our stream to its socket.

It waits for the socket by itself: asking the engine for another process costs more than the agent's start.
"""

CAPABILITIES = (
    "NET_ADMIN",  # links, addresses, rules
    "SYS_ADMIN",  # setns(2)
    "SYS_CHROOT",  # setns(2) into a mount namespace
    "SYS_PTRACE",  # the way to another process' namespaces leads through /proc; strace
    "NET_RAW",  # packet sockets, for captures
    "DAC_READ_SEARCH",  # ss -p
    "DAC_OVERRIDE",  # emptying what a program left without permissions
    "CHOWN",
    "FOWNER",
    "KILL",
)


def container(
    name: str,
    *,
    images: Mapping[str, str],
    labels: tuple[tuple[str, str], ...],
    hostname: str,
    networks: tuple[str, ...] = (),
    pid_mode: str = "",
    command: tuple[str, ...] = (),
    capabilities: tuple[str, ...] = CAPABILITIES,
) -> Container:
    """The container of an agent. `images` maps names in lab files to what is created from.

    `command` says what the agent is to be: see images/fabric/agent. `networks` are ids of Docker networks.
    """
    return Container(
        name=name,
        image=images.get(IMAGE, IMAGE),
        labels=labels,
        hostname=hostname,
        capabilities=capabilities,
        command=command,
        tmpfs=(("/run", "rw,nosuid,nodev,noexec,size=1m,mode=700"),),
        dns=("127.0.0.1",),
        dns_search=(".",),
        networks=networks,
        pid_mode=pid_mode,
        is_helper=True,
    )


class Stream(Protocol):
    """A two-way byte stream to the agent."""

    def send(self, data: bytes) -> None:
        """Send all of it. Raises EngineError if the stream broke."""

    def receive(self, *, patient: bool = False) -> bytes:
        """Some bytes; b"" at the end. `patient`: for as long as it takes."""

    def close(self) -> None:
        """Hang up."""


class Agent:
    """A connection to one agent. One request at a time. What it does as `lab.wiring.Wiring` says is described there."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self._lock = threading.Lock()
        """held for a whole request"""
        self._broken_off = False
        self._sending = threading.Lock()
        self._turns = 0
        """how many blocks of `turn` go on, one in the other"""

    # ------------------------------------------------------------------------------ the conversation

    def ask(self, op: str, **values: object) -> Any:
        """The answer to one request. Raises AgentError if it could not be carried out."""
        with self._exchange():
            self._say({"op": op, **values})
            answer = self._hear()
        return self._result(answer)

    @staticmethod
    def ask_all(requests: Iterable[tuple[Agent, str, Mapping[str, object]]]) -> list[Any]:
        """The answers of several agents, each to a request (agent, op, values), which they work on at the same time.

        No agent may be in it twice. Raises the first AgentError, once all have answered.
        """
        with contextlib.ExitStack() as stack:
            asked = []
            for agent, op, values in requests:
                stack.enter_context(agent._exchange())
                agent._say({"op": op, **values})
                asked.append(agent)
            answers = [agent._hear() for agent in asked]
        return [agent._result(answer) for agent, answer in zip(asked, answers, strict=True)]

    @contextlib.contextmanager
    def _exchange(self) -> Iterator[None]:
        """A request and its whole answer.

        Whatever comes in between – an interrupt, a time-out – leaves an answer that nobody has heard, and that would be
        taken for the next request's: then there is no next one.
        """
        with self._lock:
            if self._broken_off:
                raise InstanceError("expected a connection into the instance, but its last request was broken off")
            self._broken_off = True
            yield
            self._broken_off = False

    def _say(self, value: object, *, unless: threading.Event | None = None) -> None:
        """Send a line; `unless` tells, at that moment, that nobody wants it any more."""
        line = json.dumps(value).encode() + b"\n"
        with self._sending:
            if unless is None or not unless.is_set():
                self._stream.send(line)

    def _hear(self, *, patient: bool = False) -> dict[str, Any]:
        while b"\n" not in self._buffer:
            data = self._stream.receive(patient=patient)
            if not data:
                raise InstanceError(
                    "expected an answer of the instance's helper container, but the connection ended",
                    hint="`lab status` shows what of it runs, `lab reset` repairs it",
                )
            self._buffer += data
        line, _, rest = self._buffer.partition(b"\n")
        self._buffer = bytearray(rest)
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError:
            # What the engine says where nothing could be started comes in the place of an answer.
            said = line.decode(errors="replace").strip()[:200]
            raise InstanceError(
                f"expected an answer of the instance's helper container, observed: {said}",
                hint="`lab status` shows what of it runs, `lab reset` repairs it",
            ) from None
        return answer

    @staticmethod
    def _result(answer: dict[str, Any]) -> Any:
        if "error" in answer:
            gone = "has ended" in answer["error"]
            raise AgentError(
                answer["error"], hint="`lab status` shows which hosts run, `lab reset` repairs the lab" if gone else ""
            )
        return answer["ok"]

    def close(self) -> None:
        """See Wiring."""
        self._stream.close()

    # ---------------------------------------------------------------------------------- the network

    def find(self, containers: Mapping[str, str]) -> None:
        """See Wiring."""
        self.ask("find", containers=dict(containers))

    def look(
        self, what: Iterable[str], *, hosts: Iterable[str] | None = None, sysctls: Iterable[str] = ()
    ) -> dict[str, dict[str, Any]]:
        """See Wiring."""
        names = None if hosts is None else list(hosts)
        seen: dict[str, dict[str, Any]] = self.ask("look", what=list(what), hosts=names, sysctls=list(sysctls))
        return seen

    def command(
        self, host: str, argv: tuple[str, ...], *, seconds: float, limit: int = 1 << 20, stdin: bytes = b""
    ) -> CommandResult:
        """See Wiring."""
        given = base64.b64encode(stdin).decode()
        done = self.ask("command", host=host, argv=argv, seconds=seconds, limit=limit, input=given)
        return CommandResult(
            status=done["status"],
            stdout=base64.b64decode(done["stdout"]),
            stderr=base64.b64decode(done["stderr"]),
        )

    # ------------------------------------------------------------------------------------- programs

    def deploy(self, host: str, *, folder: str, files: Mapping[str, bytes]) -> None:
        """See Wiring."""
        content = [[name, base64.b64encode(data).decode(), _mode(data)] for name, data in files.items()]
        self.ask("deploy", host=host, folder=folder, files=content)

    def start(self, host: Host, *, program: str, argv: tuple[str, ...], cwd: str) -> str:
        """See Wiring."""
        name: str = self.ask(
            "start", host=host.name, program=program, argv=argv, environment=environment(host), cwd=cwd
        )
        return name

    def serve(self, host: str, service: Service) -> None:
        """See Wiring."""
        folder = service.cwd.removeprefix("/run/")
        owned = {f"{folder}/{STATE}": 0o700}
        if service.folder:
            owned[service.folder.removeprefix("/run/")] = 0o755
        self.ask(
            "serve",
            host=host,
            service=service.name,
            folder=folder,
            files=[[name, base64.b64encode(text.encode()).decode()] for name, text in service.files],
            owned=owned,
            argv=service.argv,
            environment=ENVIRONMENT,
        )

    def query(self, queries: Iterable[tuple[str, Address, int, bytes]], *, seconds: float) -> tuple[bytes | None, ...]:
        """See Wiring."""
        asked = [[host, str(address), port, base64.b64encode(data).decode()] for host, address, port, data in queries]
        answers = self.ask("query", queries=asked, seconds=seconds)
        return tuple(None if one is None else base64.b64decode(one) for one in answers)

    def run(
        self,
        host: Host,
        *,
        argv: tuple[str, ...],
        cwd: str,
        stdin: Callable[[], bytes | None] | None = None,
        stdout: Callable[[bytes], None],
        stderr: Callable[[bytes], None],
        seconds: float | None = None,
        limit: int | None = None,
        terminal: Terminal | None = None,
        calls: Callable[[bytes], None] | None = None,
    ) -> Ended:
        """See Wiring. `stdin` gives the next piece of input, b"" or None at its end; it may block."""
        sinks = {"stdout": stdout, "stderr": stderr} | ({} if calls is None else {"calls": calls})
        over = threading.Event()
        with self._exchange():
            self._say(
                {
                    "op": "run",
                    "host": host.name,
                    "argv": argv,
                    "environment": environment(host) | ({"TERM": terminal.kind} if terminal else {}),
                    "cwd": cwd,
                    "seconds": seconds,
                    "limit": limit,
                    "terminal": [terminal.lines, terminal.columns] if terminal else None,
                }
                | ({} if calls is None else {"trace": True})
            )
            if stdin is None:
                self._say({"stdin": ""})
            else:
                # Whether more input will come is known only by waiting for it, so a thread of its own waits.
                threading.Thread(target=self._feed, args=(stdin, over), daemon=True).start()
            try:
                while True:
                    answer = self._hear(patient=True)  # a program may say nothing for as long as it likes
                    for name in sinks.keys() & answer.keys():
                        sinks[name](base64.b64decode(answer[name]))
                    if answer.keys() & {"ok", "error"}:
                        break
            finally:
                with self._sending:
                    over.set()  # input that is sent later would be the next program's
        done = self._result(answer)
        return Ended(status=done["status"], reason=done["reason"])

    def resize(self, terminal: Terminal) -> None:
        """See Wiring."""
        self._say({"size": [terminal.lines, terminal.columns]})

    def _feed(self, stdin: Callable[[], bytes | None], over: threading.Event) -> None:
        """Pass input on until its end, or until the program is over: what comes later is nobody's."""
        while True:
            piece = stdin()
            try:
                self._say({"stdin": base64.b64encode(piece or b"").decode()}, unless=over)
            except EngineError:
                return  # whoever waits for the answer hears of it too
            if not piece or over.is_set():
                return

    def started(self) -> tuple[Started, ...]:
        """See Wiring."""
        return tuple(Started(**item) for item in self.ask("programs"))

    def output(self, host: str, program: str) -> Output:
        """See Wiring."""
        found = self.ask("output", host=host, program=program)
        return Output(text=base64.b64decode(found["output"]), dropped=found["dropped"], end=found["end"])

    def stop(self, host: str, program: str) -> None:
        """See Wiring."""
        self.ask("stop", host=host, program=program)

    # ----------------------------------------------------------------------------------- recordings

    def events(self, gateway: str) -> int:
        """See Wiring."""
        return int(self.ask("events", host=gateway))

    def recorded(self, recording: int, *, at: int, drain: bool = False) -> Recorded:
        """See Wiring."""
        found = self.ask("recorded", recording=recording, at=at, drain=drain)
        return Recorded(
            data=base64.b64decode(found["data"]),
            end=found["end"],
            lost=found["lost"],
            overrun=found.get("overrun", False),
            complete=found.get("complete", 0),
            interfaces=tuple((index, name) for index, name in found.get("interfaces", ())),
        )

    def stop_recording(self, recording: int) -> None:
        """See Wiring."""
        self.ask("stop_recording", recording=recording)

    def forget_recording(self, recording: int) -> None:
        """See Wiring."""
        self.ask("forget_recording", recording=recording)

    @contextlib.contextmanager
    def turn(self, *, seconds: float = TURN_SECONDS) -> Iterator[None]:
        """See Wiring."""
        if not self._turns:
            self.ask("take_turn", seconds=seconds)
        self._turns += 1
        try:
            yield
        finally:
            self._turns -= 1
            if not self._turns:
                with contextlib.suppress(LabError):  # without a connection the turn has ended too
                    self.ask("end_turn")

    def seal(self, value: object) -> None:
        """See Wiring."""
        self.ask("seal", value=value)

    def sealed(self) -> Any:
        """See Wiring."""
        return self.ask("sealed")

    def living(self) -> frozenset[str]:
        """See Wiring."""
        return frozenset(self.ask("living"))

    def is_sealed(self) -> bool:
        """See Wiring."""
        return bool(self.ask("is_sealed"))


def as_sent(step: Step) -> tuple[str, str | dict[str, str]]:
    """A step as an agent takes it."""
    return (step.kind, step.sysctls() if step.kind == "sysctl" else step.text)


def _mode(content: bytes) -> int:
    return 0o755 if content.startswith((b"#!", b"\x7fELF")) else 0o644
