"""The lab `names`: who is asked when a name is looked up, and who remembers the answer for how long."""

from __future__ import annotations

import re
import shlex
import uuid
from ipaddress import ip_address

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from lab.engine import Engine
from lab.errors import NotPristineError, NotUpError
from lab.instances import running
from lab.live import Instance
from lab.observe import Kind
from lab.questions import question
from tests.live.support import LABS, command_line, until

pytestmark = pytest.mark.instance("names")

RESOLVER = "192.0.2.53"
NS = "192.0.2.2"
NSCD_SECONDS = 15
"""How long after its TTL nscd may still give an answer: it looks through its memory that often."""


def answer(
    lab: Instance, name: str, kind: str = "A", *, host: str = "alice", server: str = RESOLVER, recursion: bool = True
) -> dns.message.Message:
    """What a name server says, asked from a host."""
    asked = question(name, kind, recursion=recursion)
    (got,) = lab.wiring.query([(host, ip_address(server), 53, asked)], seconds=5)
    assert got is not None, f"{server} does not answer"
    return dns.message.from_wire(got)


def data(message: dns.message.Message) -> list[str]:
    """The answer's records, without their owners."""
    return [f"{dns.rdatatype.to_text(one.rdtype)} {item}" for one in message.answer for item in one]


def ttl(message: dns.message.Message) -> int:
    """The TTL of an answer's first records."""
    return int(message.answer[0].ttl)


def asked(lab: Instance, host: str) -> int:
    """How many questions an authoritative server has been asked."""
    said = lab.wiring.command(host, ("nsd-control", "-c", "/run/services/nsd/nsd.conf", "stats_noreset"), seconds=5)
    found = re.search(rb"^num\.queries=(\d+)$", said.stdout, re.MULTILINE)
    assert found, said
    return int(found[1])


def log_of_resolver(lab: Instance, text: str) -> int:
    """How many of the resolver's questions until now hold the text.

    A question of our own marks the end: a log is read a moment after it was written.
    """
    mark = f"mark-{uuid.uuid4().hex}.example.com."
    answer(lab, mark)

    def log() -> str:
        return lab.output("resolver", "unbound").text.decode()

    return until(log, wanted=lambda seen: mark in seen, what="the mark in the resolver's log").count(text)


def remembered(lab: Instance) -> str:
    """What the resolver remembers, as unbound-control(8) shows it."""
    command = ("unbound-control", "-c", "/run/services/unbound/unbound.conf", "dump_cache")
    said = lab.wiring.command("resolver", command, seconds=5)
    assert said.status == 0, said.stderr
    return said.stdout.decode()


def looked_up(lab: Instance, host: str, name: str, database: str = "ahosts") -> list[str]:
    """The addresses that getaddrinfo(3) of a program finds, each once."""
    printed = lab.run(host, ["getent", database, name])
    return list(dict.fromkeys(line.split()[0] for line in printed.stdout.decode().splitlines()))


# ------------------------------------------------------------------------------------------ looking up


@pytest.mark.parametrize("host", ["alice", "bob"])
@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        ("www", {"192.0.2.80", "2001:db8:1::80"}),
        ("alias", {"192.0.2.80", "2001:db8:1::80"}),
        ("four", {"192.0.2.80"}),
        ("six", {"2001:db8:1::80"}),
        ("nobody", set()),
    ],
)
def test_a_program_finds_the_addresses_of_a_name(lab: Instance, host: str, name: str, addresses: set[str]) -> None:
    """Of both families, with and without a cache on the host; a name that is not there has none."""
    assert set(looked_up(lab, host, f"{name}.example.com")) == addresses


def test_the_hosts_file_comes_first(lab: Instance) -> None:
    """Alice's says .81, and nobody is asked for the address; bob has none and gets what the zone says."""
    assert looked_up(lab, "alice", "printer.example.com", "ahostsv4") == ["192.0.2.81"]
    assert log_of_resolver(lab, "printer.example.com. A IN") == 0
    assert looked_up(lab, "bob", "printer.example.com", "ahostsv4") == ["192.0.2.80"]
    assert log_of_resolver(lab, "printer.example.com. A IN") == 1, "positive control"


def test_a_server_is_reached_by_its_name(lab: Instance) -> None:
    """A program connects to www by its name, over both families."""
    code = (
        "import socket\n"
        "for family in (socket.AF_INET, socket.AF_INET6):\n"
        "    for address in socket.getaddrinfo('alias.example.com', 8000, family, socket.SOCK_STREAM):\n"
        "        with socket.create_connection(address[4][:2]) as s:\n"
        "            s.sendall(b'hello'); print(s.getpeername()[0], s.recv(10).decode())\n"
    )
    printed = lab.run("alice", ["python3", "-c", code])
    assert printed.stdout.decode().splitlines() == ["192.0.2.80 hello", "2001:db8:1::80 hello"], printed


# ---------------------------------------------------------------------------------- who is asked what


def test_a_resolver_that_knows_nothing_begins_at_the_root(lab: Instance) -> None:
    """The first question leads it from the root to ns; then it knows, and asks neither of them again."""
    root, ns = asked(lab, "root"), asked(lab, "ns")
    assert data(answer(lab, "www.example.com")) == ["A 192.0.2.80"]
    after_root, after_ns = asked(lab, "root"), asked(lab, "ns")
    assert after_root > root
    assert after_ns > ns
    assert data(answer(lab, "www.example.com")) == ["A 192.0.2.80"]
    assert (asked(lab, "root"), asked(lab, "ns")) == (after_root, after_ns)
    assert data(answer(lab, "four.example.com")) == ["A 192.0.2.80"]
    assert asked(lab, "root") == after_root, "the way to example.com is known"
    assert asked(lab, "ns") == after_ns + 1


def test_the_root_delegates_and_does_not_resolve(lab: Instance) -> None:
    """Asked for www.example.com it names com's server and gives its addresses, even if it is asked to find out."""
    said = answer(lab, "www.example.com", server="192.0.2.1")
    assert not said.answer
    assert not said.flags & (dns.flags.AA | dns.flags.RA)
    assert [one.to_text() for one in said.authority] == ["com. 60 IN NS ns.example.com."]
    assert {item.to_text() for one in said.additional for item in one} == {"192.0.2.2", "2001:db8:1::2"}


@pytest.mark.parametrize("server", [NS, "2001:db8:1::2"])
@pytest.mark.parametrize("zone", ["com.", "example.com."])
def test_a_zone_is_answered_for_at_each_address(lab: Instance, server: str, zone: str) -> None:
    """The SOA that is made for the author is there, and speaks for the zone."""
    said = answer(lab, zone, "SOA", server=server, recursion=False)
    assert said.flags & dns.flags.AA
    assert data(said)[0].startswith(f"SOA ns.{zone} hostmaster.{zone} 1 ")


def test_an_alias_is_followed(lab: Instance) -> None:
    """The answer for a CNAME holds the alias and what its target has."""
    assert data(answer(lab, "alias.example.com")) == ["CNAME www.example.com.", "A 192.0.2.80"]


def test_no_name_and_no_data_are_two_things(lab: Instance) -> None:
    """A name that is not there is NXDOMAIN; one without that type is an empty answer. Both give the negative TTL."""
    nobody, four = answer(lab, "nobody.example.com"), answer(lab, "four.example.com", "AAAA")
    assert nobody.rcode() == dns.rcode.NXDOMAIN
    assert (four.rcode(), four.answer) == (dns.rcode.NOERROR, [])
    for said in (nobody, four):
        (soa,) = said.authority
        assert soa.rdtype == dns.rdatatype.SOA
        assert soa.ttl <= 2


def test_zones_that_a_resolver_answers_by_itself_elsewhere_are_a_labs_own(lab: Instance) -> None:
    """A question for `test.` or a private reverse zone goes to the root, which does not have it."""
    for name in ("www.test.", "1.1.168.192.in-addr.arpa.", "1.2.0.192.in-addr.arpa."):
        root = asked(lab, "root")
        assert answer(lab, name, "PTR").rcode() == dns.rcode.NXDOMAIN
        assert asked(lab, "root") > root, name


# -------------------------------------------------------------------------------------- for how long


def test_a_ttl_counts_down_and_ends(lab: Instance) -> None:
    """The resolver gives what is left of the zone's TTL; after it, it asks the zone's server again."""
    assert ttl(answer(lab, "short.example.com", server=NS)) == 2
    assert ttl(answer(lab, "short.example.com")) == 2
    ns = asked(lab, "ns")
    until(lambda: ttl(answer(lab, "short.example.com")), wanted=lambda left: left < 2, what="a TTL that counts down")
    assert asked(lab, "ns") == ns
    until(lambda: ttl(answer(lab, "short.example.com")), wanted=lambda left: left == 2, what="a new TTL")
    assert asked(lab, "ns") == ns + 1


def test_without_a_cache_each_process_asks(lab: Instance) -> None:
    """Positive control of the next: on alice, two processes ask the resolver twice."""
    for _ in range(2):
        assert looked_up(lab, "alice", "four.example.com") == ["192.0.2.80"]
    assert log_of_resolver(lab, "192.0.2.10 four.example.com. A IN") == 2


def test_with_nscd_the_second_process_does_not_ask(lab: Instance) -> None:
    """On bob, what one process asked another one gets from nscd, until the TTL and nscd's own round have passed."""
    for _ in range(2):
        assert looked_up(lab, "bob", "short.example.com") == ["192.0.2.80"]
    assert log_of_resolver(lab, "192.0.2.11 short.example.com. A IN") == 1

    def again() -> int:
        assert looked_up(lab, "bob", "short.example.com") == ["192.0.2.80"]
        return log_of_resolver(lab, "192.0.2.11 short.example.com. A IN")

    until(again, wanted=lambda count: count == 2, what="a second question", seconds=2 + NSCD_SECONDS + 5)


# --------------------------------------------------------------------------------- daemons and programs

ATTEMPTS = {
    "a signal": "for p in $(seq 2 60); do [ $p = $$ ] || ! kill -9 $p || exit 0; done; exit 1",
    "its end by name": "pkill -9 'nsd|unbound|nscd'",
    "its zone": "echo > /run/services/nsd/0.zone",
    "its configuration": "echo > /run/services/unbound/unbound.conf || echo > /run/services/nscd/nscd.conf",
    "a file of its own": "rm /run/services/nsd/nsd.conf || rm /run/services/unbound/root.hints || rm /run/nscd/socket",
    "its folder": "mv /run/services /run/old || touch /run/services/x || touch /run/nscd/x",
    "its state": "ls /run/services/nsd/state || ls /run/services/unbound/state || ls /run/services/nscd/state",
    "its control": "nsd-control -c /run/services/nsd/nsd.conf stop"
    " || unbound-control -c /run/services/unbound/unbound.conf stop"
    " || nscd --config-file /run/services/nscd/nscd.conf --shutdown",
    "what nscd remembers": "nscd --config-file /run/services/nscd/nscd.conf --invalidate hosts",
    "its processes": "ps -o pid= -u service | grep -q .",
    "its user": "python3 -c 'import os; os.setuid(999)'",
    "its port": "python3 -c 'import socket; socket.socket().bind((\"127.0.0.9\", 53))'",
    "another low port": "python3 -c 'import socket; socket.socket().bind((\"\", 80))'",
    "its environment": "for p in $(seq 2 60); do [ $p = $$ ] || ! cat /proc/$p/environ || exit 0; done; exit 1",
}


@pytest.mark.parametrize("host", ["root", "resolver", "bob"])
def test_no_program_touches_a_daemon(lab: Instance, host: str) -> None:
    """Each attempt of a student's program on the daemon's own host fails, and the daemon works as before."""
    before, pids = lab.fingerprints([host]), {one.program: one.pid for one in lab.wiring.started() if one.host == host}
    succeeded = [what for what, command in ATTEMPTS.items() if not lab.run(host, ["sh", "-c", command]).ended.status]
    assert succeeded == []
    assert {one.program: one.pid for one in lab.wiring.started() if one.host == host and not one.end} == pids
    assert lab.fingerprints([host]) == before
    assert looked_up(lab, "bob", "www.example.com", "ahostsv4") == ["192.0.2.80"]


def test_the_trusted_side_sees_and_ends_a_daemon(lab: Instance) -> None:
    """Positive control: what no program can, is possible from outside."""
    assert lab.wiring.command("root", ("sh", "-c", "ps -o pid= -u service | grep -q ."), seconds=5).status == 0
    before = lab.fingerprints(["root"])
    assert lab.wiring.command("root", ("pkill", "-9", "nsd"), seconds=5).status == 0
    until(lambda: lab.output("root", "nsd").end, wanted=bool, what="the end of nsd")
    assert lab.fingerprints(["root"]) != before
    lab.reset()
    assert lab.fingerprints(["root"]) == before


def test_a_program_runs_beside_a_daemon(lab: Instance) -> None:
    """A host that serves names is a host like the others for whoever works on it."""
    printed = lab.run("ns", ["python3", "-c", "import socket; s = socket.socket(); s.bind(('', 1024)); print('bound')"])
    assert printed.stdout == b"bound\n", printed


def test_daemons_have_no_more_than_their_port(lab: Instance) -> None:
    """They run as a user of their own, without privilege but for ports below 1024, and can gain none."""
    for host, daemon, capabilities in (("root", "nsd", 1 << 10), ("resolver", "unbound", 1 << 10), ("bob", "nscd", 0)):
        command = f"cat /proc/$(pgrep -o {daemon})/status"
        status = lab.wiring.command(host, ("sh", "-c", command), seconds=5).stdout.decode()
        found = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert found["Uid"].split() == ["999"] * 4
        assert {int(found[f"Cap{which}"], 16) for which in ("Eff", "Prm", "Bnd", "Amb")} == {capabilities}
        assert found["NoNewPrivs"] == "1"


# --------------------------------------------------------------------------------------- up and reset


def test_after_up_and_reset_nobody_remembers_anything(lab: Instance) -> None:
    """That the daemons were proven has left nothing in them; what was asked since is gone after a reset."""
    before = lab.fingerprints()
    assert "example.com" not in remembered(lab)
    assert "RRSET_CACHE" in remembered(lab), "positive control: it was looked"
    assert looked_up(lab, "bob", "www.example.com") != []
    assert "www.example.com" in remembered(lab), "positive control: it would be seen"
    lab.reset()
    assert lab.fingerprints() == before
    assert "example.com" not in remembered(lab)
    statistics = ("nscd", "--config-file", "/run/services/nscd/nscd.conf", "--statistics")
    said = lab.wiring.command("bob", statistics, seconds=5).stdout.decode()
    entries = re.findall(r"(\d+)  current number of cached values", said)
    assert entries
    assert set(entries) == {"0"}


def test_a_daemon_that_was_stopped_is_missed_and_comes_back(lab: Instance) -> None:
    """`lab stop` ends it, names are not found any more, and a reset starts it again."""
    assert command_line("stop", "resolver", "unbound", "--name", lab.name).returncode == 0
    shown = command_line("status", "--name", lab.name).stdout.decode()
    assert "unbound: stopped" in shown
    assert shown.count("nsd: running") == 2
    assert looked_up(lab, "alice", "www.example.com") == []
    lab.reset()
    assert looked_up(lab, "alice", "www.example.com") != []
    assert b"192.0.2.10 www.example.com. A IN" in command_line("logs", "resolver", "unbound", "--name", lab.name).stdout


def test_a_reset_whose_resolver_finds_nothing_says_so(lab: Instance) -> None:
    """Without its root a resolver cannot be proven: the reset fails, names what was asked and shows its log."""
    lab.stop("root", "nsd")
    with pytest.raises(NotPristineError, match=r"unbound: expected the SOA of \. at 192\.0\.2\.53") as caught:
        lab.reset(["resolver"])
    assert "resolver: service unbound: still runs" in str(caught.value)
    lab.reset()


def test_a_lab_whose_resolver_finds_nothing_does_not_come_up(engine: Engine) -> None:
    """The message says what was asked, what came, the end of the log, and what to look at; nothing is left."""
    name = f"{__name__.rpartition('.')[2].replace('_', '-')}-silent"
    failed = command_line("up", str(LABS / "silent-root.yaml"), "--name", name)
    assert failed.returncode == NotUpError.exit_code
    said = failed.stderr.decode()
    assert "resolver: service unbound: expected the SOA of . at 192.0.2.53, what the zone's server says" in said
    assert "| " in said
    assert "is there a way from the resolver to its root" in said
    assert name not in [one.name for one in running(engine)]


# ------------------------------------------------------------------------------------ another topology


@pytest.mark.instance("labs/zones.yaml")
def test_a_resolver_finds_zones_behind_a_router_and_over_both_families(lab: Instance) -> None:
    """Its root speaks IPv6 only, the zone's servers IPv4 only; a wildcard and a reverse zone are found too."""
    wanted = {
        ("long.test.", "A"): ["A 192.0.2.9"],
        ("some.any.test.", "TXT"): ['TXT "any; name"'],
        ("2.2.0.192.in-addr.arpa.", "PTR"): ["PTR a.test."],
    }
    for (name, kind), expected in wanted.items():
        assert data(answer(lab, name, kind, host="router", server="2001:db8:b::53")) == expected
    assert ttl(answer(lab, "long.test.", host="router", server="198.51.100.53")) > 86400, "a week is kept as a week"


@pytest.mark.instance("labs/zones.yaml")
def test_a_host_asks_its_own_resolver_by_a_loopback_address(lab: Instance) -> None:
    """Where `dns` says so, the daemon listens there too."""
    assert looked_up(lab, "resolver", "long.test") == ["192.0.2.9"]


@pytest.mark.instance("labs/zones.yaml")
def test_a_zone_on_two_hosts_survives_one(lab: Instance) -> None:
    """The resolver asks the other server of the zone."""
    lab.stop("a", "nsd")
    assert data(answer(lab, "never.test.", host="router", server="198.51.100.53")) == ["A 192.0.2.9"]
    lab.reset()
    lab.stop("b", "nsd")
    assert data(answer(lab, "never.test.", host="router", server="198.51.100.53")) == ["A 192.0.2.9"]


@pytest.mark.instance("labs/zones.yaml")
def test_what_nobody_may_remember_is_asked_each_time(lab: Instance) -> None:
    """A TTL of 0, and a negative TTL of 0 (RFC 1035 §3.2.1, RFC 2308 §5)."""
    for name in ("never.test.", "nobody.test."):
        answer(lab, name, host="router", server="198.51.100.53")
        before = asked(lab, "a") + asked(lab, "b")
        for _ in range(3):
            answer(lab, name, host="router", server="198.51.100.53")
        assert asked(lab, "a") + asked(lab, "b") == before + 3, name


# ----------------------------------------------------------------------------------- nobody else is asked


def test_no_host_knows_another_name_server(lab: Instance) -> None:
    """Neither Docker's resolver nor the machine's: resolv.conf names the lab's or, by the loopback address, none."""
    for host in lab.lab.hosts:
        text = lab.run(host.name, ["cat", "/etc/resolv.conf"]).stdout.decode()
        servers = [line.split()[1] for line in text.splitlines() if line.startswith("nameserver")]
        assert servers == ([str(one) for one in host.dns] or ["127.0.0.1"]), host.name
        options = [word for line in text.splitlines() if line.startswith("options") for word in line.split()[1:]]
        assert options == list(host.dns_options), host.name
    for name, view in lab.look(["sockets"]).items():
        assert not [one for one in view.sockets if str(one.local.address) == "127.0.0.11"], name
    assert [one for one in lab.look(["sockets"])["resolver"].sockets if one.kind is Kind.UDP], "positive control"


def test_hosts_without_a_name_server_find_no_names(lab: Instance) -> None:
    """A server of names is not by itself a client of its own, or of any other."""
    for host in ("www", "root", "ns", "resolver"):
        assert looked_up(lab, host, "www.example.com") == []
    assert looked_up(lab, "alice", "www.example.com") != [], "positive control"


@pytest.mark.parametrize("line", ["getent ahosts www.example.com", "drill short.example.com @192.0.2.53"])
def test_what_the_lab_suggests_works(lab: Instance, line: str) -> None:
    """The commands that `lab up` ends with."""
    assert any(line in suggestion for suggestion in lab.lab.suggestions)
    assert lab.run("alice", shlex.split(line)).ended.status == 0
