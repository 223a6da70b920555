"""Connect to a name as RFC 8305 (Happy Eyeballs) advises: try the next address after a quarter of a second.

    python3 happy_eyeballs.py NAME PORT

Addresses of both families are tried in turn, the attempts run side by side, and the first that answers is used. The
kernel does nothing of this by itself; asyncio does it if it is told to.
"""

import argparse
import asyncio
import sys
import time


async def connect(name, port):
    began = time.monotonic()
    # interleave: the second attempt is made to an address of the other family.
    reader, writer = await asyncio.open_connection(name, port, happy_eyeballs_delay=0.25, interleave=1)
    print("connected to", writer.get_extra_info("peername")[0], f"| after {time.monotonic() - began:.2f} s")
    writer.close()


arguments = argparse.ArgumentParser()
arguments.add_argument("name")
arguments.add_argument("port", type=int)
wanted = arguments.parse_args()
try:
    asyncio.run(asyncio.wait_for(connect(wanted.name, wanted.port), timeout=10))
except (OSError, TimeoutError) as error:
    sys.exit(f"no address answered: {error}")
