"""How much one machine holds: many instances at once, and one instance of many hosts; time and memory for each host.

    python -m tests.bench.scale [--instances 1,10,30] [--hosts 10,100,300] [--wirings fabric,networks] [--write]

No test: it prints, and fails only where a lab does not come up, is not as declared, or does not go. Each instance is
brought up through the package, which returns when all that is declared was observed; then it is reset, which is
proven, and taken down, after which nothing may be left. With --write the results go into docs/scale.json,
docs/scale.svg and the table of docs/scale.md.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pygal
import yaml
from pygal.style import CleanStyle

from lab import images, instances, labfiles, live
from lab.building import WIRINGS
from lab.engine import Engine
from lab.model import Lab
from lab.plan import LABEL_INSTANCE
from tests.bench.bench import resident

NAME = "scale"
HOSTS_ON_A_SEGMENT = 10
AT_ONCE = 8
"""instances that are started at the same time; more would only wait for each other"""
DOCS = Path(__file__).parents[2] / "docs"
BEGIN, END = "<!-- measured by tests/bench/scale.py -->\n", "<!-- end -->\n"
MIB = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One size on one wiring: seconds, and bytes for each host of all instances together."""

    wiring: str
    what: str
    """`instances` of nat, or one of so many `hosts`"""
    size: int
    hosts: int
    up: float
    reset: float
    down: float
    memory: float
    """of the hosts' processes, their part of helpers, and what the engine has for each container"""


def segments_of(hosts: int) -> int:
    """How many a lab of so many hosts has; the router translates between two at least."""
    return max(2, hosts // HOSTS_ON_A_SEGMENT)


def segmented(hosts: int) -> dict[str, Any]:
    """A lab file's content: segments of ten hosts, of which a router is one, on every segment."""
    segments = segments_of(hosts)
    networks = {f"n{n}": {"ipam": {"config": [{"subnet": f"10.{n}.0.0/24"}]}} for n in range(segments)}
    services: dict[str, Any] = {
        "router": {
            "image": "socketlab/gateway",
            "networks": {f"n{n}": {"ipv4_address": f"10.{n}.0.1"} for n in range(segments)},
            "x-lab": {"nat": {"outside": "n0", "ports": "40000-49999"}},
        }
    }
    for number in range(1, hosts):
        segment = number % segments
        services[f"h{number}"] = {
            "image": "socketlab/host",
            "networks": {f"n{segment}": {"ipv4_address": f"10.{segment}.0.{2 + number // segments}"}},
            "x-lab": {"gateway": f"10.{segment}.0.1"},
        }
    return {"name": f"segmented-{hosts}", "networks": networks, "services": services}


def lab_of(hosts: int, folder: Path) -> Lab:
    """The lab of so many hosts."""
    path = folder / f"segmented-{hosts}.yaml"
    path.write_text(yaml.safe_dump(segmented(hosts), sort_keys=False))
    return labfiles.load(str(path))


def measured(engine: Engine, lab: Lab, count: int, wiring: str, what: str, size: int) -> Measured:
    """So many instances of a lab: up at once, reset, down."""
    refs = images.ensure(engine, say=lambda _: None)
    names = [f"{NAME}-{number}" for number in range(count)]

    def up(name: str) -> None:
        live.up(engine, lab, name=name, images=refs, say=lambda _: None, wiring=wiring).close()

    def reset(name: str) -> None:
        with live.attach(engine, instances.find(engine, name)) as instance:
            instance.reset()

    def down(name: str) -> None:
        instances.down(engine, name)

    took = []
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for act in (up, reset):
                began = time.perf_counter()
                list(pool.map(act, names))
                took.append(time.perf_counter() - began)
            own = {one.id for name in names for one in engine.containers({LABEL_INSTANCE: name})}
            memory = resident(own)
            began = time.perf_counter()
            list(pool.map(down, names))
            took.append(time.perf_counter() - began)
    except BaseException:
        for name in names:
            instances.remove(engine, {LABEL_INSTANCE: name}, settle=False)
        raise
    labels = [{LABEL_INSTANCE: name} for name in names]
    left = [one[LABEL_INSTANCE] for one in labels if engine.containers(one) or engine.networks(one)]
    if left:
        raise SystemExit(f"expected nothing to be left, observed something of {', '.join(left)}")
    hosts = count * len(lab.hosts)
    seconds = [round(one, 2) for one in took]
    return Measured(
        wiring=wiring,
        what=what,
        size=size,
        hosts=hosts,
        up=seconds[0],
        reset=seconds[1],
        down=seconds[2],
        memory=round(memory / hosts),
    )


def table(found: list[Measured]) -> str:
    """The rows of docs/scale.md."""
    columns = ("wiring", "what", "hosts", "up", "for each host", "reset", "down", "memory for each host")
    rows = [columns, ("---",) * len(columns)]
    for one in found:
        segments = segments_of(one.size)
        rows.append(
            (
                one.wiring,
                f"{one.size} × `nat`" if one.what == "instances" else f"one lab, segments: {segments}",
                str(one.hosts),
                f"{one.up:.1f} s",
                f"{1000 * one.up / one.hosts:.0f} ms",
                f"{one.reset:.1f} s",
                f"{one.down:.1f} s",
                f"{one.memory / MIB:.1f} MiB",
            )
        )
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def plot(found: list[Measured]) -> str:
    """How the time of a start grows with hosts."""
    chart = pygal.XY(
        title="lab up: seconds by hosts",
        x_title="hosts, of all instances together",
        y_title="seconds",
        style=CleanStyle(font_family="sans-serif"),
        show_dots=True,
        js=(),
        width=800,
        height=460,
        legend_at_bottom=True,
        legend_at_bottom_columns=2,
        no_prefix=True,
        disable_xml_declaration=True,
    )
    for wiring in WIRINGS:
        for what in ("instances", "hosts"):
            points = [(one.hosts, one.up) for one in found if (one.wiring, one.what) == (wiring, what)]
            if points:
                named = "many instances of nat" if what == "instances" else "one lab, ten hosts on a segment"
                chart.add(f"{wiring}: {named}", [(0, 0), *points])
    return str(chart.render(is_unicode=True))


def main() -> None:
    """Measure, print, and perhaps write."""
    parser = argparse.ArgumentParser(description="how much one machine holds")
    parser.add_argument("--instances", default="1,10,30")
    parser.add_argument("--hosts", default="10,100,300")
    parser.add_argument("--wirings", default=",".join(WIRINGS))
    parser.add_argument("--write", action="store_true", help="into docs/")
    parser.add_argument("--folder", type=Path, default=Path("/tmp"), help="for lab files")
    chosen = parser.parse_args()
    found = []
    with Engine.connect() as engine:
        for wiring in chosen.wirings.split(","):
            sizes = [(int(one), "instances") for one in chosen.instances.split(",") if one]
            sizes += [(int(one), "hosts") for one in chosen.hosts.split(",") if one]
            for size, what in sizes:
                lab = labfiles.load("nat") if what == "instances" else lab_of(size, chosen.folder)
                count = size if what == "instances" else 1
                found.append(measured(engine, lab, count, wiring, what, size))
                sys.stderr.write(f"{json.dumps(asdict(found[-1]))}\n")
    text = table(found)
    sys.stdout.write(f"{platform.machine()}, Linux {platform.release()}\n{text}")
    if chosen.write:
        (DOCS / "scale.json").write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n", encoding="utf-8")
        (DOCS / "scale.svg").write_text(plot(found), encoding="utf-8")
        page = DOCS / "scale.md"
        before, rest = page.read_text(encoding="utf-8").split(BEGIN)
        page.write_text(before + BEGIN + text + END + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
