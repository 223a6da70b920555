"""Measure socketlab beside what else would start the same hosts, in one run, as ratios.

    python -m tests.bench.bench [--rounds N] [--sizes 5,30,100] [--labs]

No test: it prints and never fails on a number. In each round every contender runs once, one after the other, so
that what else the machine does falls on all of them; the median of the rounds counts.

Contenders for each size:
  lab       `lab up` and `lab down`, as a user calls them: everything declared is observed before it returns
  compose   `docker compose up -d` and `down` of the same hosts: no routes, no translation, nothing observed
  bare      creating and starting as many containers through docker-py, without any network, and removing them

Then `lab up` of every lab that comes along, by itself; with --labs, only that.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from lab import images, instances, labfiles, live
from lab.engine import Engine
from lab.grading import grade, library
from lab.model import Lab
from lab.plan import LABEL_INSTANCE, Container, plan

NAME = "bench"
SEGMENTS = 3


@dataclass(kw_only=True)
class Times:
    """Seconds, one per round, by what was measured."""

    rows: dict[str, list[float]] = field(default_factory=dict)

    @contextlib.contextmanager
    def measure(self, what: str) -> Iterator[None]:
        """Time a block."""
        began = time.perf_counter()
        yield
        self.rows.setdefault(what, []).append(time.perf_counter() - began)

    def median(self, what: str) -> float | None:
        """The median of the rounds; None if it was not measured."""
        return statistics.median(self.rows[what]) if what in self.rows else None


# ----------------------------------------------------------------------------------------------- labs


def generated(hosts: int) -> dict[str, Any]:
    """A lab file's content: a router on three segments, and the other hosts spread over them."""
    networks = {f"n{n}": {"ipam": {"config": [{"subnet": f"10.{n}.0.0/16"}]}} for n in range(SEGMENTS)}
    attached = {f"n{n}": {"ipv4_address": f"10.{n}.0.1"} for n in range(SEGMENTS)}
    services: dict[str, Any] = {
        "router": {
            "image": "socketlab/gateway",
            "networks": attached,
            "x-lab": {"nat": {"outside": "n0", "ports": "40000-49999"}},
        }
    }
    for number in range(1, hosts):
        segment = number % SEGMENTS
        services[f"h{number}"] = {
            "image": "socketlab/host",
            "networks": {f"n{segment}": {"ipv4_address": f"10.{segment}.{1 + number // 200}.{1 + number % 200}"}},
            "x-lab": {"gateway": f"10.{segment}.0.1"},
        }
    return {"name": f"generated-{hosts}", "networks": networks, "services": services}


def for_compose(lab: dict[str, Any]) -> dict[str, Any]:
    """The same hosts for Compose: without x-lab, and with Docker's own address out of the hosts' way."""
    networks = {}
    for name, network in lab["networks"].items():
        (config,) = network["ipam"]["config"]
        base = config["subnet"].split("/")[0].split(".")
        networks[name] = {"ipam": {"config": [{**config, "gateway": ".".join([*base[:3], "254"])}]}}
    services = {
        name: {"image": service["image"], "networks": service["networks"]} for name, service in lab["services"].items()
    }
    return {"name": NAME, "networks": networks, "services": services}


def lab_of(size: int, folder: Path) -> tuple[str, Path]:
    """What `lab up` and `docker compose -f` take for that many hosts."""
    if size == 5:
        given, content = "nat", yaml.safe_load((labfiles.folder() / "nat.yaml").read_text())
    else:
        content = generated(size)
        path = folder / f"generated-{size}.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        given = str(path)
    compose = folder / f"compose-{size}.yaml"
    compose.write_text(yaml.safe_dump(for_compose(content), sort_keys=False))
    return given, compose


# ----------------------------------------------------------------------------------------- contenders


def run(*command: str) -> None:
    """Run a command quietly; its output is shown if it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def lab_command(*arguments: str) -> None:
    """`lab ...` as a user calls it."""
    run(sys.executable, "-m", "lab", *arguments)


def resident(containers: set[str]) -> int:
    """Memory in bytes of containers' processes and of the engine's own process for each (`containerd-shim`).

    Proportional set sizes (proc(5), smaps_rollup): what several share is counted once.
    """
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            groups = (process / "cgroup").read_text()
            shim = "containerd-shim" in words[0] and bool(containers & set(words))
            if shim or any(one in groups for one in containers):
                lines = (process / "smaps_rollup").read_text().splitlines()
                total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
        except OSError:
            continue  # it ended meanwhile
    return total


def compose_command() -> tuple[str, ...] | None:
    """Compose v2, if there is one."""
    for command in (("docker", "compose"), ("docker-compose",)):
        if shutil.which(command[0]) is None:
            continue
        done = subprocess.run([*command, "version", "--short"], capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.strip().lstrip("v").startswith(("2", "5")):
            return command
    return None


def bare(engine: Engine, containers: tuple[Container, ...], times: Times, prefix: str) -> None:
    """Create and start containers as `lab up` describes them, and remove them: nothing else."""

    def make(container: Container) -> str:
        made = engine.create(container)
        engine.start(made)
        return made

    with ThreadPoolExecutor(instances.THREADS) as pool:
        with times.measure(f"{prefix} up bare"):
            made = list(pool.map(make, containers))
        with times.measure(f"{prefix} down bare"):
            list(pool.map(engine.remove, made))


@contextlib.contextmanager
def removing(engine: Engine) -> Iterator[None]:
    """Leave nothing behind when a round is cut off."""
    try:
        yield
    except BaseException:
        instances.remove(engine, {LABEL_INSTANCE: NAME})
        raise


def one_round(engine: Engine, size: int, given: str, compose_file: Path, times: Times) -> None:
    """Every contender once."""
    with times.measure(f"{size} up lab"):
        lab_command("up", given, "--name", NAME)
    own = {found.id for found in engine.containers({LABEL_INSTANCE: NAME})}
    times.rows.setdefault(f"{size} memory lab", []).append(resident(own) / size)
    with times.measure(f"{size} status lab"):
        lab_command("status", "--name", NAME)
    with live.attach(engine, instances.find(engine, NAME)) as instance, times.measure(f"{size} reset inside"):
        instance.reset()
    with times.measure(f"{size} reset lab"):
        lab_command("reset", "--name", NAME)
    with times.measure(f"{size} down lab"):
        lab_command("down", "--name", NAME)
    compose = compose_command()
    if compose is not None:
        base = (*compose, "-f", str(compose_file))
        with times.measure(f"{size} up compose"):
            run(*base, "up", "-d")
        own = {found.id for found in engine.containers({"com.docker.compose.project": NAME})}
        times.rows.setdefault(f"{size} memory compose", []).append(resident(own) / size)
        with times.measure(f"{size} down compose"):
            run(*base, "down")
    lab: Lab = labfiles.load(given)
    refs = images.ensure(engine, say=lambda _: None)
    bare(engine, plan(lab, instance=NAME, images=refs).hosts, times, str(size))


def each_lab(engine: Engine, times: Times) -> None:
    """Every lab of compose/ once, up and down as a user calls it, and as many bare containers; then all of the note."""
    refs = images.ensure(engine, say=lambda _: None)
    for name, _ in labfiles.available():
        with times.measure(f"lab {name}"):
            lab_command("up", name, "--name", NAME)
        lab_command("down", "--name", NAME)
        bare(engine, plan(labfiles.load(name), instance=NAME, images=refs).hosts, times, name)
    with times.measure("note"):
        lab_command("note", "--all")


def each_exercise(times: Times, folder: Path) -> None:
    """Every exercise's solution checked, on a lab that runs and on one of its own; then all of them verified."""
    for place in library.available():
        loaded = library.load(str(place))
        variant = ("--variant", NAME)
        lab_command("exercise", "start", place.name, str(folder / place.name), *variant)
        with times.measure(f"check {place.name} warm"):
            lab_command("check", place.name, str(place / library.SOLUTION), *variant)
        lab_command("down", "--name", grade.instance_name(loaded.exercise, grade.variant(loaded.exercise, NAME)))
        with times.measure(f"check {place.name} own"):
            lab_command("check", place.name, str(place / library.SOLUTION), *variant)
    with times.measure("verify"):
        lab_command("verify")


# -------------------------------------------------------------------------------------------- results


def seconds(value: float | None) -> str:
    """For a cell."""
    return "-" if value is None else f"{value:.2f} s"


def ratio(value: float | None, to: float | None) -> str:
    """For a cell."""
    return "-" if value is None or to is None else f"{value / to:.2f}"


def results(times: Times, sizes: list[int]) -> Table:
    """Rows for people: what, ours, the other's, and ours as a part of the other's."""
    table = Table(box=None, header_style="bold")
    for column, justify in (("HOSTS", "right"), ("WHAT", "left"), ("LAB", "right"), ("THE OTHER", "right")):
        table.add_column(column, justify="right" if justify == "right" else "left")
    table.add_column("RATIO", justify="right")
    for size in sizes:
        up, down = times.median(f"{size} up lab"), times.median(f"{size} down lab")
        for what, ours, other in (
            ("up / docker compose up -d", up, times.median(f"{size} up compose")),
            ("up / bare create and start", up, times.median(f"{size} up bare")),
            ("down / docker compose down", down, times.median(f"{size} down compose")),
            ("reset / down and up", times.median(f"{size} reset lab"), (up or 0) + (down or 0)),
            (
                "reset without the command's own start / down and up",
                times.median(f"{size} reset inside"),
                (up or 0) + (down or 0),
            ),
            ("status", times.median(f"{size} status lab"), None),
        ):
            table.add_row(str(size), what, seconds(ours), seconds(other), ratio(ours, other))
        ours, other = times.median(f"{size} memory lab"), times.median(f"{size} memory compose")
        table.add_row(
            str(size),
            "memory per host (its processes, its part of helper and engine) / compose's",
            "-" if ours is None else f"{ours / 1e6:.1f} MB",
            "-" if other is None else f"{other / 1e6:.1f} MB",
            ratio(ours, other),
        )
    return table


def lab_results(times: Times) -> Table:
    """A row for every lab of compose/."""
    table = Table(box=None, header_style="bold")
    for column in ("LAB", "HOSTS", "UP", "BARE CREATE AND START", "RATIO"):
        table.add_column(column, justify="left" if column == "LAB" else "right")
    for name, _ in labfiles.available():
        ours, other = times.median(f"lab {name}"), times.median(f"{name} up bare")
        table.add_row(name, str(len(labfiles.load(name).hosts)), seconds(ours), seconds(other), ratio(ours, other))
    table.add_row("lab note --all", "", seconds(times.median("note")), "", "")
    return table


def exercise_results(times: Times) -> Table:
    """A row for every exercise."""
    table = Table(box=None, header_style="bold")
    for column in ("EXERCISE", "CHECKS", "ON A LAB THAT RUNS", "ON ONE OF ITS OWN", "RATIO"):
        table.add_column(column, justify="left" if column == "EXERCISE" else "right")
    for place in library.available():
        warm, own = times.median(f"check {place.name} warm"), times.median(f"check {place.name} own")
        checks = len(library.load(str(place)).checks)
        table.add_row(place.name, str(checks), seconds(warm), seconds(own), ratio(warm, own))
    table.add_row("lab verify", "", seconds(times.median("verify")), "", "")
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="socketlab beside Compose and bare containers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", default="5,30,100")
    parser.add_argument("--labs", action="store_true", help="only the labs and exercises that come along")
    chosen = parser.parse_args()
    sizes = [] if chosen.labs else [int(size) for size in chosen.sizes.split(",")]
    times = Times()
    console = Console(stderr=True)
    with Engine.connect() as engine, tempfile.TemporaryDirectory() as folder:
        # What the user's own `lab note` found last is not the bench's to change.
        os.environ["XDG_STATE_HOME"] = folder
        images.ensure(engine, say=console.print)
        if sizes and compose_command() is None:
            console.print("no Compose v2 here (`docker compose version`): its columns stay empty")
        for size in sizes:
            given, compose_file = lab_of(size, Path(folder))
            for number in range(chosen.rounds):
                console.print(f"{size} hosts, round {number + 1} of {chosen.rounds}")
                with removing(engine):
                    one_round(engine, size, given, compose_file, times)
        for number in range(chosen.rounds):
            console.print(f"every lab, round {number + 1} of {chosen.rounds}")
            with removing(engine):
                each_lab(engine, times)
        for number in range(chosen.rounds):
            console.print(f"every exercise, round {number + 1} of {chosen.rounds}")
            each_exercise(times, Path(folder))
    out = Console(width=120)
    out.print(
        f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}, {chosen.rounds} rounds, medians"
    )
    if sizes:
        out.print(results(times, sizes))
    out.print(lab_results(times))
    out.print(exercise_results(times))


if __name__ == "__main__":
    main()
