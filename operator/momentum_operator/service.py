"""The operator's process: the lease, the work loop, the watchers, and a health port."""

import asyncio
import contextlib
import os
import socket
import sys
from typing import Any, Final

import structlog
from aiohttp import web

from momentum_operator import handlers
from momentum_operator.handlers import Key
from momentum_operator.kube import Kube, KubeError
from momentum_operator.leadership import Leadership
from momentum_operator.reconcile import Reconciler
from momentum_operator.settings import Settings

HEALTH_PORT: Final = 8080
RECHECK_S: Final = 15.0
"""Everything is looked at again so often, also when nothing was heard: a lost event must not matter for long."""
SPACING_S: Final = 0.1
"""Between two rounds of one cluster: bursts of events become one round."""
RETRY_S: Final = 2.0

_log = structlog.get_logger("momentum_operator")


class Work:
    """One task for each cluster; `wake` makes it look again soon."""

    def __init__(self, kube: Kube, settings: Settings) -> None:
        self._kube, self._settings = kube, settings
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._wakes: dict[Key, asyncio.Event] = {}
        self._is_closed = False

    def wake(self, key: Key) -> None:
        """Look at this cluster again; begins to care for it when it is new. Nothing after `close`."""
        if self._is_closed:
            return
        self._wakes.setdefault(key, asyncio.Event()).set()
        if key not in self._tasks:
            self._tasks[key] = asyncio.create_task(self._care(key))

    def wake_all(self) -> None:
        """Look at every cluster again."""
        for key in list(self._tasks):
            self.wake(key)

    async def close(self) -> None:
        """Stop all tasks, for good."""
        self._is_closed = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _care(self, key: Key) -> None:
        reconciler = Reconciler(self._kube, self._settings, *key, lambda: self.wake(key))
        wake = self._wakes[key]
        try:
            # One that is gone and was woken meanwhile may be there again under the same name.
            while await self._round(key, reconciler, wake) or wake.is_set():
                await asyncio.sleep(SPACING_S)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(wake.wait(), RECHECK_S)
        finally:
            await reconciler.close()
            self._tasks.pop(key, None)
            self._wakes.pop(key, None)

    async def _round(self, key: Key, reconciler: Reconciler, wake: asyncio.Event) -> bool:
        """One round; an error is logged and tried again, because the next observation may be another."""
        wake.clear()
        try:
            return await reconciler.reconcile()
        except KubeError as error:
            _log.warning("a round failed; it is tried again", cluster="/".join(key), error=str(error))
        except Exception:
            _log.exception("a round failed; it is tried again", cluster="/".join(key))
        await asyncio.sleep(RETRY_S)
        wake.set()
        return True


async def run(settings: Settings, *, elected: bool = True) -> int:
    """Works until a signal or the loss of the lease. Exit code 0 after a signal, 1 when the lease was lost."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr), processors=_processors())
    stop = asyncio.Event()
    handlers.stop_on_signals(stop)
    kube = await Kube.connect()
    health = await _health()
    try:
        if not elected:
            return await _work_alone(kube, settings, stop)
        return await _work_when_elected(kube, settings, stop)
    finally:
        await kube.close()
        await health.cleanup()


async def guard_uninstall() -> int:
    """Exit code 1 while MomentumClusters exist, with their names."""
    kube = await Kube.connect()
    try:
        left = [f"{c['metadata']['namespace']}/{c['metadata']['name']}" for c in await kube.list("MomentumCluster")]
    except KubeError as error:
        if error.status != 404:
            raise
        left = []  # the CRD is gone, and every resource with it
    finally:
        await kube.close()
    if left:
        print(f"delete these MomentumClusters first: {', '.join(sorted(left))}", file=sys.stderr)  # noqa: T201
    return 1 if left else 0


async def _work_alone(kube: Kube, settings: Settings, stop: asyncio.Event) -> int:
    await (await _work(kube, settings, stop, asyncio.Event()))
    return 0


async def _work_when_elected(kube: Kube, settings: Settings, stop: asyncio.Event) -> int:
    namespace = os.environ.get("POD_NAMESPACE", "default")
    async with Leadership(kube, namespace, os.environ.get("POD_NAME") or socket.gethostname()) as leadership:
        await _first_of(stop, leadership.gained, leadership.lost)
        if stop.is_set():
            return 0
        _log.info("has the lease: works")
        watching = await _work(kube.fenced(leadership.is_held), settings, stop, leadership.lost)
        is_lost = leadership.lost.is_set()
    if is_lost:
        _log.error("lost the lease: ends")
        return 1
    await watching
    return 0


async def _work(kube: Kube, settings: Settings, stop: asyncio.Event, lost: asyncio.Event) -> asyncio.Task[None]:
    """Works until `stop` or `lost`; nothing is written after that. Returns what is left: kopf, ending its watches."""
    work = Work(kube, settings)
    watching = asyncio.create_task(handlers.watch(work.wake, work.wake_all, stop))
    try:
        await _first_of(stop, lost, watching)
    finally:
        await work.close()
    return watching


async def _first_of(*awaited: asyncio.Event | asyncio.Task[None]) -> None:
    """Returns when one of the events is set or one of the tasks has ended; raises what a task raised."""
    waits = [asyncio.create_task(one.wait()) if isinstance(one, asyncio.Event) else one for one in awaited]
    done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait, one in zip(waits, awaited, strict=True):
        if wait is not one:
            wait.cancel()
    for ended in done:
        ended.result()


async def _health() -> web.AppRunner:
    """GET /healthz on every address of the pod: this process' loop runs."""

    async def alive(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    application = web.Application()
    application.router.add_get("/healthz", alive)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    port = int(os.environ.get("MOMENTUM_OPERATOR_HEALTH_PORT", HEALTH_PORT))
    with contextlib.suppress(OSError):  # outside a pod the port may be somebody else's
        await web.TCPSite(runner, port=port).start()
    return runner


def _processors() -> list[Any]:
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ]
