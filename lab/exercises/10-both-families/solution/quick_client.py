"""Connect to a name by whichever of its addresses answers, IPv6 first, without waiting long for any (RFC 8305)."""

import asyncio
import sys


async def ask(name, port):
    # A quarter of a second after each attempt the next address is tried as well, of the other family first. The
    # attempts go on side by side until one of them has a connection; the others are closed then.
    reader, writer = await asyncio.open_connection(name, port, happy_eyeballs_delay=0.25, interleave=1)
    writer.write(b"hello\n")
    print((await reader.readline()).decode().strip())
    writer.close()


asyncio.run(ask(sys.argv[1], int(sys.argv[2])))
