"""Recordings of what passes a host's interfaces or a segment's bridge, from packet sockets (packet(7)).

A recording is a sequence of bytes: records, each a header (HEADER) and a frame. Whoever asked reads it in pieces,
forward. What is unread is bounded: what a flood brings beyond the bound is counted and not kept.
"""

from __future__ import annotations

import ctypes
import errno
import os
import selectors
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

from namespaces import CLONE_NEWNET, setns
from unread import Unread

HEADER = struct.Struct("<QHBII")
"""time in nanoseconds since 1970; the number of the interface in `Recording.interfaces`; direction (0 arrives,
1 leaves, 2 neither); the frame's length on the wire; how many bytes of it follow"""
ARRIVES, LEAVES, NEITHER = range(3)
MOST_FRAME = 256 * 1024
"""Longer than any frame: a veth carries what TCP hands down for segmentation, up to 64 KiB (in theory 512 KiB)."""
BUFFERS = 64 * 1024 * 1024
LEAST_BUFFER = 1024 * 1024
"""What the kernel holds for us until it is read: so much for a recording's sockets together, but not less each."""

ETH_P_ALL = 0x0003
SOL_PACKET = 263
PACKET_ADD_MEMBERSHIP = 1
PACKET_STATISTICS = 6
PACKET_MR_PROMISC = 1
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
LOOPBACK = 772
"""if_arp.h, ARPHRD_LOOPBACK"""
SO_ATTACH_FILTER = 26
MARK = 1
"""on packets that came from another part of their segment (lab/wiring/networks.py)"""
UNMARKED = (
    (0x20, 0, 0, 0xFFFFF000 + 20),  # the packet's mark (linux/filter.h, SKF_AD_MARK)
    (0x15, 0, 1, MARK),
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 0xFFFFFFFF),
)
"""classic BPF (kernel: networking/filter.rst): nothing of a packet with MARK, all of any other"""
TIMESPEC = struct.Struct("qq")


@dataclass(frozen=True, kw_only=True)
class Point:
    """Where to record: a network namespace, and the one device in it (a bridge); without one, all devices."""

    namespace: int
    device: str = ""
    sent: bool = False
    """of a bridge that has a part of a segment's hosts only: without what came from the others, which has MARK"""


def keep_clock_running() -> socket.socket:
    """A socket for whose sake the kernel notes when each packet came (socket(7), SO_TIMESTAMPNS).

    It begins with that a moment after the first socket asked for it; so one asks for good.
    """
    asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asking.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    return asking


def open_socket(point: Point, buffer: int) -> socket.socket:
    """A packet socket that has begun to receive. The calling thread is in the point's namespace afterwards."""
    setns(point.namespace, CLONE_NEWNET)
    # One for a single device receives nothing before it is bound.
    kind = 0 if point.device else socket.htons(ETH_P_ALL)
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, kind)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, buffer)
        if point.sent:
            _take_unmarked(sock)
        if point.device:
            sock.bind((point.device, ETH_P_ALL))
            # A bridge hands up what it forwards only to who listens to everything.
            index = socket.if_nametoindex(point.device)
            request = struct.pack("iHH8s", index, PACKET_MR_PROMISC, 0, b"")
            sock.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request)
    except BaseException:
        sock.close()
        raise
    return sock


def _take_unmarked(sock: socket.socket) -> None:
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in UNMARKED))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(UNMARKED), ctypes.addressof(program)))


@dataclass(kw_only=True)
class Recording:
    """Frames of several points in one sequence. A thread reads the sockets; `drain` may be called by any other."""

    sockets: list[socket.socket]
    unread: Unread
    """records, as many as its limit allows"""
    segments: frozenset[int] = frozenset()
    """indexes of the points that are bridges: what passes one neither arrives nor leaves"""
    lost: int = 0
    """frames that were dropped: by the kernel, because nobody read them in time, or here, beyond the limit"""
    interfaces: list[tuple[int, str]] = field(default_factory=list)
    """(index of the point, name of the device), in the order in which they were first seen"""
    complete: int = 0
    """everything that came before this time was kept, or is lost"""
    full: bool = False
    room: threading.Event = field(default_factory=threading.Event)
    """set to go on after it was full"""
    stopped: bool = False
    numbers: dict[tuple[int, str], int] = field(default_factory=dict)
    buffer: bytearray = field(default_factory=lambda: bytearray(MOST_FRAME))
    lock: threading.Lock = field(default_factory=threading.Lock)
    closing: int = -1
    """wakes the thread for its end (eventfd(2))"""

    def start(self) -> None:
        """Begin to read, in a thread of its own."""
        self.closing = os.eventfd(0)
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(self.closing, selectors.EVENT_READ)
            for index, sock in enumerate(self.sockets):
                ready.register(sock, selectors.EVENT_READ, index)
            while not self.stopped:
                if self.full:
                    # Nothing is read meanwhile, so that a flood costs no time: the kernel counts what it drops.
                    self.room.wait()
                    self.room.clear()
                    continue
                for key, _ in ready.select():
                    with self.lock:
                        if not self.stopped and key.fileobj != self.closing:
                            self._drain(key.data, time.time_ns())
        with self.lock:
            os.close(self.closing)
            self.closing = -1

    def let_go(self, at: int) -> None:
        """See recordings.Recording."""
        self.unread.let_go(at)
        if self.full and self.unread.has_room(self.unread.limit // 2):
            self.full = False
            self.room.set()

    def drain(self) -> None:
        """Read everything that came before this call, and count what was dropped."""
        now = time.time_ns()
        with self.lock:
            for index, sock in enumerate(self.sockets):
                self._drain(index, now)
                _, dropped = struct.unpack("II", sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
                self.lost += dropped
            self.complete = now

    def _drain(self, index: int, until: int) -> None:
        """Read a socket until it is empty or has come to what arrived after `until`: a flood has no end."""
        while True:
            try:
                length, notes, _, address = self.sockets[index].recvmsg_into(
                    [self.buffer], socket.CMSG_SPACE(TIMESPEC.size), socket.MSG_TRUNC
                )
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENETDOWN:
                    raise
                continue  # told once of a device that went; what others bring still comes
            when = _time(notes) or time.time_ns()
            device, _, kind, hardware, _ = address
            if hardware == LOOPBACK and kind == socket.PACKET_OUTGOING:
                continue  # on its way out and in again it is the same frame
            self._keep((index, device), when, kind, hardware, length)
            if when > until:
                return

    def _keep(self, interface: tuple[int, str], when: int, kind: int, hardware: int, length: int) -> None:
        kept = min(length, MOST_FRAME)
        if self.full or not self.unread.has_room(HEADER.size + kept):
            self.full = True
            self.lost += 1
            return
        number = self.numbers.get(interface)
        if number is None:
            number = self.numbers[interface] = len(self.interfaces)
            self.interfaces.append(interface)
        direction = LEAVES if kind == socket.PACKET_OUTGOING else ARRIVES
        if hardware == LOOPBACK or interface[0] in self.segments:
            direction = NEITHER
        self.unread.add(HEADER.pack(when, number, direction, length, kept), memoryview(self.buffer)[:kept])

    def stop(self) -> None:
        """Read everything that came before this call, then nothing more. What was read stays."""
        if self.stopped:
            return
        self.drain()
        with self.lock:
            self.stopped = True
            self.room.set()
            if self.closing >= 0:
                os.eventfd_write(self.closing, 1)
            for sock in self.sockets:
                sock.close()
            self.sockets = []

    def state(self) -> dict[str, object]:
        """What a reader must know beside the data."""
        return {"lost": self.lost, "complete": self.complete, "interfaces": self.interfaces}

    def inodes(self) -> set[int]:
        """The inodes of its sockets, which are in the hosts' namespaces without being the hosts' own."""
        with self.lock:
            return {os.fstat(sock.fileno()).st_ino for sock in self.sockets}


def _time(notes: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in notes:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = TIMESPEC.unpack(data)
            return int(seconds) * 1_000_000_000 + int(nanoseconds)
    return 0


def buffer_size(points: int) -> int:
    """How much the kernel holds for each of so many sockets."""
    return max(LEAST_BUFFER, BUFFERS // max(1, points))
