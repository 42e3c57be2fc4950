"""TLS_Protocols: words like `+ALL`, `-TLSv1.2`, `+TLSv1.3`, one after the other, as sets of versions. Pure.

`ALL` is every version that is safe today, 1.2 and 1.3 (RFC 8996); an older one has to be named.
"""

import re
from typing import Final, TypeAlias

Version: TypeAlias = str
"""TLSV1, TLSV1.1, TLSV1.2 or TLSV1.3."""

ALL: Final = frozenset({"TLSV1.2", "TLSV1.3"})
KNOWN: Final = ALL | {"TLSV1", "TLSV1.1"}
NEVER: Final = frozenset({"SSLV2", "SSLV3"})


def versions(text: str) -> frozenset[Version]:
    """The versions that the words leave. Raises `ValueError` for a word that is none, or when nothing is left."""
    allowed: frozenset[Version] = frozenset()
    for word in re.split(r"[\s,:]+", text.strip()):
        allowed = _apply(allowed, word)
    if not allowed:
        raise ValueError(f"TLS_Protocols {text!r} allows no version: write +ALL, or for example +TLSv1.2 +TLSv1.3")
    return allowed


def _apply(allowed: frozenset[Version], word: str) -> frozenset[Version]:
    name = word.lstrip("+-").upper().replace("TLSV1.0", "TLSV1")
    if name != "ALL" and name not in KNOWN | NEVER:
        raise ValueError(f"TLS_Protocols: {word!r} is none of ALL, TLSv1, TLSv1.1, TLSv1.2, TLSv1.3")
    named = ALL if name == "ALL" else frozenset({name})
    if word.startswith("-"):
        return allowed - (KNOWN if name == "ALL" else named)
    return (allowed | named) - NEVER
