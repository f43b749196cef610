"""A proxy on loopback that lets every answer through a fixed time later: PORT of the target, DELAY in seconds."""

from __future__ import annotations

import asyncio
import json
import sys


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Pass on what comes, `delay` seconds later, in order."""
    loop = asyncio.get_running_loop()

    def pass_on(data: bytes) -> None:
        if not writer.is_closing():
            writer.write(data) if data else writer.close()

    while True:
        try:
            data = await reader.read(65_536)
        except OSError:
            data = b""
        loop.call_later(delay, pass_on, data) if delay else pass_on(data)
        if not data:
            return


async def serve(port: int, delay: float) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(relay(reader, there_writer, 0.0), relay(there_reader, writer, delay))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=1000)
    sys.stdout.write(json.dumps({"port": server.sockets[0].getsockname()[1]}) + "\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
