"""The fabric: one trusted helper container holds all of an instance's segments and looks into its hosts.

Two parts: pure text (`helper`, `links`), and `Fabric`, a client of the helper's agent (images/fabric/agent).
The helper has no network of its own and sees the machine's processes, so that it can enter the hosts' network
namespaces; the machine has no device on any segment, so nothing of it can be reached from a lab.
"""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from lab.errors import AgentError, EngineError, InstanceError, LabError, NotUpError
from lab.model import Address, Host, Lab
from lab.plan import LABEL_DESCRIPTION, LABEL_HOSTS, LABEL_WIRING, Container, Plan, container_name, environment, labels
from lab.scripts import Step, before, steps
from lab.services import ENVIRONMENT, STATE, Service
from lab.wiring import (
    TURN_SECONDS,
    CapturePoint,
    CommandResult,
    Ended,
    Output,
    Recorded,
    Started,
    Terminal,
    impairments,
)

NAME = "fabric"
IMAGE = "socketlab/fabric"
RELAY = ("socat", "-t", "60", "-", "UNIX-CONNECT:/run/agent.sock,retry=500,interval=0.01")
"""Runs in the helper and joins our stream to the agent's socket.

It waits for the socket by itself: asking the engine for another process costs more than the agent's start.
"""


TC = "tc -batch -"
"""How the agent names tc(8) when it tells of its failure."""
NFT = "nft -f -"
"""How it names nft(8); of a failure in a host the host's name stands before it."""
INGRESS = "NF_TABLES_NETDEV and NETFILTER_INGRESS"
"""The kernel's options for rules where packets come in at a port."""

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


def helper(plan: Plan, *, images: Mapping[str, str], description: str) -> Container:
    """The helper container. It carries the lab's description, and its name is the instance's lock."""
    return Container(
        name=container_name(plan.instance),
        image=images.get(IMAGE, IMAGE),
        labels=(
            *labels(plan.lab, plan.instance, "fabric"),
            (LABEL_WIRING, NAME),
            (LABEL_HOSTS, str(len(plan.lab.hosts))),
            (LABEL_DESCRIPTION, description),
        ),
        hostname="fabric",
        capabilities=CAPABILITIES,
        tmpfs=(("/run", "rw,nosuid,nodev,noexec,size=1m,mode=700"),),
        dns=("127.0.0.1",),
        dns_search=(".",),
        sees_machine=True,
    )


def links(lab: Lab) -> tuple[str, ...]:
    """Lines for ip(8) that make a bridge per network and a veth pair per interface.

    `{pid:NAME}` stands for the process whose network namespace gets the far end. Hardware addresses are
    locally administered (IEEE 802c) and count hosts and interfaces, so that captures of two runs compare.
    """
    bridges = _bridges(lab)
    lines = []
    for network, bridge in bridges.items():
        # Short names may read as keywords of ip(8), hence `dev` everywhere; the alias tells a reader.
        lines += [
            f"link add dev {bridge} type bridge mcast_snooping 0",
            f"link set dev {bridge} alias {network} up",
        ]
    for number, host in enumerate(lab.hosts):
        for index, interface in enumerate(host.interfaces):
            lines.append(
                f"link add dev {impairments.port(number, index)} master {bridges[interface.network]} up type veth "
                f"peer name {interface.name} address {mac(number, index)} netns {{pid:{host.name}}}"
            )
    return tuple(lines)


def _bridges(lab: Lab) -> dict[str, str]:
    return {network.name: impairments.bridge(index) for index, network in enumerate(lab.networks)}


def known(lab: Lab) -> Step:
    """Lines for bridge(8): behind each port is the interface that is there, and nothing else.

    Every hardware address is known before. A bridge that learned them would believe whoever sends in another's name,
    and keep what it learned after a reset; one that floods would give to all what is for nobody.
    """
    lines: list[str] = []
    for number, host in enumerate(lab.hosts):
        for index in range(len(host.interfaces)):
            port = impairments.port(number, index)
            lines += [
                f"link set dev {port} learning off flood off",
                f"fdb replace {mac(number, index)} dev {port} master static",
            ]
    return Step(kind="bridge", lines=tuple(lines))


def segment_steps(lab: Lab) -> tuple[Step, ...]:
    """What is carried out once the links are there, beside them."""
    return (known(lab), *impairments.steps(lab))


def mac(host: int, interface: int) -> str:
    """The hardware address of the host-th host's interface-th interface, both from 0."""
    return f"02:00:00:{(host + 1) >> 8:02x}:{(host + 1) & 0xFF:02x}:{interface:02x}"


class Stream(Protocol):
    """A two-way byte stream to the agent."""

    def send(self, data: bytes) -> None:
        """Send all of it. Raises EngineError if the stream broke."""

    def receive(self, *, patient: bool = False) -> bytes:
        """Some bytes; b"" at the end. `patient`: for as long as it takes."""

    def close(self) -> None:
        """Hang up."""


class Fabric:
    """A connection to one instance's agent. One request at a time; satisfies `lab.wiring.Wiring`."""

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

    def _ask(self, op: str, **values: object) -> Any:
        with self._exchange():
            self._say({"op": op, **values})
            answer = self._hear()
        return self._result(answer)

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
                    hint="`lab down` removes what is left of the instance",
                )
            self._buffer += data
        line, _, rest = self._buffer.partition(b"\n")
        self._buffer = bytearray(rest)
        answer: dict[str, Any] = json.loads(line)
        return answer

    @staticmethod
    def _result(answer: dict[str, Any]) -> Any:
        if "error" in answer:
            gone = "has ended" in answer["error"]
            raise AgentError(answer["error"], hint="`lab status` shows which hosts run" if gone else "")
        return answer["ok"]

    def close(self) -> None:
        """See Wiring."""
        self._stream.close()

    # ---------------------------------------------------------------------------------- the network

    def find(self, containers: Mapping[str, str]) -> None:
        """See Wiring."""
        self._ask("find", containers=dict(containers))

    def wire(self, plan: Plan) -> str:
        """See Wiring."""
        lab = plan.lab
        try:
            refused: str = self._ask(
                "wire",
                before={host.name: before(host).sysctls() for host in lab.hosts},
                links="".join(f"{line}\n" for line in links(lab)),
                segments=[_step(step) for step in segment_steps(lab)],
                rules_needed=impairments.rules_needed(lab),
                hosts={
                    host.name: [_step(step) for step in (impairments.features(host), *steps(host))]
                    for host in lab.hosts
                },
            )
        except AgentError as error:
            delayed = impairments.queues(lab)
            if delayed and TC in error.message:
                raise _no_netem(delayed, error.message) from error
            if error.message.startswith(NFT):
                raise _no_ingress(lab, error.message) from error
            raise
        return first_error(refused)

    def look(
        self, what: Iterable[str], *, hosts: Iterable[str] | None = None, sysctls: Iterable[str] = ()
    ) -> dict[str, dict[str, Any]]:
        """See Wiring."""
        names = None if hosts is None else list(hosts)
        seen: dict[str, dict[str, Any]] = self._ask("look", what=list(what), hosts=names, sysctls=list(sysctls))
        return seen

    def clean(self, lab: Lab, hosts: Iterable[str]) -> None:
        """See Wiring."""
        names = list(hosts)
        gateways = [name for name in names if lab.host(name).nat is not None]
        # What is on the segments is all hosts' together.
        whole = {host.name for host in lab.hosts} <= set(names)
        queues = [_step(step) for step in impairments.emptied(lab).values()] if whole else []
        self._ask("clean", hosts=names, gateways=gateways, queues=queues, counters=whole)

    def segments(self) -> dict[str, str]:
        """See Wiring."""
        found: dict[str, str] = self._ask("segments")
        return found

    def command(
        self, host: str, argv: tuple[str, ...], *, seconds: float, limit: int = 1 << 20, stdin: bytes = b""
    ) -> CommandResult:
        """See Wiring."""
        given = base64.b64encode(stdin).decode()
        done = self._ask("command", host=host, argv=argv, seconds=seconds, limit=limit, input=given)
        return CommandResult(
            status=done["status"],
            stdout=base64.b64decode(done["stdout"]),
            stderr=base64.b64decode(done["stderr"]),
        )

    # ------------------------------------------------------------------------------------- programs

    def deploy(self, host: str, *, folder: str, files: Mapping[str, bytes]) -> None:
        """See Wiring."""
        content = [[name, base64.b64encode(data).decode(), _mode(data)] for name, data in files.items()]
        self._ask("deploy", host=host, folder=folder, files=content)

    def start(self, host: Host, *, program: str, argv: tuple[str, ...], cwd: str) -> str:
        """See Wiring."""
        name: str = self._ask(
            "start", host=host.name, program=program, argv=argv, environment=environment(host), cwd=cwd
        )
        return name

    def serve(self, host: str, service: Service) -> None:
        """See Wiring."""
        folder = service.cwd.removeprefix("/run/")
        owned = {f"{folder}/{STATE}": 0o700}
        if service.folder:
            owned[service.folder.removeprefix("/run/")] = 0o755
        self._ask(
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
        answers = self._ask("query", queries=asked, seconds=seconds)
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
        return tuple(Started(**item) for item in self._ask("programs"))

    def output(self, host: str, program: str) -> Output:
        """See Wiring."""
        found = self._ask("output", host=host, program=program)
        return Output(text=base64.b64decode(found["output"]), dropped=found["dropped"], end=found["end"])

    def stop(self, host: str, program: str) -> None:
        """See Wiring."""
        self._ask("stop", host=host, program=program)

    # ----------------------------------------------------------------------------------- recordings

    def capture(self, lab: Lab, points: Iterable[CapturePoint], *, limit: int) -> int:
        """See Wiring."""
        bridges = _bridges(lab)
        places = [{"bridge": bridges[one.name]} if one.is_network else {"host": one.name} for one in points]
        return int(self._ask("capture", points=places, limit=limit))

    def events(self, gateway: str) -> int:
        """See Wiring."""
        return int(self._ask("events", host=gateway))

    def recorded(self, recording: int, *, at: int, drain: bool = False) -> Recorded:
        """See Wiring."""
        found = self._ask("recorded", recording=recording, at=at, drain=drain)
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
        self._ask("stop_recording", recording=recording)

    def forget_recording(self, recording: int) -> None:
        """See Wiring."""
        self._ask("forget_recording", recording=recording)

    @contextlib.contextmanager
    def turn(self, *, seconds: float = TURN_SECONDS) -> Iterator[None]:
        """See Wiring."""
        if not self._turns:
            self._ask("take_turn", seconds=seconds)
        self._turns += 1
        try:
            yield
        finally:
            self._turns -= 1
            if not self._turns:
                with contextlib.suppress(LabError):  # without a connection the turn has ended too
                    self._ask("end_turn")

    def seal(self, value: object) -> None:
        """See Wiring."""
        self._ask("seal", value=value)

    def sealed(self) -> Any:
        """See Wiring."""
        return self._ask("sealed")

    def living(self) -> frozenset[str]:
        """See Wiring."""
        return frozenset(self._ask("living"))

    def is_sealed(self) -> bool:
        """See Wiring."""
        return bool(self._ask("is_sealed"))


def _step(step: Step) -> tuple[str, str | dict[str, str]]:
    return (step.kind, step.sysctls() if step.kind == "sysctl" else step.text)


def _no_netem(networks: Iterable[str], said: str) -> NotUpError:
    keys = ", ".join(f"networks.{network}.x-lab.delay" for network in networks)
    last = said.split(f"{TC}: ", 1)[-1].splitlines()[0]
    return NotUpError(
        f"{keys}: expected a kernel that delays packets with tc-netem(8), its module sch_netem, observed: {last}",
        hint="load it on the machine with `modprobe sch_netem` (Ubuntu has it in a package linux-modules-extra-…), "
        "or leave out `delay` and `reorder`; `loss` needs neither",
    )


def _no_ingress(lab: Lab, said: str) -> NotUpError:
    keys = ", ".join(f"networks.{one.name}.x-lab.loss" for one in lab.networks if one.impairments.loss)
    return NotUpError(
        f"{keys}: expected a kernel that loses packets at the ports of a bridge by nft(8), its options {INGRESS} and "
        f"NFT_NUMGEN, observed: {first_error(said)}",
        hint="use a kernel that has them (zgrep NETFILTER_INGRESS /proc/config.gz), load the module nft_numgen with "
        "`modprobe nft_numgen`, or leave out `loss`: packets are then only not counted",
    )


def first_error(said: str) -> str:
    """The first complaint of nft(8), without where in its input it is about and without what follows."""
    lines = said.splitlines()
    found = next((line for line in lines if "Error:" in line), lines[0] if lines else "")
    return found[max(0, found.find("Error:")) :]


def _mode(content: bytes) -> int:
    return 0o755 if content.startswith((b"#!", b"\x7fELF")) else 0o644
