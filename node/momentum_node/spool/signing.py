"""The driver of DKIM: reads the keys of a generation, signs in threads."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from momentum_node import clock
from momentum_node.errors import ConfigurationError
from momentum_node.log import logger
from momentum_node.smtp.dkim import SIGNED, Key, Signer, load_key
from momentum_node.spool.lookup import Lookup

THREADS: Final = 2  # OpenSSL signs without the interpreter's lock
MAX_KEY_BYTES: Final = 65_536


class Signing:
    """Of one worker."""

    def __init__(self) -> None:
        self.signed = 0
        self._threads = ThreadPoolExecutor(THREADS, "dkim")
        self._signer = Signer({})

    def configure(self, lookup: Lookup) -> None:
        """Use the keys of this generation. One that cannot be read is left out, loudly: mail goes on without it."""
        keys: dict[str, list[Key]] = {}
        given, names = lookup.tree.value("dkim_keys"), lookup.tree.value("dkim_headers")
        for domain, places in (given if isinstance(given, Mapping) else {}).items():
            for place in str(places).split():
                try:
                    keys.setdefault(domain.lower(), []).append(_read(domain.lower(), place))
                except ConfigurationError as error:
                    logger().error("a DKIM key is left out", reason=str(error))
        headers = tuple(str(name).lower() for name in names) if isinstance(names, tuple) else SIGNED
        self._signer = Signer(keys, headers)

    @property
    def is_wanted(self) -> bool:
        """There are keys."""
        return bool(self._signer.keys)

    async def signed_content(self, content: bytes) -> bytes:
        """The message with its signatures above it; as it is when no key is its author's, or signing fails."""
        signer, now = self._signer, int(clock.wall())
        try:
            above = await asyncio.get_running_loop().run_in_executor(self._threads, signer.sign, content, now)
        except ValueError as error:  # a key too short for the hash, and the like
            logger().error("a message goes out unsigned", reason=str(error))
            return content
        self.signed += bool(above)
        return above + content


def _read(domain: str, place: str) -> Key:
    selector, colon, path = place.partition(":")
    if not colon or not selector or not path:
        raise ConfigurationError(f"DKIM_Keys of {domain}: write selector:path, not '{place}'")
    try:
        with Path(path).open("rb") as file:
            pem = file.read(MAX_KEY_BYTES)
    except OSError as error:
        raise ConfigurationError(f"DKIM key {selector} of {domain}: {error}") from None
    return load_key(domain, selector, pem)
