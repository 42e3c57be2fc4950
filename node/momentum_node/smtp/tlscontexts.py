"""TLS contexts made of the options' files, and made anew when those change. A pair that does not fit keeps the old one.

The files are read by the unprivileged mail process: its uid must be able to read the key.
"""

import asyncio
import ssl
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from momentum_node.config.model import TlsOptions
from momentum_node.log import logger
from momentum_node.smtp.tlsversions import Version, versions

POLL_S: Final = 10.0

_NUMBERS: Final = {
    "TLSV1": ssl.TLSVersion.TLSv1,
    "TLSV1.1": ssl.TLSVersion.TLSv1_1,
    "TLSV1.2": ssl.TLSVersion.TLSv1_2,
    "TLSV1.3": ssl.TLSVersion.TLSv1_3,
}
Build: TypeAlias = Callable[[TlsOptions], ssl.SSLContext]


@dataclass(slots=True)
class _Made:
    context: ssl.SSLContext | None
    stamp: tuple[object, ...]


class TlsContexts:
    """One context for each set of options that was asked for. `build`: `server_context` or another."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._made: dict[TlsOptions, _Made] = {}

    def get(self, options: TlsOptions) -> ssl.SSLContext | None:
        """The context, or None when its files cannot be used (said once in the log). The first time reads them."""
        made = self._made.get(options)
        if made is None:
            made = self._made[options] = _Made(self._try(options), _stamp(options))
        return made.context

    async def watch(self) -> None:
        """For ever: use renewed files for the next handshakes."""
        while True:
            await asyncio.sleep(POLL_S)
            await asyncio.to_thread(self.refresh)

    def refresh(self) -> None:
        """Make anew what was made of files that are others now."""
        for options, made in list(self._made.items()):
            stamp = _stamp(options)
            if stamp != made.stamp:
                made.stamp = stamp
                renewed = self._try(options)
                if made.context is None:
                    made.context = renewed
                elif renewed is not None and options.certificate is not None:
                    # In place: open sockets were given this object.
                    made.context.load_cert_chain(options.certificate, options.key)

    def _try(self, options: TlsOptions) -> ssl.SSLContext | None:
        try:
            return self._build(options)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            logger().error("TLS cannot be used", certificate=options.certificate, key=options.key, reason=str(error))
            return None


def server_context(options: TlsOptions) -> ssl.SSLContext:
    """For a listener. Raises `OSError` (files), `ssl.SSLError` (what is in them), `ValueError` (words)."""
    if options.certificate is None:
        raise ValueError("TLS_Certificate is not set")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    limit_versions(context, versions(options.protocols))
    context.set_ciphers(options.ciphers)
    context.load_cert_chain(options.certificate, options.key)
    if options.client_ca is not None and options.verify != "none":
        context.load_verify_locations(options.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED if options.verify == "require" else ssl.CERT_OPTIONAL
    return context


def limit_versions(context: ssl.SSLContext, allowed: frozenset[Version]) -> None:
    """Use these versions only. Raises `ValueError` when one between two others is missing."""
    first, *_, last = (name for name in (*_NUMBERS, *_NUMBERS) if name in allowed)
    between = list(_NUMBERS)[list(_NUMBERS).index(first) : list(_NUMBERS).index(last) + 1]
    if missing := [name for name in between if name not in allowed]:
        raise ValueError(f"TLS_Protocols allows {first} and {last}, so it has to allow {', '.join(missing)}")
    with warnings.catch_warnings():  # whoever names a version that is not safe any more gets it
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = _NUMBERS[first], _NUMBERS[last]


def _stamp(options: TlsOptions) -> tuple[object, ...]:
    return tuple(_file_stamp(path) for path in (options.certificate, options.key, options.client_ca))


def _file_stamp(path: str | None) -> tuple[int, int, int] | None:
    try:
        status = Path(path).stat() if path is not None else None
    except OSError:
        return None
    return None if status is None else (status.st_ino, status.st_size, status.st_mtime_ns)
