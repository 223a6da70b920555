"""Tries what a program of a lab may not ask the kernel for: overreach.py NAME; the exit status is 0 if it succeeded."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import struct
import sys
from collections.abc import Callable

libc = ctypes.CDLL(None, use_errno=True)
LISTED = {"x86_64": (56, 317, 206, 101), "aarch64": (220, 277, 0, 117)}
CLONE, SECCOMP, IO_SETUP, PTRACE = LISTED[platform.machine()]
CLONE3 = 435
CLONE_UNTRACED = 0x00800000
CHILD_ENDS = 17
"""SIGCHLD"""

LOOPBACK = socket.inet_pton(socket.AF_INET6, "::1")
FLOW_LABEL = LOOPBACK + struct.pack("!I", 0xABCDE) + struct.pack("=BBHHHI", 0, 255, 1, 30, 60, 0)
RING = struct.pack("IIII", 4096, 1, 2048, 2)


def call(number: int, *arguments: object) -> None:
    """A system call by its number. Raises OSError."""
    result = libc.syscall(number, *arguments)
    if number == CLONE and result == 0:
        os._exit(0)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def a_filter(set_it: Callable[[ctypes.Array[ctypes.c_char]], int]) -> None:
    """Give itself a seccomp(2) filter that allows everything."""
    rule = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7FFF0000), 8)
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", 1, ctypes.addressof(rule)), 16)
    if set_it(program) < 0:
        raise OSError(ctypes.get_errno(), "seccomp")


def option(family: int, kind: int, level: int, name: int, value: int | bytes) -> None:
    """Set an option of a new socket."""
    with socket.socket(family, kind) as one:
        one.setsockopt(level, name, value)


def message_queue() -> None:
    """Make a POSIX message queue."""
    if ctypes.CDLL("librt.so.1", use_errno=True).mq_open(b"/queue", os.O_CREAT | os.O_RDWR, 0o600, None) < 0:
        raise OSError(ctypes.get_errno(), "mq_open")


ATTEMPTS: dict[str, Callable[[], None]] = {
    "freebind4": lambda: option(socket.AF_INET, socket.SOCK_STREAM, 0, 15, 1),
    "freebind6": lambda: option(socket.AF_INET6, socket.SOCK_DGRAM, 41, 78, 1),
    "transparent4": lambda: option(socket.AF_INET, socket.SOCK_STREAM, 0, 19, 1),
    "transparent6": lambda: option(socket.AF_INET6, socket.SOCK_STREAM, 41, 75, 1),
    "flow-label": lambda: option(socket.AF_INET6, socket.SOCK_DGRAM, 41, 32, FLOW_LABEL),
    "receive-ring": lambda: option(socket.AF_PACKET, socket.SOCK_RAW, 263, 5, RING),
    "send-ring": lambda: option(socket.AF_PACKET, socket.SOCK_RAW, 263, 13, RING),
    "past-queues": lambda: option(socket.AF_PACKET, socket.SOCK_RAW, 263, 20, 1),
    "untraced-child": lambda: call(CLONE, CLONE_UNTRACED | CHILD_ENDS, 0, 0, 0, 0),
    "clone3": lambda: call(CLONE3, None, 0),
    "filter-prctl": lambda: a_filter(lambda program: libc.prctl(22, 2, program, 0, 0)),
    "filter-seccomp": lambda: a_filter(lambda program: libc.syscall(SECCOMP, 1, 0, program)),
    "requests": lambda: call(IO_SETUP, 1, ctypes.byref(ctypes.c_ulong())),
    "message-queue": message_queue,
    "be-traced": lambda: call(PTRACE, 0, 0, None, None),
    "trace": lambda: call(PTRACE, 0x4206, os.getppid(), None, None),
    # What is meant to work, by the same way of calling.
    "plain-option4": lambda: option(socket.AF_INET, socket.SOCK_STREAM, socket.SOL_SOCKET, socket.SO_REUSEADDR, 1),
    "plain-option6": lambda: option(socket.AF_INET6, socket.SOCK_DGRAM, 41, socket.IPV6_V6ONLY, 1),
    "plain-packet-option": lambda: option(socket.AF_PACKET, socket.SOCK_RAW, 263, 8, 1),
    "plain-child": lambda: call(CLONE, CHILD_ENDS, 0, 0, 0, 0),
}

if __name__ == "__main__":
    try:
        ATTEMPTS[sys.argv[1]]()
    except OSError as error:
        print(errno.errorcode[error.errno or 0])
        raise SystemExit(1) from error
