"""Which extensions a session offers, and what follows from options and from what the client proved. Pure."""

from collections.abc import Iterable
from typing import Final

from momentum_node.config.model import AuthParameters, InboundOptions
from momentum_node.smtp.sasl import MECHANISMS

ALWAYS: Final = ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING")
XCLIENT: Final = "XCLIENT ADDR PORT NAME PROTO HELO LOGIN DESTADDR DESTPORT"


def extensions(options: InboundOptions, is_tls: bool, is_authenticated: bool) -> tuple[str, ...]:
    """The lines of the reply to EHLO."""
    size = f"SIZE {options.max_message_size}" if options.max_message_size else "SIZE"
    return (*ALWAYS, size, *_secured(options, is_tls, is_authenticated))


def _secured(options: InboundOptions, is_tls: bool, is_authenticated: bool) -> Iterable[str]:
    if not is_tls and offers_tls(options):
        yield "STARTTLS"
    usable = mechanisms(options, is_tls)
    if usable and not is_authenticated:
        yield f"AUTH {' '.join(usable)}"
        yield f"AUTH={' '.join(usable)}"  # what clients of before RFC 2554 look for
    if "XCLIENT" in options.smtp_extensions:
        yield XCLIENT
    yield from (one for one in ("XREMOTEIP", "XSETCONTEXT", "XDUMPCONTEXT") if one in options.smtp_extensions)


def offers_tls(options: InboundOptions) -> bool:
    """STARTTLS is listed, there is a certificate, and the socket does not speak TLS from its first byte."""
    return "STARTTLS" in options.smtp_extensions and options.tls.certificate is not None and not options.use_ssl


def mechanisms(options: InboundOptions, is_tls: bool) -> tuple[str, ...]:
    """The mechanisms that may be used now."""
    if options.auth_requires_tls and not is_tls:
        return ()
    return tuple(one for one in MECHANISMS if store_of(options, one) is not None)


def store_of(options: InboundOptions, mechanism: str) -> AuthParameters | None:
    """Where the users of a mechanism are; None when it is not on offer in this scope.

    `Enable_Authentication` decides; where it is not set, `SMTP_Extensions` has to list the mechanism.
    """
    is_on = options.enable_authentication
    if is_on is None:
        is_on = f"AUTH {mechanism}" in options.smtp_extensions
    if not is_on:
        return None
    return {"PLAIN": options.auth_plain, "LOGIN": options.auth_login}[mechanism]
