"""Make the recorded files of captures, events and system calls again from a running lab: python record.py INSTANCE.

It is the lab nat (`lab up nat --name INSTANCE`). Ports, times and numbers differ from run to run; the tests say
what they expect of the files that are here.
"""

from __future__ import annotations

import sys
from pathlib import Path

from lab import instances, live
from lab.engine import Engine
from lab.wiring import CapturePoint

HERE = Path(__file__).parent
PROGRAMS = HERE.parents[1] / "live/programs"
POINTS = ("alice", "router", "server")
TRAFFIC = """
import socket
c = socket.create_connection(("203.0.113.80", 65432), source_address=("", 5555)); c.send(b"Hello"); c.recv(9); c.close()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(0.3); s.connect(("203.0.113.99", 5300))
s.send(b"nobody there")
try: s.recv(9)
except OSError: pass
"""
TRACED = """
import os, socket, threading
t = socket.create_connection(("203.0.113.80", 65432)); t.send(b"Hello")
d = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
d.connect(("203.0.113.80", 53)); d.send(b'{sa_family=AF_INET, sin_port=htons(7)} "quoted" ) = 0')
u = socket.socket(socket.AF_UNIX)
try: u.connect("/run/nothing")
except OSError: pass
w = threading.Thread(target=t.recv, args=(10,)); w.start(); w.join()
if os.fork() == 0:
    t.shutdown(1)
    os._exit(3)
os.wait()
"""


def main(name: str) -> None:
    """Record all of them."""
    with Engine.connect() as engine, live.attach(engine, instances.find(engine, name)) as lab:
        number = lab.wiring.capture(lab.lab, [CapturePoint(name=one) for one in POINTS], limit=1 << 20)
        with lab.events("router") as events:
            lab.run("alice", ["python3", "-c", TRAFFIC])
            lab.run("alice", ["ping", "-c", "1", "203.0.113.80"])
            lab.wiring.stop_recording(number)
            lab.wiring.command("router", ("conntrack", "-F"), seconds=5)
            text = lab.wiring.recorded(events._number or 0, at=0, drain=True).data
        (HERE / "conntrack_events.txt").write_bytes(text)
        found = lab.wiring.recorded(number, at=0)
        (HERE / "frames.bin").write_bytes(found.data)
        names = "".join(f"{POINTS[index]} {device}\n" for index, device in found.interfaces)
        (HERE / "frames_interfaces.txt").write_text(names, encoding="ascii")
        calls = bytearray()
        lab.wiring.run(
            lab.host("alice"),
            argv=("python3", "-S", "-c", TRACED),
            cwd="/tmp",
            stdout=lambda _: None,
            stderr=lambda _: None,
            seconds=10,
            calls=calls.extend,
        )
        (HERE / "strace.txt").write_bytes(calls)


if __name__ == "__main__":
    main(sys.argv[1])
