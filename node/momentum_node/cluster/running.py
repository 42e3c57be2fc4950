"""The cluster listener of a node, put together: for the services process, and for who runs a part of a node alone."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import Final

from momentum_node import generation, settings
from momentum_node.cluster.dialing import Dialer, client_context
from momentum_node.cluster.door import MOVES, Door
from momentum_node.cluster.listener import ClusterListener
from momentum_node.cluster.roster import Roster, short
from momentum_node.config.loading import Loaded
from momentum_node.errors import ConfigurationError
from momentum_node.log import logger
from momentum_node.mmove.terms import cluster_port

WAIT_S: Final = 0.2
BIND_RETRY_S: Final = 2.0


@contextlib.asynccontextmanager
async def cluster_services(own: settings.Settings, context: ssl.SSLContext) -> AsyncIterator[None]:
    """Runs while the context is entered. `context`: mutual TLS 1.3, as the status port has it."""
    task = asyncio.create_task(_run(own, context))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _run(own: settings.Settings, context: ssl.SSLContext) -> None:
    loaded = await _generation(own)
    cluster, port = loaded.node.cluster, cluster_port(loaded.tree)
    roster, name = Roster(own.nodes), short((cluster and cluster.nodename) or own.node_name)
    try:
        here = await asyncio.to_thread(roster.address_of, name)
    except (ConfigurationError, OSError) as error:
        logger().error("no cluster listener", reason=str(error))
        return
    dialer = Dialer(name, here, port, roster, lambda: client_context(own.tls))
    folder = await asyncio.to_thread(own.run.stat)
    door = Door(name, dialer, frozenset({folder.st_uid, settings.MAIL_UID}))
    listener = ClusterListener(roster, context, {MOVES: door.serve})
    door.listen(own.cluster_socket)
    try:
        await _listen(listener, str(here), port)
        await asyncio.Event().wait()
    finally:
        await listener.close()
        await door.close()


async def _listen(listener: ClusterListener, address: str, port: int) -> None:
    is_said = False
    while True:
        try:
            await listener.listen(address, port)
        except OSError as error:
            if not is_said:
                logger().error(
                    "the cluster listener cannot be opened yet", address=f"{address}:{port}", reason=str(error)
                )
                is_said = True
            await asyncio.sleep(BIND_RETRY_S)
        else:
            logger().info("listening", address=f"{address}:{port}", tls=True)
            return


async def _generation(own: settings.Settings) -> Loaded:
    """The running one; waits for the core to compile it."""
    while True:
        try:
            return await asyncio.to_thread(generation.read, own)
        except (ConfigurationError, OSError):
            await asyncio.sleep(WAIT_S)
