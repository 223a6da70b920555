"""Just enough of DNS messages (RFC 1035 §4) for a cache. Messages are bytes.

This file is given; nothing in it needs a change.
"""

import struct

SOA, OPT = 6, 41


def question(message):
    """What is asked: the name in lower case, the type and the class, as bytes. The same in a query and its answer."""
    end = after_name(message, 12)
    return message[12:end].lower() + message[end : end + 4]


def seconds(answer):
    """How long an answer may be remembered: the least TTL of it; where nothing was found, what the SOA says."""
    found, _, _ = struct.unpack_from("!HHH", answer, 6)
    all_records = records(answer)
    if found:
        return min(ttl for _, _, ttl, _ in all_records[:found])
    return min((min(ttl, minimum) for kind, _, ttl, minimum in all_records if kind == SOA), default=0)


def again(answer, query, age):
    """A remembered answer as the answer to a later query: with that one's id, and every TTL less by the age."""
    message = bytearray(query[:2] + answer[2:])
    for kind, place, ttl, _ in records(answer):
        if kind != OPT:
            struct.pack_into("!I", message, place, max(0, ttl - int(age)))
    return bytes(message)


def records(message):
    """Each record's type, where its TTL stands, its TTL, and the last four bytes of its data as a number."""
    place = after_name(message, 12) + 4
    found = []
    for _ in range(sum(struct.unpack_from("!HHH", message, 6))):
        place = after_name(message, place)
        kind, _, ttl, length = struct.unpack_from("!HHIH", message, place)
        end = place + 10 + length
        found.append((kind, place + 4, ttl, int.from_bytes(message[end - 4 : end], "big")))
        place = end
    return found


def after_name(message, place):
    """Where a name ends that begins at a place: with an empty label, or with a pointer of two bytes."""
    while 0 < message[place] < 0xC0:
        place += 1 + message[place]
    return place + (2 if message[place] else 1)
