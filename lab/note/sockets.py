"""Sockets and the client-server model: what the note says under "What is a Socket, Really?" and its example."""

from __future__ import annotations

from lab.note.claim import claim
from lab.note.ports import LEFT
from lab.observe import State
from lab.observe.syscalls import Call, sockets
from lab.stage import Stage, text_of, traced_whole

LIFE = {"socket", "bind", "listen", "accept", "accept4", "connect", "sendto", "recvfrom", "close"}
LOCALHOST = "HOST = '127.0.0.1'"
"""The line of the note's server and client that says where they meet."""


@claim(
    id="lifecycle",
    says="These functions allow you to: … Create a socket … Bind a socket … Listen (for servers) … Connect (for "
    "clients) … Accept (for servers) … Send data … Receive data … Close a socket",
    lab="ports",
    source="socket(2), bind(2), listen(2), accept(2), connect(2), send(2), recv(2), close(2)",
)
def lifecycle(stage: Stage) -> None:
    """The note's own server and client run word for word on one host; their system calls are traced from outside, and
    those on sockets are listed. The numbers are file descriptors: which socket a call is about. accept4(), sendto() and
    recvfrom() are what Linux has for accept(), send() and recv()."""
    traced = stage.trace_server("server", "server.py", at="tcp/127.0.0.1:65432")
    client = socket_calls(stage.trace("server", "client.py"))
    server = socket_calls(traced_whole("server.py", traced.result()))
    for program, calls in (("server.py", server), ("client.py", client)):
        for one in calls:
            stage.row(program=program, call=one.name, on_socket=one.descriptor or "", with_or_result=_given(one))
    asked = ["socket", "connect", "sendto", "recvfrom", "close"]
    stage.expect("the client's calls", [one.name for one in client], asked)
    # The last recvfrom gives nothing: the client has closed. Of the two sockets the connection's is closed first.
    served = ["socket", "bind", "listen", "accept4", "recvfrom", "sendto", "recvfrom", "close", "close"]
    stage.expect("the server's calls", [one.name for one in server], served)
    made = [one.result for one in server if one.name in ("socket", "accept4")]
    used = [one.descriptor for one in server if one.name in ("recvfrom", "sendto")]
    stage.expect("the socket that the server uses for the client is the one of accept()", set(used), set(made[1:]))


def socket_calls(calls: tuple[Call, ...]) -> list[Call]:
    """The calls of a program on its internet sockets, in order; getsockname(2) and the like left out."""
    internet = [one for one in sockets(calls) if one.family in ("AF_INET", "AF_INET6", "")]
    found = {call for one in internet for call in one.calls if call.name in LIFE}  # accept(2) is about two sockets
    return sorted(found, key=lambda call: call.time)


def _given(one: Call) -> str:
    if one.name in ("socket", "accept", "accept4"):
        return f"socket {one.result}"
    if one.endpoint is not None:
        return text_of(one.endpoint)
    return f"{one.result} bytes" if one.name in ("sendto", "recvfrom") else one.error or "done"


@claim(
    id="accept",
    says="Accept an incoming connection request from a client, creating a new socket for that specific connection. "
    "This is crucial; the original listening socket remains open to accept further connections.",
    lab="ports",
    source="accept(2); RFC 9293 §3.4.1 (a connection is defined by a pair of sockets)",
    care="The new socket has the same local port as the listening one, not a port of its own: what differs is the "
    "other end.",
)
def accept(stage: Stage) -> None:
    """Three clients connect and stay; then the server's sockets are listed, seen from outside."""
    stage.whoami("server", "tcp", LEFT, 8000)
    for _ in range(3):
        stage.hold("ann", "tcp", LEFT, 8000)
    found = stage.until(
        "three connections of the server",
        lambda: stage.on_port("server", 8000, State.LISTEN, State.ESTAB),
        lambda rows: sum(row.state is State.ESTAB for row in rows) == 3,
    )
    for row in sorted(found, key=lambda row: row.remote.port):
        stage.row(state=row.state, local=row.local, remote=row.remote if row.state is State.ESTAB else "")
    stage.expect("listening sockets that are left", sum(row.state is State.LISTEN for row in found), 1)
    connected = [row for row in found if row.state is State.ESTAB]
    stage.expect("local ends of the connections", {str(row.local) for row in connected}, {f"{LEFT}:8000"})
    stage.expect("different remote ends", len({str(row.remote) for row in connected}), 3)


@claim(
    id="connection",
    says="Every network connection is composed of two sockets: … Local Socket: The socket on the initiating side "
    '(often the "client"). … Remote Socket: The socket on the receiving side (often the "server").',
    lab="ports",
    source="RFC 9293 §3.4.1, §4 (Glossary: connection)",
    care="Which of them is local depends on where one stands: each end calls its own socket local.",
)
def connection(stage: Stage) -> None:
    """A client connects and stays; its socket and the server's are listed, each by its own host."""
    stage.whoami("server", "tcp", LEFT, 8000)
    _, answer = stage.hold("ann", "tcp", LEFT, 8000)
    ends = {
        "ann": [one for one in stage.sockets("ann") if one.state is State.ESTAB],
        "server": list(stage.on_port("server", 8000, State.ESTAB)),
    }
    for host, held in ends.items():
        for one in held:
            stage.row(host=host, local=one.local, remote=one.remote, state=one.state)
    pairs = {host: [(str(one.local), str(one.remote)) for one in sockets] for host, sockets in ends.items()}
    stage.expect("the client's pair", pairs["ann"], [(answer.own, f"{LEFT}:8000")])
    stage.expect("the server's pair, the other way round", [pair[::-1] for pair in pairs["server"]], pairs["ann"])


@claim(
    id="many-clients",
    says="A server can handle multiple clients simultaneously by accepting multiple connections. Each connection "
    "gets its own socket.",
    lab="ports",
    source="accept(2), listen(2)",
    care="It can, if it is written so. The note's own server, word for word, serves one client and ends: it calls "
    "accept() once and closes its listening socket.",
)
def many_clients(stage: Stage) -> None:
    """Twenty clients connect to a server with a thread for each, and all ask before any of them leaves; then two
    clients come to the note's own server."""
    count = 20
    stage.whoami("server", "tcp", LEFT, 8000)
    clients = stage.talk("ann", "many_clients.py", LEFT, 8000, count)
    answers = [stage.hear(clients) for _ in range(count)]
    held = stage.on_port("server", 8000, State.ESTAB)
    answered = sum("server sees" in one for one in answers)
    stage.row(server="whoami_server.py", clients=count, answered=answered, then="goes on")
    stage.expect("clients that got an answer", answered, count)
    stage.expect("connections that the server holds meanwhile", len({str(one.remote) for one in held}), count)
    stage.put("server", "note_server.py", asking(stage, LEFT, "server.py"))
    name = stage.serve("server", "note_server.py", at=f"tcp/{LEFT}:65432")
    stage.put("ann", "note_client.py", asking(stage, LEFT))
    first = stage.run("ann", "note_client.py")
    end = stage.until("the note's server ended", lambda: stage.instance.output("server", name).end, bool)
    second = stage.run("ann", "note_client.py").splitlines()[-1]
    stage.row(
        server="server.py of the note",
        clients=2,
        answered=int("Received" in first) + int("Received" in second),
        then=f"ends: {end}",
    )
    stage.expect("the note's server to its first client", first, "Received b'Hello, server'")
    stage.expect("and to its second", second, "ConnectionRefusedError: [Errno 111] Connection refused")


@claim(
    id="echo",
    says="Here's a very simplified example in Python to illustrate the basic socket operations (using TCP)",
    lab="ports",
    source="ip(7), INADDR_LOOPBACK; RFC 1122 §3.2.1.3 (g)",
    care="With HOST = '127.0.0.1' it can only ever be reached from the same host: every host is 127.0.0.1 to "
    "itself. For two hosts the server binds an address that the other can reach, and the client names it.",
)
def echo(stage: Stage) -> None:
    """The note's server and client run word for word on one host; then the client runs on another host, first
    unchanged, then with the server's address in both programs."""
    first = stage.serve("server", "server.py", at="tcp/127.0.0.1:65432")
    stage.table("who hears whom")
    _met(stage, "as in the note", "server", "client.py", "Received b'Hello, server'")
    stage.until("the server's end, after its one client", lambda: stage.instance.output("server", first).end, bool)
    second = stage.serve("server", "server.py", at="tcp/127.0.0.1:65432")
    _met(stage, "as in the note", "ann", "client.py", "ConnectionRefusedError: [Errno 111] Connection refused")
    stage.expect("the server that ann did not reach", stage.instance.output("server", second).end or "waits", "waits")
    stage.put("server", "note_server.py", asking(stage, LEFT, "server.py"))
    stage.put("ann", "note_client.py", asking(stage, LEFT))
    server = stage.serve("server", "note_server.py", at=f"tcp/{LEFT}:65432")
    _met(stage, f"with HOST = '{LEFT}'", "ann", "note_client.py", "Received b'Hello, server'")
    said = stage.until(
        "the server's line", lambda: stage.instance.output("server", server).text.decode(), lambda text: "\n" in text
    )
    stage.expect("what the server printed", said.partition(",")[0], "Connected by ('192.0.2.20'")


def _met(stage: Stage, program: str, host: str, file: str, expected: str) -> None:
    last = (stage.run(host, file).splitlines() or ["nothing"])[-1]
    stage.row(programs=program, server_on="server", client_on=host, client_printed=last)
    stage.expect(f"the client on {host}, {program}", last, expected)


def asking(stage: Stage, address: str, file: str = "client.py") -> str:
    """The note's client, or server, with another address."""
    return stage.programs[file].decode().replace(LOCALHOST, f"HOST = '{address}'")
