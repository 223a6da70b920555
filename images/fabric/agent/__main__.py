"""The agent of an instance: answers requests over a unix socket, one JSON value per line.

Without an argument it is all hosts' agent: it sees the machine's processes, and has a network of its own, which holds
the segments. With the argument `beside` it is one host's: among its processes, and
with a part of each segment that the host is on. With `keep` it is no host's, and keeps what belongs to the instance.

A request is {"op": NAME, ...}; the answer is {"ok": ...} or {"error": TEXT}. While a foreground program runs,
its output comes as {"stdout": BASE64} and {"stderr": BASE64} before the answer; {"stdin": BASE64} and
{"size": [lines, columns]} may be sent. What the agent knows is gone when it ends; the labels of the containers are
the truth about an instance.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import commands
import files
import programs
import recorder
from follower import Events
from namespaces import AgentError, Place, find, processes_of
from network import Network
from recordings import Recordings
from unread import Unread

SOCKET = "/run/agent.sock"
MOST_BYTES = 64 * 1024 * 1024
"""A longer line than this is not a request of ours."""

Request = dict[str, Any]


class Agent:
    """What is known of the instance, and the operations on it. Methods named `do_<op>` answer requests."""

    def __init__(self, *, beside: bool = False) -> None:
        self.beside = beside
        self.network = Network()
        self.places: dict[str, Place] = {}
        self.programs: dict[tuple[str, str], programs.Running] = {}
        self.recordings = Recordings()
        self.clock = recorder.keep_clock_running()
        self.seal: Any = None
        self.lock = threading.Lock()
        self.turn = threading.Lock()
        """held by the one client that changes the instance in several steps"""

    def some(self, names: list[str] | None) -> dict[str, Place]:
        """The places of the hosts asked for; all of them for None. Raises AgentError naming those that ended."""
        wanted = self.places if names is None else names
        gone = [name for name in wanted if name not in self.places or not self.places[name].lives]
        if gone:
            raise AgentError(f"expected {', '.join(gone)} to run, but the container has ended")
        return {name: self.places[name] for name in wanted}

    def place(self, name: str) -> Place:
        """One host's place. Raises AgentError if it has ended."""
        return self.some([name])[name]

    def runs(self, host: str, program: str) -> bool:
        """Whether a program that was started has not ended."""
        running = self.programs.get((host, program))
        return running is not None and not running.end

    def do_find(self, request: Request) -> Any:
        """Find the hosts' processes: {containers: {name: id}}."""
        found = find(request["containers"])
        with self.lock:
            for name, place in found.items():
                if name in self.places:
                    self.places[name].close()
                self.places[name] = place
        return {name: place.pid for name, place in found.items()}

    def do_wire(self, request: Request) -> Any:
        """Make links, addresses, routes, rules and sysctls: see Network.wire."""
        given = {key: request[key] for key in ("before", "joints", "links", "segments", "rules_needed", "hosts")}
        return self.network.wire(self.places, **given)

    def do_segments(self, request: Request) -> Any:
        """Look at the segments: {rules, queues, refused}."""
        del request
        return self.network.segments()

    def do_own_addresses(self, request: Request) -> Any:
        """The addresses of this container's own interfaces, as `ip -j addr show` tells them."""
        del request
        return self.network.own_addresses()

    def do_look(self, request: Request) -> Any:
        """Look into hosts: {hosts, what, sysctls} -> {host: {what: text}}."""
        places, what = self.some(request.get("hosts")), request["what"]
        seen: dict[str, dict[str, Any]] = {}
        own = self.recordings.inodes()
        running = processes_of(self.places) if "processes" in what else None
        quiet = running is not None and not any(running.values())
        seen.update(self.network.look(places, what, request.get("sysctls", []), own, quiet=quiet))
        if running is not None:
            for name in places:
                seen[name]["processes"] = running[name]
        if "files" in what:
            for name, place in places.items():
                seen[name]["files"] = files.listing(place) + files.fixed_files(place)
        return seen

    def do_deploy(self, request: Request) -> Any:
        """Put files into a program's folder: {host, folder, files: [[name, base64, mode]]}."""
        content = [(name, base64.b64decode(data), mode) for name, data, mode in request["files"]]
        files.deploy(self.place(request["host"]), request["folder"], content)

    def do_start(self, request: Request) -> Any:
        """Start a program that stays: {host, program, argv, environment, cwd} -> its name.

        That is the one that is asked for, or the first free `program-N` if one of that name runs.
        """
        place = self.place(request["host"])
        with self.lock:
            name = next(one for one in _numbered(request["program"]) if not self.runs(place.name, one))
            started = programs.start(place, name, request["argv"], request["environment"], request["cwd"])
            self.programs[place.name, name] = started
        return name

    def do_serve(self, request: Request) -> Any:
        """Start a trusted daemon, after the one of that name was ended.

        {host, service, folder, files: [[name, base64]], owned: {folder: mode}, argv, environment}
        """
        place, name = self.place(request["host"]), request["service"]
        if (place.name, name) in self.programs:
            self.programs[place.name, name].stop()
        content = [(file, base64.b64decode(data)) for file, data in request["files"]]
        files.provide(place, request["folder"], content, request["owned"])
        cwd, environment = f"/run/{request['folder']}", request["environment"]
        started = programs.start(place, name, request["argv"], environment, cwd, trusted=True)
        self.programs[place.name, name] = started
        return {"pid": started.pid}

    def do_query(self, request: Request) -> Any:
        """Send datagrams from hosts: {queries: [[host, address, port, base64]], seconds} -> answers, or null each."""
        return self.network.query(
            [(self.place(host), to, port, base64.b64decode(data)) for host, to, port, data in request["queries"]],
            request["seconds"],
        )

    def do_programs(self, request: Request) -> Any:
        """What was started to stay: [{host, program, pid, end}]."""
        del request
        return [
            {"host": host, "program": name, "pid": running.pid, "end": running.end}
            for (host, name), running in self.programs.items()
        ]

    def do_output(self, request: Request) -> Any:
        """The end of a program's output: {host, program} -> {output: base64, dropped: bytes, end}."""
        running = self.programs.get((request["host"], request["program"]))
        if running is None:
            raise AgentError(f"{request['host']}: no program {request['program']} was started")
        data = base64.b64encode(bytes(running.output)).decode()
        return {"output": data, "dropped": running.dropped, "end": running.end}

    def do_stop(self, request: Request) -> Any:
        """End a program: {host, program}."""
        self.place(request["host"])
        self.programs[request["host"], request["program"]].stop()

    def do_clean(self, request: Request) -> Any:
        """End all programs of hosts, empty what they could write and what traffic has filled.

        {hosts, gateways, queues, counters, rounds}: see Network.forget; `counters` says whether those start anew.
        Whose hosts have several agents gives the rounds one after the other: `end`, then `forget`.
        """
        places, rounds = self.some(request.get("hosts")), request.get("rounds", ("end", "forget"))
        if "end" in rounds:
            list(self.network.threads.map(self.end_all, places.values()))
            self.network.close_sockets(places, request["queues"])
        if "forget" not in rounds:
            return
        self.network.forget(places, request["gateways"])
        list(self.network.threads.map(files.wipe, places.values()))
        if request["counters"]:
            self.network.count_anew()
        for host, name in [key for key in self.programs if key[0] in places]:
            del self.programs[host, name]

    def end_all(self, place: Place) -> None:
        """End every process of a host but its first, and us."""
        programs.end_all(place) if self.beside else programs.kill_all(place)

    def do_seal(self, request: Request) -> Any:
        """Keep a value (the fingerprints taken at up) for as long as the instance lives."""
        self.seal = request["value"]

    def do_sealed(self, request: Request) -> Any:
        """The value kept by `seal`, None before."""
        del request
        return self.seal

    def do_living(self, request: Request) -> Any:
        """The names of the hosts whose first process is the one that was wired."""
        del request
        return [name for name, place in self.places.items() if place.lives]

    def do_is_sealed(self, request: Request) -> Any:
        """Whether a value was kept by `seal`."""
        del request
        return self.seal is not None

    def do_command(self, request: Request) -> Any:
        """Run a trusted command in a host: {host, argv, seconds, limit, input}. See commands.py."""
        done = commands.run(
            self.place(request["host"]),
            request["argv"],
            stdin=base64.b64decode(request["input"]),
            seconds=request["seconds"],
            limit=request["limit"],
        )
        out, err = (base64.b64encode(data).decode() for data in (done.stdout, done.stderr))
        return {"status": done.status, "stdout": out, "stderr": err}

    def do_capture(self, request: Request) -> Any:
        """Record frames: {points: [{host} or {bridge, sent}], of, limit} -> its number. Nothing later is missed.

        `sent` says of a bridge that what came from other parts of its segment is not wanted; `of`, how many points the
        recording has at all agents.
        """
        points = [
            recorder.Point(namespace=self.place(one["host"]).net)
            if "host" in one
            else recorder.Point(namespace=self.network.own, device=one["bridge"], sent=one.get("sent", False))
            for one in request["points"]
        ]
        size = recorder.buffer_size(request.get("of", len(points)))
        sockets = list(self.network.threads.map(lambda point: recorder.open_socket(point, size), points))
        segments = frozenset(index for index, point in enumerate(points) if point.device)
        recording = recorder.Recording(sockets=sockets, unread=Unread(request["limit"]), segments=segments)
        number = self.recordings.add(recording)
        recording.start()
        return number

    def do_events(self, request: Request) -> Any:
        """Record the events of a gateway's connection tracking: {host} -> its number."""
        namespace = self.place(request["host"]).net
        return self.recordings.add(self.network.threads.submit(Events.start, namespace).result())

    def do_recorded(self, request: Request) -> Any:
        """A piece of a recording: {recording, at, drain} -> {data: base64, ...}. See recordings.py."""
        data, state = self.recordings.read(request["recording"], request["at"], drain=request["drain"])
        return {"data": base64.b64encode(data).decode(), **state}

    def do_stop_recording(self, request: Request) -> Any:
        """Record nothing more; what was recorded can still be read: {recording}."""
        self.recordings.get(request["recording"]).stop()

    def do_forget_recording(self, request: Request) -> Any:
        """Let go of a recording: {recording}."""
        self.recordings.forget(request["recording"])


class Connection:
    """One client: a line is a request."""

    def __init__(self, agent: Agent, stream: socket.socket) -> None:
        self.agent = agent
        self.stream = stream
        self.buffer = bytearray()
        self.pending: list[bytes] = []
        """lines that came together with the one being served"""
        self.has_turn = False
        self.recordings: list[int] = []
        """those that this client began; they end with the connection at last"""

    def fileno(self) -> int:
        """See programs.Client."""
        return self.stream.fileno()

    def lines(self) -> list[bytes] | None:
        """The lines of one more read; None at the end."""
        data = self.stream.recv(1 << 20)
        if not data or len(self.buffer) > MOST_BYTES:
            return None
        self.buffer += data
        *whole, rest = bytes(self.buffer).split(b"\n") if b"\n" in data else [bytes(self.buffer)]
        self.buffer = bytearray(rest)
        return whole

    def receive(self) -> list[bytes | programs.Size] | None:
        """See programs.Client."""
        lines = self.lines()
        return None if lines is None else _input(lines)

    def send(self, stream: str, data: bytes) -> None:
        """See programs.Client."""
        self.answer({stream: base64.b64encode(data).decode()})

    def answer(self, value: object) -> None:
        """Send one line."""
        self.stream.sendall(json.dumps(value).encode() + b"\n")

    def serve(self) -> None:
        """Until the client goes."""
        try:
            self.converse()
        finally:
            if self.has_turn:
                self.agent.turn.release()
            for number in self.recordings:
                self.agent.recordings.forget(number)

    def converse(self) -> None:
        """Requests and answers."""
        with self.stream:
            while (lines := self.lines()) is not None:
                self.pending += lines
                while self.pending:
                    request = json.loads(self.pending.pop(0))
                    if "op" not in request:
                        continue  # input that came after its program had ended
                    try:
                        self.answer(self.handle(request))
                    except OSError:
                        return

    def handle(self, request: Request) -> object:
        """Carry out one request; a failure is an answer too."""
        try:
            if request["op"] in ("run", "take_turn", "end_turn"):
                return {"ok": getattr(self, request["op"])(request)}
            done = getattr(self.agent, f"do_{request['op']}")(request)
            if request["op"] in ("capture", "events"):
                self.recordings.append(done)
            return {"ok": done}
        except AgentError as error:
            return {"error": str(error)}
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error} (in request {request.get('op')!r})"}

    def run(self, request: Request) -> object:
        """Run a program in the foreground: {host, argv, environment, cwd, seconds, limit, terminal, trace}."""
        early, self.pending = _input(self.pending), []
        status, reason = programs.run(
            self.agent.place(request["host"]),
            request["argv"],
            request["environment"],
            request["cwd"],
            client=self,
            early=early,
            seconds=request.get("seconds"),
            limit=request.get("limit"),
            terminal=tuple(request["terminal"]) if request.get("terminal") else None,
            traced=request.get("trace", False),
        )
        return {"status": status, "reason": reason}

    def take_turn(self, request: Request) -> None:
        """Wait until no other client changes the instance: {seconds}. The turn ends with the connection at last."""
        if not self.agent.turn.acquire(timeout=request["seconds"]):
            raise AgentError(f"another command has been changing the instance for {request['seconds']:g} s")
        self.has_turn = True

    def end_turn(self, request: Request) -> None:
        """Let the next one. Nothing for who has none: the lock may be another's."""
        del request
        if self.has_turn:
            self.has_turn = False
            self.agent.turn.release()


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}-{number}" for number in itertools.count(2))


def _input(lines: list[bytes]) -> list[bytes | programs.Size]:
    """{"stdin": BASE64} or {"size": [lines, columns]}."""
    values = [json.loads(line) for line in lines]
    return [tuple(one["size"]) if "size" in one else base64.b64decode(one["stdin"]) for one in values]


def main() -> None:
    """Serve for ever."""
    beside, keeps = "beside" in sys.argv[1:], "keep" in sys.argv[1:]
    agent = Agent(beside=beside)
    if not keeps:
        agent.network.threads.submit(agent.network.prepare, apart=beside).result()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(SOCKET)
    os.chmod(SOCKET, 0o600)
    listener.listen(64)
    while True:
        try:
            stream, _ = listener.accept()
        except OSError:  # no more open files are allowed: whoever called waits until others have gone
            time.sleep(0.05)
            continue
        threading.Thread(target=Connection(agent, stream).serve, daemon=True).start()


if __name__ == "__main__":
    main()
