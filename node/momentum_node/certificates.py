"""TLS contexts whose files are replaced while they are in use: the next handshake uses the new ones.

What is new is checked as a whole before any of it is used: a pair that does not fit together keeps the old one. The
context stays the same object, because open sockets were given it. An authority that is new is believed beside those
before it until the process ends: OpenSSL takes none away.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from momentum_node.log import logger

POLL_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Files:
    """PEM files of one context. `key` None: in the certificate's file."""

    certificate: str | None = None
    key: str | None = None
    authority: str | None = None

    def stamp(self) -> tuple[object, ...]:
        """Differs when one of them is another file, or there is one more or less."""
        return tuple(_stamp(path) for path in (self.certificate, self.key, self.authority))


class Watched:
    """One context. `build` makes it anew and raises `OSError` (files, what is in them) or `ValueError` (options)."""

    def __init__(self, build: Callable[[], ssl.SSLContext], files: Files) -> None:
        self._build = build
        self._files = files
        self._stamp: tuple[object, ...] = ()
        self.context: ssl.SSLContext | None = None
        """None: the files could never be used so far."""

    def load(self) -> ssl.SSLContext:
        """The first look, of somebody who cannot go on without. Raises what `build` raises."""
        self._stamp = self._files.stamp()
        self.context = self._build()
        return self.context

    def refresh(self) -> None:
        """Use what the files hold now, if they are not those of the last look. Reads files."""
        stamp = self._files.stamp()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            renewed = self._build()
            if self.context is None:
                self.context = renewed
                return
            self._load_into(self.context)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            kept = (
                "TLS cannot be used" if self.context is None else "renewed TLS files are not usable; the old ones stay"
            )
            logger().error(kept, certificate=self._files.certificate, key=self._files.key, reason=str(error))
        else:
            logger().info("certificate renewed", certificate=self._files.certificate)

    def _load_into(self, context: ssl.SSLContext) -> None:
        if self._files.certificate is not None:
            context.load_cert_chain(self._files.certificate, self._files.key)
        if self._files.authority is not None and context.verify_mode is not ssl.CERT_NONE:
            context.load_verify_locations(self._files.authority)


async def watch(refresh: Callable[[], None]) -> None:
    """For ever: call `refresh` every `POLL_S`, in a thread."""
    while True:
        await asyncio.sleep(POLL_S)
        await asyncio.to_thread(refresh)


def _stamp(path: str | None) -> tuple[int, int, int] | None:
    try:
        status = Path(path).stat() if path is not None else None
    except OSError:
        return None
    return None if status is None else (status.st_ino, status.st_size, status.st_mtime_ns)
