"""One whole node, supervisor and all, in the network of this process: for stories in a network of their own."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from momentum_node.status import reader
from momentum_node.status.report import Report

ADDRESS = "198.18.0.1"


class WholeNode:
    """Make it, `configure`, `await start()`, `await stop()`. Its name is n1, its bus the embedded one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.configuration = folder / "etc" / "ecelerity.conf"
        for name in ("etc", "run", "spool"):
            (folder / name).mkdir()
        listed = {"cluster": "test", "nodes": [{"name": "n1", "id": 1, "address": ADDRESS}], "arbiter": None}
        (folder / "etc" / "nodes.json").write_text(json.dumps(listed))
        self._revision = 0
        self._process: subprocess.Popen[bytes] | None = None

    def configure(self, text: str) -> str:
        """Write the file anew, in one step, and then its revision, which is returned."""
        self._revision += 1
        for name, content in (("ecelerity.conf", text), ("revision", str(self._revision))):
            new = self.folder / name
            new.write_text(content)
            new.rename(self.folder / "etc" / name)
        return str(self._revision)

    async def start(self) -> None:
        """All roles; returns when mail is accepted."""
        environment = {
            **os.environ,
            "EC_NODE_NAME": "n1",
            "EC_NODE_ADDR": ADDRESS,
            "MOMENTUM_CONFIG": str(self.configuration),
            "MOMENTUM_NODES": str(self.folder / "etc" / "nodes.json"),
            "MOMENTUM_RUN": str(self.folder / "run"),
            "MOMENTUM_TLS": str(self.folder / "etc"),
            "MOMENTUM_BUS": f"embedded:{self.folder / 'bus'}",
            "MOMENTUM_SPOOL": str(self.folder / "spool"),
            "MOMENTUM_MAIL_WORKERS": "1",
        }
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "momentum_node", "run"], env=environment, stdout=log, stderr=log
            )
        await self.until(lambda report: report["mail"]["accepting"] and report["state"] == "RUN", 120.0)

    async def stop(self) -> None:
        """As the end of a pod."""
        if self._process is not None:
            self._process.terminate()
            await asyncio.to_thread(self._process.wait, 90)

    async def report(self) -> Report | None:
        """What it says of itself now; None while it says nothing."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(2):
                async for report in reader.reports(self.folder / "run" / "status.sock"):
                    return report
        return None

    async def until(self, is_so: Callable[[Report], object], limit_s: float = 60.0) -> Report:
        """The first report of which `is_so`. Raises `AssertionError` with the log."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while True:
                    report = await self.report()
                    if report is not None and is_so(report):
                        return report
                    await asyncio.sleep(0.05)
        raise AssertionError(f"not within {limit_s:.0f} s:\n{self.log()[-6000:]}")

    def log(self) -> str:
        """All that its processes said."""
        return (self.folder / "log").read_text(errors="replace")
