"""Lets the host speak to the API server: connections to a port of 127.0.0.1 are joined to one of the control plane.

    python forwarder.py LISTENING_FD HOST PORT

Started inside the control plane's network namespace with a listening socket that the host made before: a socket stays
in the namespace of its birth, so no link leads out of the cluster.
"""

import asyncio
import contextlib
import socket
import sys


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


async def _join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
    try:
        there_reader, there_writer = await asyncio.open_connection(host, port)
    except OSError:
        writer.transport.abort()
        return
    await asyncio.gather(_pour(reader, there_writer), _pour(there_reader, writer))
    for end in (writer, there_writer):
        with contextlib.suppress(OSError):
            end.close()


async def _serve(listening: socket.socket, host: str, port: int) -> None:
    server = await asyncio.start_server(lambda r, w: _join(r, w, host, port), sock=listening)
    await server.serve_forever()


if __name__ == "__main__":
    descriptor, to_host, to_port = sys.argv[1:]
    asyncio.run(_serve(socket.socket(fileno=int(descriptor)), to_host, int(to_port)))
