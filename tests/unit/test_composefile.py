"""Lab files in, labs or messages out.

Golden files: labfiles/good/NAME.yaml gives the lab in NAME.json (one of compose/: labfiles/compose/NAME.json),
labfiles/bad/NAME.yaml gives the message in NAME.txt.
After a change that is meant, write them anew and read the difference:

    SOCKETLAB_UPDATE_GOLDEN=1 .venv/bin/python -m pytest tests/unit/test_composefile.py && git diff tests/unit/labfiles
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path

import pytest

from lab import composefile, crosscheck, labfiles
from lab.errors import LabFileError, UsageError
from lab.model import Lab

GOLDEN = Path(__file__).parent / "labfiles"
BAD = sorted((GOLDEN / "bad").glob("*.yaml"))
GOOD = [*sorted((GOLDEN / "good").glob("*.yaml")), *sorted(labfiles.folder().glob("*.yaml"))]
UPDATE = os.environ.get("SOCKETLAB_UPDATE_GOLDEN") == "1"

FILES = ("programs/echo.py", "programs/echo_client.py", "programs/echo_server.py", "programs/web.py", "programs/dns.py")
MORE_FILES = ("programs/script.sh", "data/zone.txt", "other/echo.py")
BOUND_SECONDS = 8
"""Of this process' own time: many times what is needed, and far below what anything quadratic takes."""
VARIABLES = {"ADDRESS": "192.168.1.7", "EMPTY": ""}

NETWORK = "networks: {lan: {ipam: {config: [{subnet: 10.0.0.0/16}]}}}\n"
ALICE = "services: {alice: {image: socketlab/host, networks: {lan: {ipv4_address: 10.0.0.1}}%s}}\n"


def read(name: str) -> bytes:
    """A folder with a few files in it, each of which says its name."""
    if name not in (*FILES, *MORE_FILES):
        raise FileNotFoundError(2, "No such file or directory", name)
    return f"the content of {name}\n".encode()


def parse(text: bytes | str, *, source: str = "lab.yaml", read: crosscheck.Read = read) -> Lab:
    """A lab from a text, in an environment that is always the same."""
    content = text.encode() if isinstance(text, str) else text
    return composefile.parse(content, source=source, default_name="unnamed", read=read, variables=VARIABLES)


def fault(text: bytes | str, *, read: crosscheck.Read = read) -> LabFileError:
    """What is said of a text that is no lab file."""
    with pytest.raises(LabFileError) as caught:
        parse(text, read=read)
    return caught.value


def rendered(lab: Lab) -> str:
    """A lab as text that people can read and git can compare."""

    def shown(value: object) -> object:
        return value.decode() if isinstance(value, bytes) else str(value)

    return json.dumps(dataclasses.asdict(lab), indent=1, ensure_ascii=False, default=shown) + "\n"


def golden(path: Path, text: str) -> str:
    """What a golden file holds; `text` is what it will hold if it is to be written anew."""
    if UPDATE:
        path.write_text(text, encoding="utf-8")
    return path.read_text(encoding="utf-8")


# ------------------------------------------------------------------------------------------------ golden


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_file_is_refused_with_its_message(path: Path) -> None:
    """A file with faults gives exactly the message that is kept beside it."""
    with pytest.raises(LabFileError) as caught:
        parse(path.read_bytes(), source=path.name)
    message = f"{caught.value}\n"
    assert message == golden(path.with_suffix(".txt"), message)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_every_problem_names_its_place(path: Path) -> None:
    """Every problem names a line and a column of the file, what was expected and what was observed."""
    with pytest.raises(LabFileError) as caught:
        parse(path.read_bytes(), source=path.name)
    lines = path.read_text(encoding="utf-8").split("\n")
    assert caught.value.problems
    for problem in caught.value.problems:
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
        assert problem.expected
        assert problem.observed


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_problem_with_a_key_stands_at_the_key(path: Path) -> None:
    """A problem with a key points at the very place where the key is written."""
    with pytest.raises(LabFileError) as caught:
        parse(path.read_bytes(), source=path.name)
    lines = path.read_text(encoding="utf-8").split("\n")
    about_keys = ("a key of", "each key once", "'s name:", "a network of this file")
    for problem in caught.value.problems:
        key = problem.key.rsplit(".", 1)[-1]
        if any(part in problem.expected for part in about_keys) and problem.key not in ("name", ""):
            written = lines[problem.line - 1][problem.column - 1 :]
            assert written.lstrip("\"'").startswith(key.strip("'"))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_problem_is_told_once(path: Path) -> None:
    """No two problems of a file are about the same value with the same expectation."""
    with pytest.raises(LabFileError) as caught:
        parse(path.read_bytes(), source=path.name)
    told = [(problem.key, problem.expected) for problem in caught.value.problems]
    assert len(told) == len(set(told))


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_file_gives_its_lab(path: Path) -> None:
    """A file without faults gives exactly the lab that is kept beside it."""
    text = rendered(parse(path.read_bytes(), source=path.name))
    assert text == golden(GOLDEN / path.parent.name / f"{path.stem}.json", text)


def test_every_golden_file_belongs_to_a_lab_file() -> None:
    """No expectation is left over from a file that is gone."""
    names = {path.stem for path in (*BAD, *GOOD)}
    assert {path.stem for path in GOLDEN.glob("*/*") if path.suffix in (".txt", ".json")} == names


def test_lab_file_error_is_a_usage_error() -> None:
    """A faulty lab file ends the program as a wrong command line does: with exit status 2."""
    assert issubclass(LabFileError, UsageError)
    assert fault("nat").exit_code == 2


# ---------------------------------------------------------------------- files that cannot be kept as text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x7fELF\n\n\0\0\0", "lab.yaml:3:1: expected a text file, found a NUL byte (is it a binary file?)"),
        (b"name: nat\nx: \xff\n", "lab.yaml:2:1: expected a file in UTF-8, found the byte 0xff (save it as UTF-8)"),
        ("name: nat".encode("utf-16"), "lab.yaml:1:1: expected a text file, found a NUL byte (is it a binary file?)"),
        (b"name: a\nx: \x1b[0m", "lab.yaml:2:4: expected printable characters, found the character U+001B (remove it)"),
        (b"#" * (1024 * 1024 + 1), "lab.yaml:1:1: expected a file of at most 1024 KiB, found a larger one"),
    ],
    ids=["binary", "latin-1", "utf-16", "escape sequence", "larger than a MiB"],
)
def test_what_is_no_text_is_refused(content: bytes, message: str) -> None:
    """A file that is no readable text is refused with the place of the first thing that is none."""
    assert str(fault(content)) == message


def test_byte_order_mark_is_no_fault() -> None:
    """Windows editors write a mark before UTF-8, and it is not part of the first key."""
    assert parse(("\ufeff" + NETWORK + ALICE % "").encode()) == parse(NETWORK + ALICE % "")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_any_line_end_will_do(newline: str) -> None:
    """The line ends of all systems are read."""
    assert parse((NETWORK + ALICE % "").replace("\n", newline)) == parse(NETWORK + ALICE % "")


@pytest.mark.parametrize(
    "content",
    [
        b"a:\n" + b"- a\n" * 250_000,
        b"a: [" + b"a," * 500_000 + b"]",
        b"[" * 1_000_000,
        b"- " * 500_000,
        b"{a: " * 250_000,
        b"".join(b"k%d: v\n" % number for number in range(80_000)),
        b"a: &a [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(b"a%d: &a%d [*a,*a]\n" % (n, n) for n in range(40_000)),
    ],
    ids=["long list", "long flow list", "brackets", "dashes", "braces", "many keys", "many anchors"],
)
def test_size_is_bounded_in_time(content: bytes) -> None:
    """A file of the greatest size is refused in time that grows with its size, whatever is in it."""
    begun = time.process_time()
    assert "at most" in str(fault(content))
    assert time.process_time() - begun < BOUND_SECONDS


@pytest.mark.parametrize(
    "content",
    [
        NETWORK + ALICE % (", " + ", ".join(f"environment{n}: v" for n in range(9_500))),
        NETWORK + "services:\n" + "\n".join(f"  h{n}: {{}}" for n in range(9_500)),
        NETWORK + "services:\n" + "\n".join(f"  h{n}: {{image: x, networks: {{la: {{}}}}}}" for n in range(2_200)),
        "networks:\n"
        + "\n".join(f"  n{n}: {{ipam: {{config: [{{subnet: 10.{n // 256}.{n % 256}.0/24}}]}}}}" for n in range(2_000))
        + f"\n{ALICE % ''}",
        "networks:\n"
        + "\n".join(f"  n{n}: {{ipam: {{config: [{{subnet: 10.0.0.0/8}}]}}}}" for n in range(2_000))
        + f"\n{ALICE % ''}",
        NETWORK + ALICE % (", x-lab: {addresses: {lan: [" + "10.0.0.2, 10.0.0.3, " * 9_500 + "]}}"),
        NETWORK + ALICE % (", x-lab: {programs: {p: {files: [" + "programs/echo.py, " * 19_000 + "]}}}"),
        NETWORK + ALICE % (", x-lab: {nat: {outside: lan, forward: [" + "{tcp: 8, to: '10.0.0.9:1'}, " * 3_500 + "]}}"),
    ],
    ids=["keys", "hosts", "unknown networks", "networks", "overlaps", "addresses", "files", "forwards"],
)
def test_checks_are_bounded_in_time(content: str) -> None:
    """What is held against each other is so in time, however much of one kind a file holds."""
    begun = time.process_time()
    assert "at most 20000 values" not in str(fault(content))
    assert time.process_time() - begun < BOUND_SECONDS


# ----------------------------------------------------------------------------------- files that are deployed


def test_large_program_file_is_refused() -> None:
    """A program's file may have 256 KiB."""
    program = ", x-lab: {programs: {p: {files: [big]}}}"
    assert parse(NETWORK + ALICE % program, read=lambda _: bytes(256 * 1024)).host("alice").programs
    error = fault(NETWORK + ALICE % program, read=lambda _: bytes(256 * 1024 + 1))
    assert [problem.expected for problem in error.problems] == ["a file of at most 256 KiB"]


def test_program_files_are_bounded_together() -> None:
    """All files of a lab may have 1024 KiB, because the lab travels in a label."""
    files = ", ".join(f"f{number}" for number in range(9))
    error = fault(
        NETWORK + ALICE % f", x-lab: {{programs: {{p: {{files: [{files}]}}}}}}", read=lambda _: bytes(120_000)
    )
    assert [problem.key for problem in error.problems] == ["services.alice.x-lab.programs.p.files[8]"]


# ------------------------------------------------------------------------------------------- what goes on


def test_misspelt_key_is_not_missing_too() -> None:
    """A required key that is misspelt is one problem, not two."""
    error = fault(NETWORK.replace("subnet", "subnte") + ALICE % "")
    assert [problem.hint for problem in error.problems] == ["did you mean subnet?"]


def test_tag_on_the_whole_file_hides_nothing() -> None:
    """A tag before the top mapping is one problem, and what is in the mapping is still looked at."""
    error = fault("!lab\n" + NETWORK + ALICE % ", dns: nowhere")
    assert [problem.key for problem in error.problems] == ["", "services.alice.dns"]


def test_fault_of_one_host_hides_none_of_another() -> None:
    """A host whose values are at fault is left out, and the others are still held against each other."""
    hosts = """
services:
  alice: {image: socketlab/host, pids_limit: many, networks: {lan: {ipv4_address: 10.0.0.1}}}
  bob: {image: socketlab/host, networks: {lan: {ipv4_address: 10.0.0.2}}}
  carol: {image: socketlab/host, networks: {lan: {ipv4_address: 10.0.0.2}}}
"""
    keys = [problem.key for problem in fault(NETWORK + hosts).problems]
    assert keys == ["services.alice.pids_limit", "services.carol.networks.lan.ipv4_address"]


def test_nothing_is_said_about_what_may_be_in_a_part_at_fault() -> None:
    """Where a host is left out, nobody is told that no host has an address: that host may have it."""
    hosts = """
services:
  alice: {image: socketlab/host, networks: {lan: {ipv4_address: 10.0.0.2}}, dns: 10.0.0.1, x-lab: {gateway: 10.0.0.1}}
  router: {image: socketlab/gateway, networks: {lan: {ipv4_address: 10.0.0.1}}, mem_limit: 1}
"""
    assert [problem.key for problem in fault(NETWORK + hosts).problems] == ["services.router.mem_limit"]


def test_refused_key_leaves_the_rest_to_be_checked() -> None:
    """A key that a lab file must not have does not keep its host from being looked at."""
    keys = [problem.key for problem in fault(NETWORK + ALICE % ", privileged: true, dns: 10.0.0.9").problems]
    assert keys == ["services.alice.privileged", "services.alice.dns"]


def test_file_without_name_is_called_as_its_caller_says() -> None:
    """The name of a lab is the file's own, or else the one its caller gives."""
    assert parse(NETWORK + ALICE % "").name == "unnamed"
    assert parse("name: own\n" + NETWORK + ALICE % "").name == "own"


def test_sixty_hosts() -> None:
    """A lab of sixty hosts is read in full and in order."""
    hosts = "".join(
        f"  host-{n}:\n    image: socketlab/host\n    networks: {{lan: {{ipv4_address: 10.0.1.{n}}}}}\n"
        f"    x-lab: {{programs: {{echo: {{files: [programs/echo.py], run: [python3, echo.py], ready: udp/7777}}}}}}\n"
        for n in range(60)
    )
    lab = parse(f"{NETWORK}services:\n{hosts}")
    assert [host.name for host in lab.hosts] == [f"host-{n}" for n in range(60)]
    assert [str(host.interfaces[0].addresses[0]) for host in lab.hosts] == [f"10.0.1.{n}/16" for n in range(60)]


def test_addresses_are_typed() -> None:
    """After reading there are no addresses as text: they are values of `ipaddress`."""
    lab = parse((GOLDEN / "good" / "dual-stack.yaml").read_bytes())
    assert lab.networks[0].subnets == (ip_network("192.168.1.0/24"), ip_network("fd00:1::/64"))
    assert lab.host("alice").gateways == (IPv4Address("192.168.1.1"), IPv6Address("fd00:1::1"))
