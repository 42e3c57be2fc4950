"""TLS contexts made of the options' files, and made anew when those change. A pair that does not fit keeps the old one.

The files are read by the unprivileged mail process: its uid must be able to read the key.
"""

import ssl
import warnings
from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from momentum_node.certificates import Files, Watched, watch
from momentum_node.config.model import TlsOptions
from momentum_node.smtp.tlsversions import Version, versions

_NUMBERS: Final = {
    "TLSV1": ssl.TLSVersion.TLSv1,
    "TLSV1.1": ssl.TLSVersion.TLSv1_1,
    "TLSV1.2": ssl.TLSVersion.TLSv1_2,
    "TLSV1.3": ssl.TLSVersion.TLSv1_3,
}
Build: TypeAlias = Callable[[TlsOptions], ssl.SSLContext]


class TlsContexts:
    """One context for each set of options that was asked for. `build`: `server_context` or another."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._made: dict[TlsOptions, Watched] = {}

    def get(self, options: TlsOptions) -> ssl.SSLContext | None:
        """The context, or None when its files cannot be used (said once in the log). The first time reads them."""
        made = self._made.get(options)
        if made is None:
            files = Files(options.certificate, options.key, options.client_ca)
            made = self._made[options] = Watched(partial(self._build, options), files)
            made.refresh()
        return made.context

    async def watch(self) -> None:
        """For ever: use renewed files for the next handshakes."""
        await watch(self.refresh)

    def refresh(self) -> None:
        """Make anew what was made of files that are others now."""
        for made in list(self._made.values()):
            made.refresh()


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


def client_context(options: TlsOptions) -> ssl.SSLContext:
    """For delivery; whether the name fits is looked at after the handshake. Raises as `server_context`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    limit_versions(context, versions(options.protocols))
    context.set_ciphers(options.ciphers)
    if options.certificate is not None:
        context.load_cert_chain(options.certificate, options.key)
    if options.verify is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        if options.client_ca is not None:
            context.load_verify_locations(options.client_ca)
        else:
            context.load_default_certs()
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
