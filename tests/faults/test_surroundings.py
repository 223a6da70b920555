"""A lab comes up, is used, reset and removed from wherever it is called, by whom: odd paths, no home, no terminal."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from lab import instances, labfiles
from lab.engine import Engine, endpoint
from lab.errors import EngineError, LabFileError
from lab.plan import LABEL_INSTANCE
from tests.faults.support import ANSWER, SMALL, left
from tests.live.support import command_line

ROOT = Path(__file__).resolve().parents[2]
NAME = "flt-around"
NOBODY = 54321
"""a user without a name, a home or a group"""
PATH = {"PATH": os.environ["PATH"], **({"DOCKER_HOST": endpoint()} if endpoint() else {})}
ENVIRONMENTS = {
    "nothing but where programs are": {},
    "no language": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "HOME": "/nonexistent"},
    "few signs": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1", "TERM": "dumb", "COLUMNS": "1"},
}
LIFE = """
set -e
lab() { "$PYTHON" -m lab "$@" --name "$NAME"; }
lab up "$LAB" >"$OUT/up"
"$PYTHON" -m lab run --name "$NAME" alice "$PROGRAM" >"$OUT/run"
lab status >"$OUT/status"
lab reset >"$OUT/reset"
lab down >"$OUT/down"
"""
"""What is done in each surrounding."""
PROGRAM = (
    '"""Grüße, 世界."""\nimport socket\nprint(socket.create_connection(("203.0.113.80", 7000)).recv(99).decode())\n'
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with an odd name, in which are a lab file, its program, and a program to run."""
    made = tmp_path / "a b's (ü) 世"
    made.mkdir()
    for name in ("small.yaml", "serve.py"):
        (made / name).write_bytes((SMALL.parent / name).read_bytes())
    (made / "my program.py").write_text(PROGRAM, encoding="utf-8")
    (made / "out").mkdir()
    made.chmod(0o755)
    return made


def live_there(
    engine: Engine,
    place: Path,
    *before: str,
    environment: Mapping[str, str],
    root: Path = ROOT,
) -> None:
    """Let a lab live from up to down in a shell of its own, without a terminal, by way of the command `before`."""
    given = PATH | {
        "PYTHONPATH": str(root),
        "PYTHON": sys.executable,
        "NAME": NAME,
        "LAB": str(place / "small.yaml"),
        "PROGRAM": str(place / "my program.py"),
        "OUT": str(place / "out"),
    }
    instances.remove(engine, {LABEL_INSTANCE: NAME}, settle=False)
    try:
        done = subprocess.run(
            [*before, "setsid", "--wait", "sh", "-c", LIFE],
            env=given | dict(environment),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            check=False,
        )
        said = done.stderr.decode(errors="replace")
        assert done.returncode == 0, said
        assert "Traceback" not in said
        assert (place / "out" / "run").read_bytes() == ANSWER
        assert (place / "out" / "reset").read_text() == f"{NAME}: 3 hosts as at the start\n"
        assert left(engine, NAME) == 0
    finally:
        instances.remove(engine, {LABEL_INSTANCE: NAME}, settle=False)


@pytest.mark.parametrize("kind", ENVIRONMENTS)
def test_an_environment(engine: Engine, place: Path, kind: str) -> None:
    """Neither a home, nor a language, nor a terminal is needed; paths may have spaces, quotes and any sign."""
    live_there(engine, place, environment=ENVIRONMENTS[kind])


def mounted(*lines: str, command: str = "exec") -> tuple[str, ...]:
    """Before a command: a mount namespace of its own, in which the lines have been carried out."""
    return ("unshare", "--mount", "sh", "-c", "\n".join(("set -e", *lines, f'{command} "$@"')), "sh")


def bind(source: object, target: object) -> str:
    """A line of a shell that shows a folder at a further place."""
    return f"mount --bind {shlex.quote(str(source))} {shlex.quote(str(target))}"


def test_a_checkout_that_cannot_be_written(engine: Engine, place: Path) -> None:
    """And whose path has spaces: nothing is written beside the programs."""
    checkout = place / "check out"
    checkout.mkdir()
    read_only = f"mount -o remount,ro,bind {shlex.quote(str(checkout))}"
    control = f"if touch {shlex.quote(str(checkout / 'written'))}; then exit 99; fi"
    before = mounted(bind(ROOT, checkout), read_only, control)
    live_there(engine, place, *before, environment={}, root=checkout)


def become_nobody(place: Path, groups: str) -> tuple[str, ...]:
    """Before a command: another user, who can reach the checkout and its Python, wherever they are."""
    for folder in place.parents:
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(0o755)  # pytest's are their owner's alone
    lines, back = [], []
    for number, path in enumerate(dict.fromkeys((ROOT, Path(sys.prefix), Path(sys.base_prefix)))):
        if all(folder.stat().st_mode & 0o001 for folder in path.parents):
            continue
        (kept := place / str(number)).mkdir()
        lines.append(bind(path, kept))
        back += [f"mkdir -p {shlex.quote(str(path))}", bind(kept, path)]
        if (cover := f"mount -t tmpfs -o mode=755 none /{path.parts[1]}") not in back:
            back.insert(0, cover)
    drop = f"exec setpriv --reuid {NOBODY} --regid {NOBODY} --inh-caps=-all {groups}"
    return mounted(*lines, *back, command=drop)


def test_a_user_of_dockers_group(engine: Engine, place: Path) -> None:
    """Who is not root, has neither a name nor a home, and may use the engine's socket."""
    socket = Path((endpoint() or "unix:///var/run/docker.sock").removeprefix("unix://"))
    os.chown(place / "out", NOBODY, NOBODY)
    before = become_nobody(place, f"--groups {socket.stat().st_gid}")
    live_there(engine, place, *before, environment={})


def test_a_user_of_no_group(place: Path) -> None:
    """Is told why, and who may."""
    done = subprocess.run(
        [*become_nobody(place, "--clear-groups"), "sh", "-c", f"id -u; {shlex.quote(sys.executable)} -m lab status"],
        env=PATH | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        cwd="/",
    )
    assert done.stdout.decode() == f"{NOBODY}\n"
    assert done.returncode == EngineError.exit_code, done.stderr.decode()
    assert b"this user may not use its socket; root and members of the group docker may" in done.stderr
    assert b"Traceback" not in done.stderr


# -------------------------------------------------------------------------------------------- names

LAB = """\
networks: {{home: {{ipam: {{config: [{{subnet: 192.168.1.0/24}}]}}}}}}
services:
  {name}:
    image: socketlab/host
    networks: {{home: {{ipv4_address: 192.168.1.80}}}}
"""


@pytest.mark.parametrize("name", ["a", "web-", "a" * 32, "yes", "on-9"])
def test_a_host_may_be_named(name: str, tmp_path: Path) -> None:
    """As DNS names a host (RFC 1123), in lower case, short enough for what is made of it."""
    (tmp_path / "lab.yaml").write_text(LAB.format(name=name))
    assert [host.name for host in labfiles.load(str(tmp_path / "lab.yaml")).hosts] == [name]


@pytest.mark.parametrize(
    "name", ["web.one", "web_1", "Web", "-web", "123", "a" * 33, "a" * 63, "a" * 64, "wéb", "'we b'", "'🦊'", "''"]
)
def test_a_host_may_not_be_named(name: str, tmp_path: Path) -> None:
    """What Compose permits and a host's name cannot be is refused, as what it does not permit: with file and line."""
    (tmp_path / "lab.yaml").write_text(LAB.format(name=name))
    with pytest.raises(
        LabFileError, match=r"lab\.yaml:3:3: services.*: expected a host's name: a letter, then letters"
    ):
        labfiles.load(str(tmp_path / "lab.yaml"))


def test_the_longest_names_of_all(engine: Engine, tmp_path: Path) -> None:
    """An instance's, a host's and the name that the host has in its network: all at once."""
    host, name = "h" * 32, "i" * 41
    text = LAB.format(name=host) + f"    hostname: {'n' * 60}.org\n"
    (tmp_path / "lab.yaml").write_text(text)
    try:
        up = command_line("up", str(tmp_path / "lab.yaml"), "--name", name)
        assert up.returncode == 0, up.stderr.decode()
        said = command_line("exec", "--name", name, host, "hostname")
        assert said.stdout.decode() == f"{'n' * 60}.org\n"
    finally:
        instances.remove(engine, {LABEL_INSTANCE: name}, settle=False)
