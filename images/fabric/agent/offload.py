"""What a network device does for the kernel's stack, switched as ethtool(8) does: by ioctls of linux/ethtool.h.

A process of ethtool for every interface of a large lab would take longer than all the rest.
"""

from __future__ import annotations

import array
import fcntl
import socket
import struct

from namespaces import AgentError

SIOCETHTOOL = 0x8946
GET_STRINGS = 0x1B
GET_SET_SIZES = 0x37
GET_FEATURES = 0x3A
SET_FEATURES = 0x3B
FEATURES = 4
"""the set of strings that name features (ETH_SS_FEATURES)"""
NAME_BYTES = 32
BLOCK_BITS = 32
DEVICE_BYTES = 16


def switch(lines: str) -> None:
    """Carry out lines such as `-K eth0 tx-udp-segmentation off` in the calling thread's network namespace.

    Raises AgentError for what the device does not take. A feature that this kernel does not know is off.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        numbers: dict[str, int] = {}
        for line in lines.splitlines():
            _, device, *words = line.split()
            numbers = numbers or _numbers(control, device)
            wanted = {numbers[n]: v == "on" for n, v in zip(words[::2], words[1::2], strict=True) if n in numbers}
            _set(control, device, wanted, len(numbers))


def _numbers(control: socket.socket, device: str) -> dict[str, int]:
    """The features that this kernel knows, and the number of each."""
    sizes = _ask(control, device, struct.pack("IIQI", GET_SET_SIZES, 0, 1 << FEATURES, 0))
    (count,) = struct.unpack_from("I", sizes, 16)
    strings = _ask(control, device, struct.pack("III", GET_STRINGS, FEATURES, count) + bytes(count * NAME_BYTES))
    names = [strings[12 + at * NAME_BYTES :][:NAME_BYTES].rstrip(b"\0").decode() for at in range(count)]
    return {name: number for number, name in enumerate(names) if name}


def _set(control: socket.socket, device: str, wanted: dict[int, bool], count: int) -> None:
    blocks = [[0, 0] for _ in range((max(count, *wanted, 1) + BLOCK_BITS) // BLOCK_BITS)]
    for number, on in wanted.items():
        bit = 1 << number % BLOCK_BITS
        blocks[number // BLOCK_BITS][0] |= bit
        blocks[number // BLOCK_BITS][1] |= bit if on else 0
    size = struct.pack("I", len(blocks))
    _ask(control, device, struct.pack("I", SET_FEATURES) + size + b"".join(struct.pack("II", *one) for one in blocks))
    asked = struct.pack("I", GET_FEATURES) + size + bytes(16 * len(blocks))
    # Of each block: what is available, requested, active, and never changed.
    active = [one[2] for one in struct.iter_unpack("IIII", _ask(control, device, asked)[8:])]
    for number, on in wanted.items():
        if bool(active[number // BLOCK_BITS] >> number % BLOCK_BITS & 1) != on:
            raise AgentError(f"{device}: feature {number} cannot be switched {'on' if on else 'off'}")


def _ask(control: socket.socket, device: str, request: bytes) -> bytes:
    buffer = array.array("B", request)
    address, _ = buffer.buffer_info()
    try:
        fcntl.ioctl(control, SIOCETHTOOL, struct.pack("16sP", device.encode()[:DEVICE_BYTES], address) + bytes(16))
    except OSError as error:
        raise AgentError(f"{device}: its features cannot be asked or switched: {error.strerror}") from error
    return buffer.tobytes()
