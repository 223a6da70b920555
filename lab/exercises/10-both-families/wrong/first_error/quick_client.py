"""Connect to a name by whichever of its addresses answers, IPv6 first, without waiting long for any."""

import asyncio
import socket
import sys


async def ask(name, port):
    attempts = []
    for family in (socket.AF_INET6, socket.AF_INET):
        attempts.append(asyncio.create_task(asyncio.open_connection(name, port, family=family)))
        done, _ = await asyncio.wait(attempts, timeout=0.25, return_when=asyncio.FIRST_COMPLETED)
        if done:
            break
    else:
        done, _ = await asyncio.wait(attempts, return_when=asyncio.FIRST_COMPLETED)
    reader, writer = done.pop().result()
    writer.write(b"hello\n")
    print((await reader.readline()).decode().strip())


asyncio.run(ask(sys.argv[1], int(sys.argv[2])))
