"""A process that is one member of one group: commands as JSON lines on stdin, events as JSON lines on stdout.

    python -m tests.support.busmember SPEC NODE_ID
    {"do": "connect", "group": "g"}   {"do": "send", "data": hex}   {"do": "flood", "count": n}   {"do": "leave"}

Each command is answered by one {"reply": null or an error's text, …}; events carry `at`, seconds of the host's
monotonic clock, which all processes of a test share.
"""

import asyncio
import json
import sys
import time
from typing import Any

import uvloop

from momentum_node.bus.contract import Bus, BusEvent, Delivered, Member, ViewChanged
from momentum_node.bus.engine import open_bus
from momentum_node.errors import BusError

LINE_LIMIT = 1 << 20  # bytes: the largest message in hexadecimal fits


def _say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def _pairs(members: "tuple[Member, ...] | frozenset[Member]") -> list[list[int]]:
    return [[member.node_id, member.pid] for member in sorted(members)]


def on_event(event: BusEvent) -> None:
    """Write an event down."""
    at = time.monotonic()
    match event:
        case ViewChanged(members, joined, left, reachable):
            view = {"members": _pairs(members), "joined": _pairs(joined), "left": _pairs(left)}
            _say({"event": "view", "at": at, **view, "reachable": sorted(reachable)})
        case Delivered(sender, data):
            _say({"event": "message", "at": at, "sender": [sender.node_id, sender.pid], "data": data.hex()})
        case lost:
            _say({"event": "lost", "at": at, "reason": lost.reason})


async def do(bus: Bus, command: dict[str, Any]) -> dict[str, Any]:
    """Carry out one command; what its reply says besides."""
    match command:
        case {"do": "connect", "group": group}:
            await bus.connect(group, on_event)
            return {"local": [bus.local.node_id, bus.local.pid]}
        case {"do": "send", "data": data}:
            bus.send(bytes.fromhex(data))
        case {"do": "flood", "count": count}:
            for serial in range(count):
                bus.send(b"%d" % serial)
        case {"do": "twice", "spec": spec, "group": group}:
            await open_bus(spec, bus.local.node_id).connect(group, on_event)
        case {"do": "leave"}:
            await bus.leave()
        case {"do": "abort"}:
            bus.abort()
    return {}


async def main(spec: str, node_id: int) -> None:
    """Serve stdin until it ends."""
    bus = open_bus(spec, node_id)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LINE_LIMIT)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        try:
            _say({"reply": None, **await do(bus, json.loads(line))})
        except BusError as error:
            _say({"reply": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as a node's core
        runner.run(main(sys.argv[1], int(sys.argv[2])))
