"""The mail role of a node alone: real manager and workers, driven by the core's real end of the worker link."""

import asyncio
import contextlib
import os
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

from momentum_node import clock, compiling, generation, settings
from momentum_node.config.loading import ConfigurationInvalid
from momentum_node.config.model import Address
from momentum_node.limits.rules import LimitRules
from momentum_node.worker_link import Listen
from momentum_node.workers import Workers

CONFIGURATION = """
Hostname = "mx.test"
SpoolBase = "{spool}"
Security {{ User = "root" Group = "root" }}
Relay_Hosts = ( "127.0.0.0/8" "198.18.0.0/15" )
{routes}
{more}
ESMTP_Listener {{ {listener} Listen "{address}:{port}" {{ }} }}
"""


class MailNode:
    """Make it, `await start()`, use `port`, `await stop()`. `more` and `listener` are configuration text.

    Mail for every domain goes to `gateway` by `Routes`: with `Gateway`, options of the domains would not count.
    """

    def __init__(
        self,
        folder: Path,
        gateway: str,
        *,
        workers: int = 1,
        more: str = "",
        listener: str = "",
        address: str = "127.0.0.1",
        port: int = 0,
        name: str = "n1",
        node_id: int = 1,
    ) -> None:
        self.folder = folder
        self.spool = folder / "spool"
        self._run = folder / "run"
        self._run.mkdir(parents=True, exist_ok=True)
        self._listening = socket.create_server((address, port), backlog=500)
        self.local = ip_address(address)
        self.port: int = self._listening.getsockname()[1]
        self._count = workers
        self.name, self.node_id = name, node_id
        self.core = self._new_core()
        self.manager: subprocess.Popen[bytes] | None = None
        self.configure(gateway, more=more, listener=listener)

    @property
    def environment(self) -> dict[str, str]:
        """What the processes of the node see."""
        return {
            **os.environ,
            "EC_NODE_NAME": self.name,
            "MOMENTUM_NODES": str(self.folder.parent / "nodes.json"),
            "MOMENTUM_TLS": str(self.folder.parent / "tls"),
            "MOMENTUM_CONFIG": str(self.folder / "ecelerity.conf"),
            "MOMENTUM_RUN": str(self._run),
            "MOMENTUM_SPOOL": str(self.spool),
        }

    async def start(self) -> None:
        """Core and manager; returns when every worker accepts."""
        self.core_returns()
        code = f"import sys; from momentum_node.mail import run_mail; sys.exit(run_mail({self._count}))"
        self.manager = subprocess.Popen([sys.executable, "-c", code], env=self.environment)
        try:
            await self.until(lambda: self.core.report()["workers"] == self._count and self.core.are_accepting(), 60.0)
        except TimeoutError:
            await self.stop()
            raise

    def configure(self, gateway: str, *, more: str = "", listener: str = "") -> None:
        """Write the file anew, in one step; `core.reload` makes the workers look at it."""
        text = CONFIGURATION.format(
            spool=self.spool,
            routes=f'Routes = ( "{gateway}" )' if gateway else "",
            more=more,
            listener=listener,
            port=self.port,
            address=self.local,
        )
        self.replace(text)

    def replace(self, text: str) -> None:
        """Any text as the new file."""
        (self.folder / "new").write_text(text)
        (self.folder / "new").rename(self.folder / "ecelerity.conf")
        with contextlib.suppress(ConfigurationInvalid):  # as the core has it done: a file with an error changes nothing
            compiling.write(self.settings)
        if self.manager is not None:
            self._set_limits()

    def _new_core(self) -> Workers:
        return Workers(self.name, self.node_id, frozenset({os.getuid()}), lambda: None)

    @property
    def settings(self) -> settings.Settings:
        """As its processes read them."""
        return settings.from_environment(self.environment)

    def _set_limits(self) -> None:
        """As the core does with each generation that it accepts."""
        accepted = generation.read(self.settings)
        self.core.desk.configure(LimitRules(accepted.tree, accepted.sources.place), accepted.node.inbound_audit)

    def core_returns(self) -> None:
        """The core listens for workers and has our socket for them."""
        self.core.listen(self._run / "core.sock")
        self._set_limits()
        self.listen_again()

    def listen_again(self) -> None:
        """Give the workers our listening socket."""
        self.core.open(Listen(str(self.local), self.port, duravip=False), self._listening.dup())

    def core_dies(self) -> None:
        """All its connections end."""
        self.core.close()
        self.core = self._new_core()

    async def stop(self) -> None:
        """As the end of a pod: SIGTERM, and the core ends when it has handed over."""
        if self.manager is not None:
            self.manager.send_signal(signal.SIGTERM)
        self.core.close()
        if self.manager is not None:
            await asyncio.to_thread(self.manager.wait, 60)
            self.manager = None
        self._listening.close()

    async def until(self, condition: Callable[[], object], limit_s: float = 40.0) -> None:
        """Wait until `condition()` holds. Raises `TimeoutError`."""
        async with asyncio.timeout(limit_s):
            while not condition():
                await asyncio.sleep(0.02)

    def worker_pids(self) -> list[int]:
        """The processes of the workers now."""
        assert self.manager is not None
        children = Path(f"/proc/{self.manager.pid}/task/{self.manager.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    async def submit(self, subject: str, *, sender: str = "a@x.test", body: str = "hello") -> None:
        """One message by Python's own client; returns when it was acknowledged."""

        def send() -> None:
            with smtplib.SMTP(str(self.local), self.port, timeout=30) as client:
                client.sendmail(sender, ["b@y.test"], f"Subject: {subject}\r\nFrom: <{sender}>\r\n\r\n{body}\r\n")

        await asyncio.to_thread(send)

    def listed(self) -> str:
        """What `momentum-node spool list` prints, one JSON object a line."""
        command = [sys.executable, "-m", "momentum_node", "spool", "list", "--format", "json"]
        done = subprocess.run([*command, "--spool", str(self.spool)], check=True, capture_output=True, text=True)
        return done.stdout


async def hand_over(core: Workers, address: Address, grace_s: float) -> None:
    """Both steps, as the actuator takes them; returns when no worker uses the address any more."""
    until = clock.monotonic() + grace_s
    await core.leave(address, grace_s)
    await core.stop(address, max(0.0, until - clock.monotonic()))


@asynccontextmanager
async def mail_node(folder: Path, gateway: str, more: str = "") -> AsyncIterator[MailNode]:
    """A running one, stopped whatever happens."""
    node = MailNode(folder, gateway, more=more)
    await node.start()
    try:
        yield node
    finally:
        await node.stop()
