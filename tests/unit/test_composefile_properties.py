"""Whatever a file holds, reading it gives a lab or the list of what is wrong with it, and soon."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab import composefile, labfiles, plan, scripts
from lab.errors import LabFileError

# The same examples on every machine and in every run, kept in no folder.
soon = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=250,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

NAT = (labfiles.folder() / "nat.yaml").read_text(encoding="utf-8")
LINES = NAT.split("\n")
WORDS = sorted({word for line in LINES for word in line.replace("{", " ").replace("}", " ").split()})
VARIABLES = {"HOME": "/root", "ODD": "\udcff", "PORT": "65432"}

EVERYTHING = """
name: everything
x-lab: {title: All keys}
networks:
  home:
    driver: bridge
    internal: true
    enable_ipv6: true
    ipam: {config: [{subnet: 10.0.0.0/8}, {subnet: 'fd00::/8'}]}
  internet: {ipam: {config: [{subnet: 203.0.113.0/24}]}}
services:
  alice:
    image: socketlab/host
    networks: {home: {ipv4_address: 10.0.0.2, ipv6_address: 'fd00::2'}}
    hostname: alice
    extra_hosts: {bob: 10.0.0.3}
    dns: [127.0.0.1, 10.0.0.1]
    dns_search: [example.test]
    sysctls: {net.ipv4.ip_unprivileged_port_start: '80'}
    environment: {LANG: C}
    cap_add: [NET_RAW]
    mem_limit: 64m
    pids_limit: 32
    cpus: 0.5
    x-lab:
      gateway: [10.0.0.1]
      addresses: {home: [10.0.0.4]}
      programs:
        web: {files: [programs/echo_server.py], run: [python3, echo_server.py], ready: [tcp/80, 'udp/[fd00::2]:81']}
  router:
    image: socketlab/gateway
    networks: {home: {ipv4_address: 10.0.0.1}, internet: {ipv4_address: 203.0.113.1}}
    x-lab:
      nat:
        outside: internet
        ports: 40000-40999
        forward: [{tcp: 8080, to: '10.0.0.2:80'}, {udp: 53, to: '10.0.0.2:53'}]
        hairpin: true
        timeouts: {udp: 30}
"""
TREES: tuple[Any, ...] = (yaml.safe_load(NAT), yaml.safe_load(EVERYTHING))

SCALARS: tuple[Any, ...] = (
    *(
        "",
        "~",
        None,
        True,
        0,
        -1,
        1e309,
        65536,
        10**30,
        "9" * 5000,
        "x" * 5000,
        "8²",
        "٣",
        "0x1F",
        "22:22",
        "[key]",
        "a.b",
    ),
    *(
        "10.0.0.1",
        "10.0.0.1/8",
        "10.0.0.0/8",
        "::1",
        "fd00::2%1",
        "[fd00::2]:80",
        ":80",
        "tcp/",
        "tcp/:",
        "udp/[]:1",
        "/",
    ),
    *(
        "..",
        "a/../b",
        "\0",
        "a\nb",
        "\u2028",
        "${",
        "$HOME",
        "${ODD}",
        "${PORT:-1}",
        "$$",
        "=",
        "a=b",
        "'",
        "<<",
        "*a",
        "!x",
    ),
    *("preserve", "random", "1-2", "-", "NET_RAW", "socketlab/host", "home", "internet", "alice", "router", "x-lab"),
)
COLLECTIONS: tuple[Any, ...] = (
    [],
    {},
    [[]],
    [{}],
    {"": ""},
    {"[key]": {"[key]": "x"}},
    ["a=b", "a=b"],
    {"a": {"b": "c"}},
)
VALUES = st.sampled_from((*SCALARS, *COLLECTIONS))


def written(value: object) -> str:
    """A value as a file. JSON is YAML, and is written much faster."""
    return json.dumps(value, ensure_ascii=False)


def is_told(error: LabFileError) -> None:
    """There is a problem, and each is one line that says where, what was expected and what was observed."""
    assert error.problems
    assert len(str(error).split("\n")) == len(error.problems)
    assert all(problem.line >= 1 and problem.column >= 1 for problem in error.problems)
    assert all(problem.expected and problem.observed for problem in error.problems)


def is_lab_or_fault(text: bytes | str) -> None:
    """Read a file, and if it is a lab do with it what needs no engine."""
    content = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    try:
        lab = composefile.parse(
            content, source="lab.yaml", default_name="lab", read=lambda name: name.encode(), variables=VARIABLES
        )
    except LabFileError as error:
        is_told(error)
        return
    for host in lab.hosts:
        assert scripts.steps(host)
    assert plan.undescribe(plan.describe(lab)) == lab


@soon
@given(st.binary(max_size=200))
def test_any_bytes(content: bytes) -> None:
    """Any bytes are a lab or a fault."""
    is_lab_or_fault(content)


@soon
@given(st.text(alphabet=st.sampled_from("ab:- \n\t[]{},&*!|>'\"#%@`$<?0~.\\"), max_size=60))
def test_any_text_of_yaml_signs(text: str) -> None:
    """Any text of the signs that mean something in YAML is a lab or a fault."""
    is_lab_or_fault(text)


@soon
@given(st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner)))
def test_any_values(value: object) -> None:
    """Any YAML document is a lab or a fault."""
    is_lab_or_fault(written(value))


@soon
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(LINES) - 1),
            st.sampled_from(["delete", "double", "move", "indent", "cut", "word", "tab"]),
            st.integers(0, 100),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_change_of_lines(changes: list[tuple[int, str, int]]) -> None:
    """A lab file with lines deleted, doubled, moved, indented or cut is a lab or a fault."""
    lines = list(LINES)
    for place, what, amount in changes:
        at = place % len(lines)
        line = lines[at]
        words = line.split(" ")
        if what == "word":
            words[amount % len(words)] = WORDS[amount % len(WORDS)]
        changed = {
            "delete": [],
            "double": [line, line],
            "move": [lines[amount % len(lines)]],
            "indent": [" " * (amount % 5) + line],
            "cut": [line[: amount % (len(line) + 1)]],
            "word": [" ".join(words)],
            "tab": ["\t" + line],
        }[what]
        lines[at : at + 1] = changed or [""]
    is_lab_or_fault("\n".join(lines))


@soon
@given(st.sampled_from(TREES), st.integers(0, 2**32), st.lists(VALUES, min_size=1, max_size=3))
def test_any_change_of_values(tree: object, seed: int, values: list[object]) -> None:
    """A lab file with values replaced, and with keys deleted, added or renamed, is a lab or a fault."""
    chance = random.Random(seed)
    changed = copy.deepcopy(tree)
    for value in values:
        _change(changed, copy.deepcopy(value), chance)
    is_lab_or_fault(written(changed))


def test_every_single_value_replaced() -> None:
    """Every value of a lab file, replaced by each of many odd ones, gives a lab or a fault."""
    tree = copy.deepcopy(TREES[1])
    for number, (holder, key) in enumerate(_places(tree)):
        kept = holder[key]
        for value in (*SCALARS, *COLLECTIONS)[number % 3 :: 3]:
            holder[key] = value
            is_lab_or_fault(written(tree))
        holder[key] = kept


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Every place of a tree: what holds it, and its key in that."""
    found: list[tuple[Any, Any]] = []
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)):
        found.append((tree, key))
        if isinstance(tree[key], dict | list):
            found += _places(tree[key])
    return found


def _change(tree: Any, value: object, chance: random.Random) -> None:
    places = _places(tree)
    if not places:
        return
    holder, key = chance.choice(places)
    what = chance.choice(["replace", "replace", "delete", "rename", "add"])
    if what == "replace" or isinstance(holder, list):
        holder[key] = value
    elif what == "delete":
        del holder[key]
    elif what == "rename" and isinstance(value, str):
        holder[value] = holder.pop(key)
    else:
        holder[chance.choice(WORDS)] = value
