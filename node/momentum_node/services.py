"""The services process: what the node tells others over TLS. No capabilities, no addresses, no mail.

    nodeaddr:4802    mutual TLS 1.3          what nodes say to each other (cluster/listener.py)
    nodeaddr:4806    HTTPS with mutual TLS   GET /v1/report?after=REVISION&wait=SECONDS   (long poll, the operator's)
    127.0.0.1:4807   plain HTTP, probes      GET /livez  /readyz  /metrics

A client certificate must be signed by the cluster's CA and carry the URI momentum://<cluster>/operator.
"""

import asyncio
import contextlib
import os
import signal
import ssl
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

from aiohttp import web

from momentum_node import certificates, log, nodelist, settings
from momentum_node.cluster.running import cluster_services
from momentum_node.limits import figures, questions
from momentum_node.status import interfaces, metrics, reader
from momentum_node.status.report import Report

STATUS_PORT = 4806
PROBE_PORT = 4807
MAX_WAIT_S = 60.0
HAND_OVER_S = 95.0  # addresses for 30 s, their mail for 60 s


class Latest:
    """The newest report, and a way to wait for a newer one."""

    def __init__(self) -> None:
        self.report: Report | None = None
        self._news = asyncio.Event()

    def put(self, report: Report | None) -> None:
        """Replace it (None: the core is gone) and wake who waits."""
        self.report = report
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def after(self, revision: int, incarnation: str, wait_s: float) -> Report | None:
        """A report that is not (`incarnation`, `revision`), or whatever there is when `wait_s` is over."""
        deadline = asyncio.get_running_loop().time() + wait_s
        while self.report is None or (self.report["revision"], self.report["node"]["incarnation"]) == (
            revision,
            incarnation,
        ):
            try:
                async with asyncio.timeout_at(deadline):
                    await self._news.wait()
            except TimeoutError:
                break
        return self.report


class Status:
    """The HTTP handlers."""

    def __init__(self, latest: Latest, operator_uri: str, questions_socket: Path = Path()) -> None:
        self._latest = latest
        self._questions = questions_socket
        self._operator_uri = operator_uri

    async def report(self, request: web.Request) -> web.Response:
        """The long poll. 403 without the operator's certificate, 503 while the core is gone."""
        if not self._is_operator(request):
            return web.json_response({"error": f"the client certificate must carry {self._operator_uri}"}, status=403)
        try:
            revision = int(request.query.get("after", "-1"))
            wait_s = min(float(request.query.get("wait", "0")), MAX_WAIT_S)
        except ValueError:
            return web.json_response({"error": "after and wait are numbers"}, status=400)
        report = await self._latest.after(revision, request.query.get("incarnation", ""), wait_s)
        if report is None:
            return web.json_response({"error": "the node's core is not running"}, status=503)
        return web.json_response({**report, "interfaces": await asyncio.to_thread(interfaces.read)})

    def _is_operator(self, request: web.Request) -> bool:
        certificate = request.transport.get_extra_info("peercert") if request.transport else None
        names = (certificate or {}).get("subjectAltName", ())
        return ("URI", self._operator_uri) in names

    async def live(self, _request: web.Request) -> web.Response:
        """This process runs; says nothing of the node (the supervisor is judged by its own file)."""
        return web.Response(text="ok\n")

    async def ready(self, _request: web.Request) -> web.Response:
        """200 when the node is a member, knows its table and takes mail; else 503 with the reason."""
        reason = why_not_ready(self._latest.report)
        return web.Response(text=(reason or "ready") + "\n", status=503 if reason else 200)

    async def metrics(self, _request: web.Request) -> web.Response:
        """Prometheus text format."""
        text = metrics.render(self._latest.report)
        with contextlib.suppress(OSError, ValueError):  # the core is gone: the report says so
            text += figures.render(await asyncio.to_thread(questions.figures, self._questions))
        return web.Response(text=text, content_type="text/plain")


def why_not_ready(report: Report | None) -> str | None:
    """What a node lacks to do its work, or None."""
    if report is None:
        return "the core is not running"
    if report["state"] != "RUN":
        return f"the node is in state {report['state']}"
    if not report["mail"]["accepting"]:
        return "no mail worker accepts"
    return None


def run() -> int:
    """The process `momentum-node run --role services`."""
    log.configure("services")
    asyncio.run(_run(settings.from_environment(os.environ)))
    return 0


async def _run(own: settings.Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    latest = Latest()
    listed = await _node_list(own.nodes)
    myself = listed.find(own.node_name)
    address = str(myself.address if myself else own.node_addr or "127.0.0.1")
    status = Status(latest, f"momentum://{listed.cluster}/operator", own.run / questions.SOCKET)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(_task(_keep_latest(own.status_socket, latest)))
        await _serve(stack, [("/livez", status.live), ("/readyz", status.ready), ("/metrics", status.metrics)])
        if (own.tls / "tls.crt").exists():
            certificate = watched(own.tls)
            context = certificate.load()
            await stack.enter_async_context(_task(certificates.watch(certificate.refresh)))
            await _serve(stack, [("/v1/report", status.report)], address, context)
            between = watched(own.tls)  # a context of its own: the cluster listener names its protocol in it (ALPN)
            await stack.enter_async_context(cluster_services(own, between.load()))
            await stack.enter_async_context(_task(certificates.watch(between.refresh)))
        else:
            why = "no certificate: the ports for status and cluster stay closed, mail does not move between nodes"
            log.logger().warning(why, directory=str(own.tls))
        await stop.wait()
        await _until_handed_over(latest)


async def _until_handed_over(latest: Latest) -> None:
    """All containers of a pod get their SIGTERM at once, but mail moves through us until the core has ended."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(HAND_OVER_S):
            while latest.report is not None:  # noqa: ASYNC110 - once, at the end of the process
                await asyncio.sleep(0.1)


async def _node_list(path: Path) -> nodelist.NodeList:
    """The node list, waited for: the operator may write it after this process starts."""
    while not path.exists():  # noqa: ASYNC110 - nothing tells us but the file itself
        await asyncio.sleep(reader.RETRY_S)
    return nodelist.parse(await asyncio.to_thread(path.read_text), str(path))


async def _keep_latest(path: Path, latest: Latest) -> None:
    async for report in reader.follow(path):
        latest.put(report)


async def _serve(
    stack: contextlib.AsyncExitStack,
    routes: list[tuple[str, object]],
    host: str = "127.0.0.1",
    context: ssl.SSLContext | None = None,
) -> None:
    application = web.Application()
    for path, handler in routes:
        application.router.add_get(path, handler)  # type: ignore[arg-type]
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    port = STATUS_PORT if context else PROBE_PORT
    await web.TCPSite(runner, host, port, ssl_context=context, reuse_address=True).start()
    log.logger().info("listening", address=f"{host}:{port}", tls=context is not None)


def tls_context(directory: Path) -> ssl.SSLContext:
    """Mutual TLS 1.3 from `tls.crt`, `tls.key`, `ca.crt` in `directory`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(directory / "ca.crt")
    context.load_cert_chain(directory / "tls.crt", directory / "tls.key")
    return context


def watched(directory: Path) -> certificates.Watched:
    """The same, to be kept up to date."""
    names = (str(directory / name) for name in ("tls.crt", "tls.key", "ca.crt"))
    return certificates.Watched(partial(tls_context, directory), certificates.Files(*names))


@contextlib.asynccontextmanager
async def _task(work: "asyncio._CoroutineLike[None]") -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
