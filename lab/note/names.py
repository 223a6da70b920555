"""Names: what the note says under "The connect() Function's Role", "Two Main Scenarios" and "Caching"."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from lab.note.claim import claim
from lab.observe.dns import PORT as DNS_PORT
from lab.observe.dns import Query, queries
from lab.observe.packets import Packet, connections
from lab.observe.syscalls import Call
from lab.recordings import Capture
from lab.stage import Stage, text_of

WWW, PRINTER = "192.0.2.80", "192.0.2.81"
SHORT = "short.example.com"
"""A name with a TTL of 2 seconds."""
TTL = 2
NSCD_ROUND = 15
"""How often nscd looks for what is too old, in seconds (glibc: nscd/nscd.h, CACHE_PRUNE_INTERVAL)."""
PORT = 8000


# ------------------------------------------------------------------------------------- connecting


@claim(
    id="connect-address",
    says="If you provide an IP address (e.g., 192.168.1.100) directly to the connect() function, there's no DNS "
    "resolution needed.",
    lab="names",
    source="connect(2); getaddrinfo(3)",
)
def connect_address(stage: Stage) -> None:
    """One program connects to an address, and then to a name; everything that leaves its host is recorded."""
    for target in (WWW, "www.example.com"):
        with stage.capture("alice") as capture:
            said = stage.run("alice", "connect_by_name.py", target, PORT)
        asked, syns = asked_for(capture.packets), _syns(capture.packets)
        stage.row(connects_to=target, DNS_queries=len(asked), SYNs=len(syns), result=said)
        stage.expect(f"connecting to {target}", said.partition(" |")[0], f"connected to {WWW}")
        stage.expect(f"SYNs for {target}", len(syns), 1)
        stage.expect_in(f"DNS queries for {target}", len(asked), range(1) if target == WWW else range(1, 3))


@claim(
    id="connect-name",
    says="If you provide a hostname … to the connect() function, then yes, DNS resolution must occur before the "
    "connection can be established.",
    lab="names",
    source="getaddrinfo(3); connect(2); RFC 1034 §5.3",
    care="connect(2) itself takes addresses only. In C a program calls getaddrinfo() first; Python's "
    "socket.connect() does that for you, before it asks the kernel to connect.",
)
def connect_name(stage: Stage) -> None:
    """A program connects to a name; what leaves and reaches its host is recorded, and shown in the order of time."""
    with stage.capture("alice") as capture:
        stage.run("alice", "connect_by_name.py", "www.example.com", PORT)
    asked, syns = asked_for(capture.packets), _syns(capture.packets)
    events = [(one.time, f"asks {one.server}: {one.name} {one.type}?") for one in asked]
    events += [(one.answer.time, f"is told: {_records(one)}") for one in asked if one.answer]
    events += [(one.time, f"sends SYN to {one.destination}:{one.destination_port}") for one in syns]
    for time, what in sorted(events):
        stage.row(milliseconds=f"{(time - min(events)[0]) / 1e6:.1f}", alice=what)
    stage.expect("the order", [what.split()[0] for _, what in sorted(events)], ["asks", "is", "sends"])
    told = [record.text for one in asked if one.answer for record in one.answer.records]
    stage.expect("the address that was told is the one connected to", told, [str(one.destination) for one in syns])


@claim(
    id="hosts-file",
    says='Checks the local "hosts" file … If not found in the hosts file, it queries the configured DNS servers',
    lab="names",
    source="hosts(5); nsswitch.conf(5)",
    care="The order is a setting: the line `hosts:` of /etc/nsswitch.conf. `files` stands before `dns` in it on "
    "most systems.",
)
def hosts_file(stage: Stage) -> None:
    """A name stands in DNS, and with another address in one host's hosts file; both hosts connect to it."""
    order = stage.read("alice", "/etc/nsswitch.conf")
    hosts = next((line.split()[1:] for line in order.splitlines() if line.startswith("hosts:")), [])
    stage.expect("the order of alice's nsswitch.conf", hosts[:2], ["files", "dns"])
    expected = {"alice": (PRINTER, 0), "bob": (WWW, 1)}
    for host, (address, count) in expected.items():
        with stage.capture(host) as capture:
            said = stage.run(host, "connect_by_name.py", "printer.example.com", PORT).partition(" |")[0]
        asked = {one.name for one in asked_for(capture.packets)}
        line = "yes" if "printer" in stage.read(host, "/etc/hosts") else "no"
        stage.row(host=host, in_its_hosts_file=line, names_asked_for=len(asked), result=said)
        stage.expect(f"{host} connects to", said, f"connected to {address}")
        stage.expect(f"names that {host} asks for", len(asked), count)


@claim(
    id="resolve-error",
    says="The DNS server responds with the IP address(es) (or an error if the hostname cannot be resolved).",
    lab="names",
    source="RFC 1035 §4.1.1 (RCODE 3); RFC 8020; getaddrinfo(3), EAI_NONAME",
)
def resolve_error(stage: Stage) -> None:
    """A program connects to a name that does not exist, and to one that does."""
    for name, rcode in (("nothing.example.com", "NXDOMAIN"), ("www.example.com", "NOERROR")):
        with stage.capture("alice") as capture:
            said = stage.run("alice", "connect_by_name.py", name, PORT)
        answers = {one.answer.rcode for one in asked_for(capture.packets) if one.answer}
        syns = _syns(capture.packets)
        stage.row(name=name, DNS_answers=" ".join(sorted(answers)), SYNs=len(syns), program=said)
        stage.expect(f"answers for {name}", answers, {rcode})
        stage.expect(f"SYNs for {name}", len(syns), 0 if rcode == "NXDOMAIN" else 1)
        stage.expect(
            f"the program's word on {name}", said.split()[0], "gaierror:" if rcode == "NXDOMAIN" else "connected"
        )


@claim(
    id="user-kernel",
    says="The initial steps, including the call to the resolver, often happen in user space. … Once the IP address "
    "is known …, the actual network connection establishment (e.g., the TCP three-way handshake, sending and "
    "receiving packets) is handled by the operating system's kernel",
    lab="names",
    source="getaddrinfo(3); connect(2); strace(1)",
)
def user_kernel(stage: Stage) -> None:
    """The system calls of a program that connects to a name are traced from outside, and what its host sends is
    recorded: which of it the program asked for, and what the kernel did by itself."""
    with stage.capture("alice") as capture:
        calls = stage.trace("alice", "connect_by_name.py", "www.example.com", PORT)
    steps = [(one.time, what, _called(one)) for one in calls if (what := _step(one))]
    for _, what, call in steps:
        stage.row(the_program_calls=call, which=what)
    order = list(dict.fromkeys(what for _, what, _ in steps))
    stage.expect("what the program asks the kernel for, in this order", order, list(STEPS))
    syns = [one for one in connections(capture.packets) if one.server == (ip_address(WWW), PORT)]
    stage.table("and the packets of its one connect()")
    shake = syns[0].handshake if syns else None
    for one in shake or ():
        stage.row(who="alice" if one.outgoing else "www", sends=one.words)
    stage.expect("packets of the handshake", [one.words for one in shake or ()], ["SYN", "SYN ACK", "ACK"])
    if shake and steps:
        stage.expect_that(
            "the SYN left",
            shake[0].time > steps[-1][0],
            observed=f"{(shake[0].time - steps[-1][0]) / 1e3:.0f} µs after connect() was called",
            expected="after connect() was called",
        )


STEPS = (
    "reads the hosts file",
    "a socket to the DNS server",
    "sends the question",
    "gets the answer",
    "connects to the address",
)


def _step(one: Call) -> str:
    """Which step of connecting to a name a system call is; "" for none of them."""
    if one.name == "openat" and one.path == "/etc/hosts":
        return STEPS[0]
    if one.name == "connect" and one.endpoint is not None:
        return STEPS[1] if one.endpoint[1] == DNS_PORT else STEPS[4]
    about_name = one.data is not None and b"\3www\7example\3com" in one.data
    return {"sendto": STEPS[2], "recvfrom": STEPS[3]}.get(one.name, "") if about_name else ""


def _called(one: Call) -> str:
    end = f" {text_of(one.endpoint)}" if one.endpoint else f" {one.path}" if one.path else ""
    return f"{one.name}(){end}"


# ---------------------------------------------------------------------------------------- caching


@claim(
    id="cache-application",
    says="Application-Level Caching: Some applications might cache DNS results internally.",
    lab="names",
    source="getaddrinfo(3) (no TTL in its answer); RFC 1035 §7.4",
    care="A program that does so cannot know for how long: getaddrinfo() does not pass on the TTL. So it may go on "
    "using an address that is no longer right.",
)
def cache_application(stage: Stage) -> None:
    """A program looks one name up three times, once without and once with a memory of its own."""
    for option, times in (((), 3), (("--cache",), 1)):
        with stage.capture("alice") as capture:
            printed = stage.run("alice", "lookup.py", *option, "four.example.com", stdin="\n\n").splitlines()
        asked = _of_type(asked_for(capture.packets), "A")
        stage.row(program=" ".join(("lookup.py", *option)), lookups=len(printed), DNS_queries=len(asked))
        stage.expect(f"answers {' '.join(option)}", printed, [WWW] * 3)
        stage.expect(f"DNS queries {' '.join(option)}", len(asked), times)


@claim(
    id="cache-system",
    says="Operating System Caching: The OS (in the resolver) typically caches DNS results for a certain period "
    '(determined by the "Time To Live" or TTL value in the DNS response).',
    lab="names",
    source="nscd(8); nscd.conf(5); RFC 1035 §3.2.1 (TTL)",
    care="Linux' C library by itself caches nothing: each lookup is a query. It is a daemon that does, if there is "
    "one: nscd or systemd-resolved. Nor is the TTL kept to the second: nscd looks through its memory every 15 "
    "seconds.",
)
def cache_system(stage: Stage) -> None:
    """On a host without a cache and on one with nscd, two processes look a name up; on the second, processes go on
    until the host asks again."""
    for host, count in (("alice", 2), ("bob", 1)):
        with stage.capture(host) as capture:
            found = [stage.run(host, "lookup.py", "four.example.com") for _ in range(2)]
        asked = _of_type(_leaving(capture.packets, host), "A")
        stage.row(host=host, name="four.example.com, TTL 60", processes=2, DNS_queries=len(asked))
        stage.expect(f"answers on {host}", found, [WWW] * 2)
        stage.expect(f"DNS queries of {host}", len(asked), count)
    stage.table("until bob asks again")
    with stage.capture("bob") as capture:
        lookups, asked = _until_asked_again(stage, capture, "bob", "bob")
    _expired(stage, "bob", f"{SHORT}, TTL {TTL}", lookups, asked)
    with stage.capture("bob") as capture:
        stage.run("bob", "lookup.py", "four.example.com")
    again = _about(asked_for(capture.packets), "bob", "four.example.com")
    stage.expect("DNS queries for the name with a TTL of 60, by then", len(again), 0)


@claim(
    id="cache-server",
    says="DNS Server Caching: DNS servers themselves cache results to speed up responses.",
    lab="names",
    source="RFC 1034 §4.3.4, §5.3.3; RFC 2308 (negative caching)",
    care="The resolver that asks others does; a server that is the authority for a zone has nothing to cache. That "
    "a name does not exist is cached as well, for the time that the zone's SOA record says.",
)
def cache_server(stage: Stage) -> None:
    """Two hosts ask one resolver for the same names, one that exists and one that does not; what reaches the zone's own
    server is recorded. Then one of them goes on until the resolver asks again."""
    for name, answer in (("four.example.com", WWW), ("nothing.example.com", "gaierror: Name or service not known")):
        with stage.capture("alice", "bob", "ns") as capture:
            found = [stage.run(host, "lookup.py", name) for host in ("alice", "bob")]
        seen = {
            point: _of_type(_about(asked_for(capture.packets), point, name), "A") for point in ("alice", "bob", "ns")
        }
        seen["ns"] = _again(seen["ns"])
        stage.row(
            name=name,
            asked_by_alice=len(seen["alice"]),
            by_bob=len(seen["bob"]),
            queries_at_the_zone_server=len(seen["ns"]),
        )
        stage.expect(f"answers for {name}", found, [answer] * 2)
        stage.expect(f"queries of alice and bob for {name}", [len(seen["alice"]), len(seen["bob"])], [1, 1])
        stage.expect(f"queries for {name} that reach the zone's server", len(seen["ns"]), 1)
    with stage.capture("ns") as capture:
        lookups, asked = _until_asked_again(stage, capture, "alice", "ns")
    stage.table("after the TTL")
    _expired(stage, "resolver", f"{SHORT}, TTL {TTL}", lookups, asked)


def _until_asked_again(stage: Stage, capture: Capture, host: str, point: str) -> tuple[int, list[Query]]:
    """Look the short-lived name up on a host, by a process each time, until a second query for it was seen at a point:
    how many processes, and the queries."""
    processes = 0

    def asked() -> list[Query]:
        nonlocal processes
        stage.run(host, "lookup.py", SHORT)
        processes += 1
        return _again(_of_type(_about(asked_for(capture.so_far()), point, SHORT), "A"))

    seen = stage.until("a second query", asked, lambda seen: len(seen) > 1, seconds=TTL + NSCD_ROUND + 5, pause=0.1)
    return processes, seen


def _again(asked: list[Query]) -> list[Query]:
    """Without those by which a server that took long to answer was asked once more, under another number."""
    known = min((one.answer.time for one in asked if one.answer), default=0)
    return [*asked[:1], *(one for one in asked[1:] if known and one.time > known)]


def _expired(stage: Stage, who: str, name: str, lookups: int, asked: list[Query]) -> None:
    pause = (asked[1].time - asked[0].time) / 1e9
    stage.row(who_asks=who, name=name, processes=lookups, DNS_queries=len(asked), seconds_between=f"{pause:.1f}")
    stage.expect_that(
        "seconds until it asked again", pause > TTL - 0.5, observed=f"{pause:.1f}", expected=f"about {TTL}, or more"
    )
    stage.expect_that("lookups that were answered from memory", lookups > 2, observed=lookups - 2, expected="some")


# ------------------------------------------------------------------------------------- used by several


def asked_for(packets: tuple[Packet, ...]) -> tuple[Query, ...]:
    """The questions among packets. One that was sent again, because an answer took long, is one question; one that has
    been answered by then is asked anew, though it may have the id and the port of the last."""
    found: list[Query] = []
    last: dict[object, int] = {}
    for one in queries(packets):
        key = (one.point, one.asker, one.asker_port, one.id, one.name, one.type)
        index = last.get(key)
        before = None if index is None else found[index]
        if index is None or before is None or (before.answer is not None and before.answer.time <= one.time):
            last[key] = len(found)
            found.append(one)
        elif one.answer is not None:
            found[index] = replace(before, answer=one.answer)
    return tuple(found)


def _syns(packets: tuple[Packet, ...]) -> list[Packet]:
    return [one for one in packets if one.words == "SYN" and one.outgoing]


def _leaving(packets: tuple[Packet, ...], host: str) -> tuple[Query, ...]:
    return tuple(one for one in asked_for(packets) if one.point == host)


def _about(asked: tuple[Query, ...], point: str, name: str) -> tuple[Query, ...]:
    return tuple(one for one in asked if one.point == point and one.name == f"{name}.")


def _of_type(asked: tuple[Query, ...], kind: str) -> list[Query]:
    return [one for one in asked if one.type == kind]


def _records(one: Query) -> str:
    found = one.answer.records if one.answer else ()
    return ", ".join(f"{record.type} {record.text} for {record.ttl} s" for record in found) or "nothing"
