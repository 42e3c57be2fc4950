"""A core that does what a test says: one JSON object a line in, one a line out, over a Unix socket.

    {"do": "plumb", "interface": "eth0", "address": "192.0.2.41", "prefix_length": 32}   →   {"result": null}
    {"do": "events"}   →   {"result": [{"kind": "link-up", "interface": "eth0", …}, …]}

Run by the supervisor as `python stub_core.py PATH`. It gives up its privileges first, as the real one does.
"""

import asyncio
import dataclasses
import json
import os
import socket
import sys
import time
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from momentum_node.duravip.link import SupervisorError, SupervisorEvent, SupervisorLink, connect_supervisor
from momentum_node.privileges import drop_privileges

ACCEPTOR = """
import socket, sys, time
sock = socket.socket(fileno=int(sys.argv[1]))
print("accepting", flush=True)
kept = []
try:
    while True:
        kept.append(sock.accept())
except OSError:  # shut down: sessions go on
    time.sleep(3600)
"""


class StubCore:
    """The link, the sockets it got, and what it heard."""

    def __init__(self, link: SupervisorLink) -> None:
        self.link = link
        self.events: list[SupervisorEvent] = []
        self.sockets: dict[str, socket.socket] = {}
        self.connections: list[socket.socket] = []
        self.pending: asyncio.Future[None] | None = None
        link.on_event = self.events.append

    async def serve(self, path: Path) -> None:
        """Take commands for ever, and prove that the loop runs."""
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._converse, path)
        async with server:
            while True:
                self.link.heartbeat()
                await asyncio.sleep(0.1)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            command: dict[str, Any] = json.loads(line)
            try:
                answer = {"result": await getattr(self, f"do_{command.pop('do')}")(**command)}
            except SupervisorError as error:
                answer = {"errno": error.errno, "error": str(error)}
            writer.write(json.dumps(answer, default=str).encode() + b"\n")
        writer.close()

    async def do_plumb(self, interface: str, address: str, prefix_length: int) -> None:
        await self.link.plumb(interface, ip_address(address), prefix_length)

    async def do_plumb_all(self, interface: str, addresses: list[str], prefix_length: int) -> None:
        plumb = self.link.plumb
        await asyncio.gather(*(plumb(interface, ip_address(each), prefix_length) for each in addresses))

    async def do_begin_plumb(self, interface: str, address: str, prefix_length: int) -> None:
        """Ask, and do not wait."""
        self.pending = asyncio.ensure_future(self.link.plumb(interface, ip_address(address), prefix_length))

    async def do_end_plumb(self) -> None:
        """Wait for what `begin_plumb` asked for."""
        assert self.pending is not None
        await self.pending

    async def do_unplumb(self, address: str) -> None:
        await self.link.unplumb(ip_address(address))

    async def do_probe(self, interface: str, address: str) -> tuple[str | None, float]:
        began = time.monotonic()
        return await self.link.probe(interface, ip_address(address)), time.monotonic() - began

    async def do_probe_all(self, interface: str, addresses: list[str]) -> list[str | None]:
        return await asyncio.gather(*(self.link.probe(interface, ip_address(each)) for each in addresses))

    async def do_announce(self, address: str) -> None:
        await self.link.announce(ip_address(address))

    async def do_tell(self, address: str, mac: str) -> None:
        self.link.tell_neighbour(ip_address(address), bytes.fromhex(mac.replace(":", "")))

    async def do_quiet(self, yes: bool) -> None:
        await self.link.set_quiet(yes)

    async def do_look(self) -> None:
        await self.link.look()

    async def do_announce_all(self, addresses: list[str]) -> None:
        await asyncio.gather(*(self.link.announce(ip_address(each)) for each in addresses))

    async def do_open(self, address: str, port: int, floating: bool) -> str:
        where = ip_address(address) if address else None
        sock = await self.link.open_listener(where, port, 16, floating)
        self.sockets[f"{address}:{port}"] = sock
        return str(sock.getsockname())

    async def do_close_listener(self, address: str, port: int) -> None:
        await self.link.close_listener(ip_address(address) if address else None, port)

    async def do_accept(self, endpoint: str) -> str:
        """Accept one connection and keep it."""
        self.sockets[endpoint].setblocking(False)
        connection, peer = await asyncio.get_running_loop().sock_accept(self.sockets[endpoint])
        self.connections.append(connection)
        return str(peer)

    async def do_share(self, endpoint: str) -> int:
        """Start a worker that accepts on a copy of this socket and keeps what it accepts; its pid."""
        descriptor = self.sockets[endpoint].fileno()
        os.set_blocking(descriptor, True)
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-c", ACCEPTOR, str(descriptor), pass_fds=[descriptor], stdout=asyncio.subprocess.PIPE
        )
        assert worker.stdout is not None
        await worker.stdout.readline()
        self.sockets.pop(endpoint).close()
        return worker.pid

    async def do_held(self) -> list[dict[str, Any]]:
        return [dataclasses.asdict(held) for held in await self.link.held()]

    async def do_lifetime(self, seconds: int | None) -> None:
        await self.link.set_lifetime(seconds)

    async def do_events(self) -> list[dict[str, Any]]:
        return [dataclasses.asdict(event) for event in self.events]

    async def do_status(self) -> str:
        return await asyncio.to_thread(Path("/proc/self/status").read_text)

    async def do_exit(self, code: int) -> None:
        os._exit(code)


async def main() -> None:
    """Connect, then do what is said."""
    stub = StubCore(await connect_supervisor(int(os.environ["MOMENTUM_SUPERVISOR_FD"])))
    await stub.serve(Path(sys.argv[1]))


if __name__ == "__main__":
    drop_privileges()
    asyncio.run(main())
