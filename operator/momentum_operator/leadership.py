"""Holding the lease on the API server: renewed while we work, given back at the end. The driver of `lease.Election`."""

import asyncio
import contextlib
import datetime as dt
import time
from typing import Any, Final, Self

import structlog

from momentum_operator import names
from momentum_operator.kube import Kube, KubeError
from momentum_operator.lease import Election, Record, held, record, released

RELEASE_S: Final = 2.0

_log = structlog.get_logger("momentum_operator")


class Leadership:
    """One replica's part in the election, as a context. `gained` is set once it may work, `lost` once no more.

    Leave the context when nothing of yours writes any more: that lets the next replica begin at once.
    """

    def __init__(self, kube: Kube, namespace: str, me: str) -> None:
        self._kube, self._namespace = kube, namespace
        self._election = Election(me)
        self.gained, self.lost = asyncio.Event(), asyncio.Event()

    async def __aenter__(self) -> Self:
        self._keeping = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        had_it = self.is_held()
        self._keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._keeping
        if had_it:
            await self._release()

    def is_held(self) -> bool:
        """Whether we may write now. Looks at the clock: a process that was frozen has not been told yet."""
        return not self.lost.is_set() and self._election.holds(time.monotonic())

    async def _keep(self) -> None:
        """Takes the lease when it is free, and renews it until it is lost."""
        try:
            while not self._election.lost(time.monotonic()):
                await self._try()
                await asyncio.sleep(self._election.pause(time.monotonic()))
        finally:
            self.lost.set()

    async def _try(self) -> None:
        try:
            async with asyncio.timeout(self._election.patience(time.monotonic())):
                await self._attempt()
        except (KubeError, TimeoutError) as error:
            _log.warning("the lease was not looked at", error=str(error) or "no answer in time")

    async def _release(self) -> None:
        with contextlib.suppress(KubeError, TimeoutError):
            async with asyncio.timeout(RELEASE_S):
                live = await self._read()
                found = record(live)
                if live is not None and found is not None and found.holder == self._election.me:
                    await self._kube.replace({**live, "spec": released(live["spec"], _stamp())})

    async def _attempt(self) -> None:
        began = time.monotonic()
        live = await self._read()
        before = self._election.seen
        if not self._election.look(record(live), time.monotonic()):
            self._tell_of_another(before)
            return
        if live is None:
            metadata = {"name": names.FIELD_MANAGER, "namespace": self._namespace}
            written = await self._kube.create({**_LEASE, "metadata": metadata, "spec": self._spec(None)})
        else:
            written = await self._kube.replace({**live, "spec": self._spec(live.get("spec") or {})})
        self._election.wrote(record(written), began)
        self.gained.set()

    def _tell_of_another(self, before: Record | None) -> None:
        """Says once for each holder that this replica waits."""
        seen = self._election.seen
        if seen is not None and (before is None or before.holder != seen.holder):
            _log.info("waits for the lease", holder=seen.holder)

    async def _read(self) -> dict[str, Any] | None:
        live = await self._kube.get("Lease", names.FIELD_MANAGER, self._namespace)
        return None if live is None else {**live, **_LEASE}

    def _spec(self, before: dict[str, Any] | None) -> dict[str, Any]:
        return held(before, self._election.me, _stamp())


_LEASE: Final = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}


def _stamp() -> str:
    """Now, as a MicroTime of the Kubernetes API."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
